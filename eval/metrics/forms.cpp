// Does an edit change what the model knows, or only what it says after one wording? Negation, fact checks in
// both polarities, multiple choice, the reversed relation, other relations of the subject, its other names,
// one hop: asked in the wordings of the record's relation (docs/forms.md has definitions and chance levels).
#include <cmath>
#include <utility>

#include "eval/metric.h"
#include "eval/metrics/answer_match.h"

namespace emend {

namespace {

const AnswerScore& score_of(const Answers& answers, const std::string& prompt, const std::string& answer) {
  return answers.scores.at({prompt, answer});
}

// What the model said to one prompt of a form.
AnswerState form_state(const Answers& answers, const std::string& prompt, const std::string& wanted,
                       const std::string& other) {
  AnswerState state;
  const Likelihoods logs = answers.likelihoods_of(prompt, wanted, other);
  state.p_target = std::exp(logs.wanted);
  state.p_answer = std::exp(logs.other);
  state.argmax = score_of(answers, prompt, wanted).argmax();
  if (const auto text = answers.completions.find(prompt); text != answers.completions.end()) {
    state.text = text->second;
    state.generated = begins_with_answer(text->second, wanted);
  }
  return state;
}

class FormsMetric : public Metric {
 public:
  explicit FormsMetric(FormsOfRecords forms) : forms_(std::move(forms)) {}

  void ask(const EvalRecord& record, Questions& questions) const override {
    const RecordForms* const forms = of(record);
    if (forms == nullptr) return;
    const std::string& target = record.request.target;
    for (const FactForm form : kFactForms)
      for (const auto& [prompt, answer] : forms->scored(form, target)) questions.score(prompt, answer);
    for (const PairQuestion& question : forms->negation) questions.complete(question.prompt, target);
    for (const auto* pairs : {&forms->alias, &forms->one_hop})
      for (const PairQuestion& question : *pairs) questions.complete(question.prompt, question.wanted);
    for (const ReversedQuestion& question : forms->reversed)
      questions.complete(question.about_target, question.subject);
    for (const std::string& prompt : forms->same_subject) questions.complete(prompt, target);
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    const RecordForms* const forms = of(judged.record);
    if (forms == nullptr) return;
    judge_negation(*forms, judged, values);
    judge_fact_checks(*forms, judged, values);
    judge_choice(*forms, judged, values);
    judge_reversed(*forms, judged, values);
    judge_same_subject(*forms, judged, values);
    judge_pairs("alias", forms->alias, judged, values);
    judge_pairs("one_hop", forms->one_hop, judged, values);
  }

  void trace(const EvalRecord& record, const Answers& base, const Answers& now,
             std::vector<AnswerTrace>& traces) const override {
    const RecordForms* const forms = of(record);
    if (forms == nullptr) return;
    const auto add = [&](const char* role, const std::string& prompt, const std::string& wanted,
                         const std::string& other) {
      traces.push_back({role, prompt, other, form_state(base, prompt, wanted, other),
                        form_state(now, prompt, wanted, other)});
    };
    for (const PairQuestion& q : forms->negation) add("form negation", q.prompt, q.other, q.wanted);
    for (const PairQuestion& q : forms->fact_check) add("form fact-check", q.prompt, q.wanted, q.other);
    for (const PairQuestion& q : forms->alias) add("form alias", q.prompt, q.wanted, q.other);
    for (const PairQuestion& q : forms->one_hop) add("form one-hop", q.prompt, q.wanted, q.other);
    for (const ReversedQuestion& q : forms->reversed)
      for (const std::string& prompt : {q.about_target, q.about_was})
        add("form reversed", prompt, q.subject, q.subject);
    for (const std::string& prompt : forms->same_subject)
      add("form same-subject", prompt, record.request.target, record.request.target);
    for (const ChoiceQuestion& question : forms->choice) {
      const auto letter = [&](ChoiceRole role) {
        std::size_t at = 0;
        while (question.roles.at(at) != role) ++at;
        return kChoiceLetters.at(at);
      };
      add("form choice", question.prompt, letter(ChoiceRole::kTarget), letter(ChoiceRole::kOld));
    }
  }

 private:
  const RecordForms* of(const EvalRecord& record) const {
    const auto found = forms_.find(record.request.id);
    return found == forms_.end() ? nullptr : &found->second;
  }

  // "X is not in": the present answer must beat the target, which the text must not begin with.
  static void judge_negation(const RecordForms& forms, const Judged& judged, MetricValues& values) {
    MeanOf success, magnitude, generated;
    for (const PairQuestion& q : forms.negation) {
      success.add(judged.now.verdict(q.prompt, q.wanted, q.other).likelier ? 1 : 0);
      magnitude.add(judged.now.margin(q.prompt, q.wanted, q.other));
      generated.add(begins_with_answer(judged.now.completions.at(q.prompt), q.other) ? 0 : 1);
    }
    success.put("negation_success", values);
    magnitude.put("negation_magnitude", values);
    generated.put("negation_generated", values);
  }

