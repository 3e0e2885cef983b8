// How often does the model say the answer when its text is drawn? Of n sampled texts of each prompt, the
// share that begins with the answer, as the greedy one is read for "generated".
#include "eval/metric.h"
#include "eval/metrics/answer_match.h"

namespace emend {

namespace {

class SampledMetric : public Metric {
 public:
  void ask(const EvalRecord& record, Questions& questions) const override {
    const EditRequest& r = record.request;
    questions.sample(r.prompt, r.target);
    for (const std::string& prompt : r.paraphrases) questions.sample(prompt, r.target);
    for (const Neighbour& neighbour : r.neighbours)
      if (are_opposed(neighbour.answer, r.target)) questions.sample(neighbour.prompt, neighbour.answer);
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    const EditRequest& r = judged.record.request;
    const auto share = [&](const std::string& prompt, const std::string& wanted) {
      const std::vector<std::string>& texts = judged.now.samples.at(prompt);
      double right = 0;
      for (const std::string& text : texts) right += begins_with_answer(text, wanted) ? 1 : 0;
      return right / static_cast<double>(texts.size());
    };
    MeanOf efficacy, paraphrase, neighbourhood;
    efficacy.add(share(r.prompt, r.target));
    for (const std::string& prompt : r.paraphrases) paraphrase.add(share(prompt, r.target));
    for (const Neighbour& neighbour : r.neighbours)
      if (are_opposed(neighbour.answer, r.target))
        neighbourhood.add(share(neighbour.prompt, neighbour.answer));
    efficacy.put("efficacy_sampled", values);
    paraphrase.put("paraphrase_sampled", values);
    neighbourhood.put("neighbourhood_sampled", values);
  }
};

}  // namespace

std::unique_ptr<Metric> make_sampled_metric() {
  return std::make_unique<SampledMetric>();
}

}  // namespace emend
