// Does the model give the answer and then stop? Beside the "generated" success, which reads the beginning of
// a text that is cut after the answer, this one lets the model write until it ends the text itself.
#include "eval/metric.h"
#include "eval/metrics/answer_match.h"
#include "eval/metrics/rewrite_shares.h"

namespace emend {

namespace {

class NaturalStopMetric : public Metric {
 public:
  void ask(const EvalRecord& record, Questions& questions) const override {
    visit_rewrite_prompts(record, [&](const char*, const std::string& prompt, const std::string&) {
      questions.complete_to_end(prompt);
    });
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    put_rewrite_shares(
        judged.record, "natural",
        [&](const std::string& prompt, const std::string& wanted) {
          return is_whole_answer(judged.now.to_end.at(prompt), wanted) ? 1.0 : 0.0;
        },
        values);
  }
};

}  // namespace

bool is_whole_answer(const EndedText& text, const std::string& answer) {
  const std::string normal = normalize_answer(answer);
  return text.ended && !normal.empty() && normalize_answer(text.text) == normal;
}

std::unique_ptr<Metric> make_natural_stop_metric() {
  return std::make_unique<NaturalStopMetric>();
}

}  // namespace emend
