// Efficacy, paraphrase and neighbourhood of a record: success and magnitude (ES, EM, PS, PM, NS, NM of Meng
// et al. 2022, section 3.2 and appendix), and beside them what a user would see: the wanted answer as the
// model's first choice (argmax) and at the beginning of its free greedy text (generated). emend/judge.h says
// what a success is.
#include <optional>

#include "eval/metric.h"
#include "eval/metrics/answer_match.h"

namespace emend {

namespace {

// One group of prompts: after them the model should say `wanted` and not `other`.
class Group {
 public:
  explicit Group(std::string name) : name_(std::move(name)) {}

  void add(const Answers& now, const std::string& prompt, const std::string& wanted,
           const std::string& other) {
    const AnswerVerdict verdict = now.verdict(prompt, wanted, other);
    if (const std::optional<bool> success = verdict.success()) {
      success_.add(*success ? 1 : 0);
      magnitude_.add(now.margin(prompt, wanted, other));
    }
    argmax_.add(verdict.greedy ? 1 : 0);
    generated_.add(begins_with_answer(now.completions.at(prompt), wanted) ? 1 : 0);
  }
  void unchanged(bool same) { unchanged_.add(same ? 1 : 0); }
  void put(MetricValues& values) const {
    success_.put(name_ + "_success", values);
    magnitude_.put(name_ + "_magnitude", values);
    argmax_.put(name_ + "_argmax", values);
    generated_.put(name_ + "_generated", values);
    unchanged_.put(name_ + "_unchanged", values);
  }

 private:
  std::string name_;
  MeanOf success_, magnitude_, argmax_, generated_, unchanged_;
};

void ask_both(Questions& questions, const std::string& prompt, const std::string& wanted,
              const std::string& other) {
  questions.score(prompt, wanted);
  if (!other.empty()) questions.score(prompt, other);
  questions.complete(prompt, wanted);
}

class RewriteMetric : public Metric {
 public:
  void ask(const EvalRecord& record, Questions& questions) const override {
    const EditRequest& r = record.request;
    ask_both(questions, r.prompt, r.target, r.was);
    for (const std::string& paraphrase : r.paraphrases) ask_both(questions, paraphrase, r.target, r.was);
    for (const Neighbour& neighbour : r.neighbours)
      if (are_opposed(neighbour.answer, r.target))
        ask_both(questions, neighbour.prompt, neighbour.answer, r.target);
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    const EditRequest& r = judged.record.request;
    Group efficacy("efficacy"), paraphrase("paraphrase"), neighbourhood("neighbourhood");
    efficacy.add(judged.now, r.prompt, r.target, r.was);
    for (const std::string& prompt : r.paraphrases) paraphrase.add(judged.now, prompt, r.target, r.was);
    for (const Neighbour& neighbour : r.neighbours) {
      if (!are_opposed(neighbour.answer, r.target)) continue;
      neighbourhood.add(judged.now, neighbour.prompt, neighbour.answer, r.target);
      if (!judged.is_base())
        neighbourhood.unchanged(judged.now.completions.at(neighbour.prompt) ==
                                judged.base.completions.at(neighbour.prompt));
    }
    for (const Group* group : {&efficacy, &paraphrase, &neighbourhood}) group->put(values);
  }
};

}  // namespace

std::unique_ptr<Metric> make_rewrite_metric() {
  return std::make_unique<RewriteMetric>();
}

}  // namespace emend
