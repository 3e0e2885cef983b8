// How often does the model say the answer when its text is drawn? Of n sampled texts of each prompt, the
// share that begins with the answer, as the greedy one is read for "generated".
#include "eval/metric.h"
#include "eval/metrics/answer_match.h"
#include "eval/metrics/rewrite_shares.h"

namespace emend {

namespace {

class SampledMetric : public Metric {
 public:
  void ask(const EvalRecord& record, Questions& questions) const override {
    visit_rewrite_prompts(record, [&](const char*, const std::string& prompt, const std::string& wanted) {
      questions.sample(prompt, wanted);
    });
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    put_rewrite_shares(
        judged.record, "sampled",
        [&](const std::string& prompt, const std::string& wanted) {
          const std::vector<std::string>& texts = judged.now.samples.at(prompt);
          double right = 0;
          for (const std::string& text : texts) right += begins_with_answer(text, wanted) ? 1 : 0;
          return right / static_cast<double>(texts.size());
        },
        values);
  }
};

}  // namespace

std::unique_ptr<Metric> make_sampled_metric() {
  return std::make_unique<SampledMetric>();
}

}  // namespace emend
