// Bleed of a record (emend/bleed.h): by how much p(target) rises when the edited prompt asks about other
// subjects, as mean and worst, and by how much their own answers fall. Probabilities are those of whole
// answers. A rise or a fall below 0 counts as 0, so that one subject does not hide another.
#include <algorithm>
#include <cmath>

#include "eval/metric.h"

namespace emend {

namespace {

double whole_probability(const Answers& answers, const std::string& prompt, const std::string& answer) {
  const AnswerScore& score = answers.scores.at({prompt, answer});
  return std::exp(-score.nll * static_cast<double>(score.answer.size()));
}

class BleedMetric : public Metric {
 public:
  void ask(const EvalRecord& record, Questions& questions) const override {
    const EditRequest& request = record.request;
    for (const OtherSubject& other : request.bleed) {
      const std::string prompt = prompt_about(request, other.subject);
      questions.score(prompt, request.target);
      if (!other.answer.empty()) questions.score(prompt, other.answer);
    }
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    const EditRequest& request = judged.record.request;
    if (judged.is_base() || request.bleed.empty()) return;
    MeanOf rises, falls;
    double worst = 0, worst_fall = 0;
    for (const OtherSubject& other : request.bleed) {
      const std::string prompt = prompt_about(request, other.subject);
      const auto change = [&](const std::string& answer) {
        return whole_probability(judged.now, prompt, answer) - whole_probability(judged.base, prompt, answer);
      };
      const double rise = std::max(change(request.target), 0.0);
      rises.add(rise);
      worst = std::max(worst, rise);
      // An answer that the unedited model does not give shows nothing.
      if (other.answer.empty() || !judged.base.scores.at({prompt, other.answer}).argmax()) continue;
      const double fall = std::max(-change(other.answer), 0.0);
      falls.add(fall);
      worst_fall = std::max(worst_fall, fall);
    }
    rises.put("bleed_mean", values);
    values["bleed_worst"] = worst;
    falls.put("bleed_fall", values);
    if (values.contains("bleed_fall")) values["bleed_worst_fall"] = worst_fall;
  }
};

}  // namespace

std::unique_ptr<Metric> make_bleed_metric() {
  return std::make_unique<BleedMetric>();
}

}  // namespace emend
