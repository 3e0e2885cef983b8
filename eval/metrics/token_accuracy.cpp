// Token accuracies under teacher forcing. `rewrite_acc` and `rephrase_acc`: share of the target's tokens that
// are the first choice (zsRE's efficacy and paraphrase, Mitchell et al. 2022; EasyEdit's names).
// `locality_<kind>`: share of the answer's positions whose first choice is what the unedited model's was,
// right or wrong (EasyEdit); `specificity_<kind>`: share whose first choice is the given answer's token (zsRE
// as ROME and MEMIT report it). `portability_<kind>`: as rewrite_acc.
#include <algorithm>
#include <utility>

#include "eval/metric.h"

namespace emend {

namespace {

class TokenAccuracyMetric : public Metric {
 public:
  void ask(const EvalRecord& record, Questions& questions) const override {
    questions.score(record.request.prompt, record.request.target);
    for (const std::string& paraphrase : record.request.paraphrases)
      questions.score(paraphrase, record.request.target);
    for (const KindQuestion& question : record.locality) questions.score(question.prompt, question.answer);
    for (const KindQuestion& question : record.portability) {
      questions.score(question.prompt, question.answer);
      for (const std::string& other : question.others) questions.score(question.prompt, other);
    }
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    const EditRequest& request = judged.record.request;
    values["rewrite_acc"] = judged.now.scores.at({request.prompt, request.target}).accuracy();
    MeanOf rephrase;
    for (const std::string& paraphrase : request.paraphrases)
      rephrase.add(judged.now.scores.at({paraphrase, request.target}).accuracy());
    rephrase.put("rephrase_acc", values);

    std::map<std::string, MeanOf> kinds;
    for (const KindQuestion& question : judged.record.locality) {
      const AnswerScore& now = judged.now.scores.at({question.prompt, question.answer});
      kinds["specificity_" + question.kind].add(now.accuracy());
      if (!judged.is_base())
        kinds["locality_" + question.kind].add(
            agreement(now, judged.base.scores.at({question.prompt, question.answer})));
    }
    for (const KindQuestion& question : judged.record.portability)
      kinds["portability_" + question.kind].add(
          judged.now.scores.at({question.prompt, question.answer}).accuracy());
    for (const auto& [name, mean] : any_of_groups(judged)) kinds["portability_" + name + "_any"] = mean;
    for (const auto& [name, mean] : kinds) mean.put(name, values);
  }

 private:
  // Of each kind with groups: the share of groups of which one question at least has one of its answers as
  // the greedy continuation, token by token.
  static std::map<std::string, MeanOf> any_of_groups(const Judged& judged) {
    std::map<std::pair<std::string, std::string>, bool> right;  // kind, group
    for (const KindQuestion& question : judged.record.portability) {
      if (question.group.empty()) continue;
      bool& any = right[{question.kind, question.group}];
      const auto says = [&](const std::string& answer) {
        return judged.now.scores.at({question.prompt, answer}).argmax();
      };
      any = any || says(question.answer) || std::any_of(question.others.begin(), question.others.end(), says);
    }
    std::map<std::string, MeanOf> means;
    for (const auto& [name, any] : right) means[name.first].add(any ? 1 : 0);
    return means;
  }

  static double agreement(const AnswerScore& a, const AnswerScore& b) {
    std::size_t same = 0;
    for (std::size_t i = 0; i < a.likeliest.size(); ++i) same += a.likeliest[i] == b.likeliest[i] ? 1 : 0;
    return static_cast<double>(same) / static_cast<double>(a.likeliest.size());
  }
};

}  // namespace

std::unique_ptr<Metric> make_token_accuracy_metric() {
  return std::make_unique<TokenAccuracyMetric>();
}

}  // namespace emend
