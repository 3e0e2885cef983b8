// CounterFact+ (Hoelscher-Obermaier et al. 2023): each neighbourhood prompt once more with the edited
// statement in front,
// "{prompt} {target}. {neighbourhood prompt}": neighbourhood_plus_success and _magnitude as NS and NM; and
// how far the next token's distribution moved from the frozen base, KL(edited || base) in nats:
// neighbourhood_kl, neighbourhood_plus_kl. The published NKL divides this by the size of the vocabulary.
#include <fmt/format.h>

#include "eval/metric.h"

namespace emend {

namespace {

std::string with_statement(const EditRequest& request, const std::string& prompt) {
  return fmt::format("{} {}. {}", request.prompt, request.target, prompt);
}

class CounterfactPlusMetric : public Metric {
 public:
  void ask(const EvalRecord& record, Questions& questions) const override {
    for (const Neighbour& neighbour : record.request.neighbours) {
      if (!are_opposed(neighbour.answer, record.request.target)) continue;
      const std::string plus = with_statement(record.request, neighbour.prompt);
      questions.score(plus, neighbour.answer);
      questions.score(plus, record.request.target);
      questions.compare_next_token(neighbour.prompt);
      questions.compare_next_token(plus);
    }
  }

  void judge(const Judged& judged, MetricValues& values) const override {
    const EditRequest& request = judged.record.request;
    MeanOf success, magnitude, kl, kl_plus;
    for (const Neighbour& neighbour : request.neighbours) {
      if (!are_opposed(neighbour.answer, request.target)) continue;
      const std::string plus = with_statement(request, neighbour.prompt);
      success.add(judged.now.verdict(plus, neighbour.answer, request.target).likelier ? 1 : 0);
      magnitude.add(judged.now.margin(plus, neighbour.answer, request.target));
      if (judged.is_base()) continue;
      kl.add(judged.now.next_token_kl.at(neighbour.prompt));
      kl_plus.add(judged.now.next_token_kl.at(plus));
    }
    success.put("neighbourhood_plus_success", values);
    magnitude.put("neighbourhood_plus_magnitude", values);
    kl.put("neighbourhood_kl", values);
    kl_plus.put("neighbourhood_plus_kl", values);
  }
};

}  // namespace

std::unique_ptr<Metric> make_counterfact_plus_metric() {
  return std::make_unique<CounterfactPlusMetric>();
}

}  // namespace emend