  // Half of the claims are true, so that a model that always agrees scores 0.5.
  void judge_fact_checks(const RecordForms& forms, const Judged& judged, MetricValues& values) const {
    MeanOf success, agreed, all;
    bool all_right = true;
    for (const PairQuestion& q : forms.fact_check) {
      const bool right = judged.now.verdict(q.prompt, q.wanted, q.other).likelier;
      success.add(right ? 1 : 0);
      // The first claim is a true one, so its wanted answer is agreement.
      agreed.add(right == (q.wanted == forms.fact_check.front().wanted) ? 1 : 0);
      all_right = all_right && right;
    }
    // Of the two claims without a present answer both are right by chance at one record in four, not in 16.
    constexpr std::size_t kAllClaims = 4;
    if (forms.fact_check.size() == kAllClaims) all.add(all_right ? 1 : 0);
    success.put("fact_check_success", values);
    all.put("fact_check_all", values);
    agreed.put("fact_check_agreed", values);
  }

  // p(role) = mean over the orders of softmax over the three letters.
  static void judge_choice(const RecordForms& forms, const Judged& judged, MetricValues& values) {
    MeanOf all;
    for (std::size_t context = 0; context < kChoiceContexts.size(); ++context) {
      std::array<MeanOf, 3> roles;
      std::array<double, 3> p{};
      for (const ChoiceQuestion& question : forms.choice) {
        if (question.context != context) continue;
        std::array<double, 3> weight{};
        double sum = 0;
        for (std::size_t i = 0; i < weight.size(); ++i)
          sum += weight[i] = std::exp(-score_of(judged.now, question.prompt, kChoiceLetters.at(i)).nll);
        for (std::size_t i = 0; i < weight.size(); ++i) {
          const auto role = static_cast<std::size_t>(question.roles.at(i));
          roles.at(role).add(weight.at(i) / sum);
          p.at(role) += weight.at(i) / sum;
        }
      }
      if (p[0] + p[1] + p[2] == 0) continue;
      const std::string name = std::string("choice_") + kChoiceContexts.at(context);
      roles[0].put(name + "_target", values);
      roles[1].put(name + "_was", values);
      roles[2].put(name + "_unsure", values);
      const double won = p[0] > p[1] && p[0] > p[2] ? 1 : 0;
      values[name + "_success"] = won;
      all.add(won);
    }
    all.put("choice_success", values);
  }

  static void judge_reversed(const RecordForms& forms, const Judged& judged, MetricValues& values) {
    MeanOf success, magnitude, generated;
    for (const ReversedQuestion& q : forms.reversed) {
      const AnswerScore& after = score_of(judged.now, q.about_target, q.subject);
      const AnswerScore& before = score_of(judged.now, q.about_was, q.subject);
      success.add(after.nll < before.nll ? 1 : 0);
      magnitude.add(after.probability() - before.probability());
      generated.add(begins_with_answer(judged.now.completions.at(q.about_target), q.subject) ? 1 : 0);
    }
    success.put("reversed_success", values);
    magnitude.put("reversed_magnitude", values);
    generated.put("reversed_generated", values);
  }

  // The target is no answer there, and nothing was to change.
  static void judge_same_subject(const RecordForms& forms, const Judged& judged, MetricValues& values) {
    const std::string& target = judged.record.request.target;
    MeanOf generated, unchanged, rise;
    for (const std::string& prompt : forms.same_subject) {
      const std::string& text = judged.now.completions.at(prompt);
      const std::string& was = judged.base.completions.at(prompt);
      generated.add(begins_with_answer(text, target) ? 0 : 1);
      if (judged.is_base()) continue;
      unchanged.add(text == was ? 1 : 0);
      rise.add(score_of(judged.now, prompt, target).probability() -
               score_of(judged.base, prompt, target).probability());
    }
    generated.put("same_subject_generated", values);
    unchanged.put("same_subject_unchanged", values);
    rise.put("same_subject_magnitude", values);
  }

  static void judge_pairs(const std::string& name, const std::vector<PairQuestion>& questions,
                          const Judged& judged, MetricValues& values) {
    MeanOf success, magnitude, argmax, generated;
    for (const PairQuestion& q : questions) {
      const AnswerVerdict verdict = judged.now.verdict(q.prompt, q.wanted, q.other);
      success.add(verdict.likelier ? 1 : 0);
      magnitude.add(judged.now.margin(q.prompt, q.wanted, q.other));
      argmax.add(verdict.greedy ? 1 : 0);
      generated.add(begins_with_answer(judged.now.completions.at(q.prompt), q.wanted) ? 1 : 0);
    }
    success.put(name + "_success", values);
    magnitude.put(name + "_magnitude", values);
    argmax.put(name + "_argmax", values);
    generated.put(name + "_generated", values);
  }

  FormsOfRecords forms_;
};

}  // namespace

std::unique_ptr<Metric> make_forms_metric(FormsOfRecords forms) {
  return std::make_unique<FormsMetric>(std::move(forms));
}

}  // namespace emend
