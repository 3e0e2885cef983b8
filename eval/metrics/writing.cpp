// Fluency and consistency of what the model writes freely from a record's generation prompts (Meng et al.
// 2022, section 3.2).
#include <cmath>

#include "eval/metric.h"
#include "eval/metrics/consistency.h"
#include "eval/metrics/fluency.h"

namespace emend {

namespace {

class WritingMetric : public Metric {
 public:
  explicit WritingMetric(const Snippets* snippets) : snippets_(snippets) {}

  void ask(const EvalRecord& record, Questions& questions) const override {
    for (const std::string& prompt : record.generations) questions.write_from(prompt);
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    const std::vector<std::string>& texts = judged.now.texts;
    if (texts.empty()) return;
    if (const auto entropy = mean_fluency(texts)) values["fluency"] = *entropy;
    if (!snippets_) return;
    const EvalRecord& record = judged.record;
    if (const auto score = snippets_->consistency(texts, record.relation, record.target_id))
      values["consistency"] = *score;
  }

 private:
  const Snippets* snippets_;
};

}  // namespace

std::unique_ptr<Metric> make_writing_metric(const Snippets* snippets) {
  return std::make_unique<WritingMetric>(snippets);
}

}  // namespace emend
