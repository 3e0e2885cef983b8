// Does the model give the answer and then stop? Beside the "generated" success, which reads the beginning of
// a text that is cut after the answer, this one lets the model write until it ends the text itself.
#include "eval/metric.h"
#include "eval/metrics/answer_match.h"

namespace emend {

namespace {

class NaturalStopMetric : public Metric {
 public:
  void ask(const EvalRecord& record, Questions& questions) const override {
    const EditRequest& r = record.request;
    questions.complete_to_end(r.prompt);
    for (const std::string& prompt : r.paraphrases) questions.complete_to_end(prompt);
    for (const Neighbour& neighbour : r.neighbours)
      if (are_opposed(neighbour.answer, r.target)) questions.complete_to_end(neighbour.prompt);
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    const EditRequest& r = judged.record.request;
    const auto right = [&](const std::string& prompt, const std::string& wanted) {
      return is_whole_answer(judged.now.to_end.at(prompt), wanted) ? 1.0 : 0.0;
    };
    MeanOf efficacy, paraphrase, neighbourhood;
    efficacy.add(right(r.prompt, r.target));
    for (const std::string& prompt : r.paraphrases) paraphrase.add(right(prompt, r.target));
    for (const Neighbour& neighbour : r.neighbours)
      if (are_opposed(neighbour.answer, r.target))
        neighbourhood.add(right(neighbour.prompt, neighbour.answer));
    efficacy.put("efficacy_natural", values);
    paraphrase.put("paraphrase_natural", values);
    neighbourhood.put("neighbourhood_natural", values);
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
