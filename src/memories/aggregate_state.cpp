#include "memories/aggregate_state.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "memories/value_agreement.h"

namespace emend {
namespace {

constexpr double kShortPrefix = 5, kVetoed = 0.05, kNear = 10;

using Field = std::function<double(const ExampleLayer&)>;

std::vector<double> numbers_of_field(const std::vector<ExampleLayer>& examples, const Field& field) {
  std::vector<double> numbers;
  numbers.reserve(examples.size());
  for (const ExampleLayer& example : examples) numbers.push_back(field(example));
  return numbers;
}

double mean_of(const std::vector<double>& numbers) {
  double sum = 0;
  for (const double number : numbers) sum += number;
  return numbers.empty() ? std::numeric_limits<double>::quiet_NaN()
                         : sum / static_cast<double>(numbers.size());
}

std::array<double, 3> quartiles_of(const std::vector<double>& numbers) {
  return {quantile_of(numbers, 0.25), quantile_of(numbers, 0.5), quantile_of(numbers, 0.75)};
}

// Counts over the positions of a layer.
class LayerSummary {
 public:
  LayerSummary(const std::vector<ExampleLayer>& examples, const std::vector<ExamplePlace>& places)
      : examples_(examples), places_(places) {}

  double mean(const Field& field) const { return mean_of(numbers_of_field(examples_, field)); }
  std::array<double, 3> quartiles(const Field& field) const {
    return quartiles_of(numbers_of_field(examples_, field));
  }

  template <typename Holds>
  std::int64_t count(Holds holds) const {
    std::int64_t hits = 0;
    for (std::size_t i = 0; i < examples_.size(); ++i) hits += holds(examples_[i], places_[i]) ? 1 : 0;
    return hits;
  }
  template <typename Holds>
  ShareWithInterval share(Holds holds) const {
    return share_of(count(holds), static_cast<std::int64_t>(examples_.size()));
  }
  // Of the positions for which `given` holds.
  template <typename Holds, typename Given>
  double share_given(Holds holds, Given given) const {
    const std::int64_t all = count(given);
    const std::int64_t hits =
        count([&](const ExampleLayer& e, const ExamplePlace& p) { return given(e, p) && holds(e, p); });
    return all == 0 ? std::numeric_limits<double>::quiet_NaN()
                    : static_cast<double>(hits) / static_cast<double>(all);
  }

 private:
  const std::vector<ExampleLayer>& examples_;
  const std::vector<ExamplePlace>& places_;
};

void add_active(const LayerSummary& of, LayerAggregate& layer) {
  const Field active = [](const ExampleLayer& e) { return static_cast<double>(e.active); };
  layer.active_mean = of.mean(active);
  layer.active = of.quartiles(active);
  layer.participation = of.mean([](const ExampleLayer& e) { return e.participation; });
  layer.cells_of_90 = of.mean([](const ExampleLayer& e) { return e.cells_of_90; });
  layer.above_hundredth = of.mean([](const ExampleLayer& e) { return e.above_hundredth; });
  layer.dominance = of.mean([](const ExampleLayer& e) { return e.dominance; });
}

void add_zero_agreement(const LayerSummary& of, const std::vector<ExampleLayer>& examples,
                        const std::function<bool(std::int64_t)>& is_stop_word, LayerAggregate& layer) {
  const auto zero = [](const ExampleLayer& e, const ExamplePlace&) { return e.agreeing == 0; };
  const auto agrees = [](const ExampleLayer& e, const ExamplePlace&) { return e.agreeing > 0; };
  const auto stop = [&](const ExampleLayer& e, const ExamplePlace&) { return is_stop_word(e.ffn_top); };
  const auto is_short = [](const ExampleLayer&, const ExamplePlace& p) {
    return static_cast<double>(p.position) + 1 < kShortPrefix;
  };
  layer.zero_agreement = of.share(zero);
  layer.zero_agreement_all =
      of.share([](const ExampleLayer& e, const ExamplePlace&) { return e.agreeing_all == 0; });
  std::vector<double> counts, shares, coalitions;
  for (const ExampleLayer& e : examples) {
    if (e.coalition > 0) coalitions.push_back(e.coalition);
    if (e.agreeing == 0) continue;
    counts.push_back(static_cast<double>(e.agreeing));
    shares.push_back(e.agreeing_share);
  }
  layer.agreeing_cells = mean_of(counts);
  layer.agreeing_share = mean_of(shares);
  layer.coalition = quantile_of(coalitions, 0.5);
  layer.stop_words_agreeing = of.share_given(stop, agrees);
  layer.stop_words_zero = of.share_given(stop, zero);
  layer.short_agreeing = of.share_given(is_short, agrees);
  layer.short_zero = of.share_given(is_short, zero);
}

void add_refinement(const LayerSummary& of, std::int64_t vocabulary, LayerAggregate& layer) {
  const auto changed = [](const ExampleLayer& e, const ExamplePlace&) {
    return e.output_top != e.residual_top;
  };
  layer.residual_is_final = of.share(
      [](const ExampleLayer& e, const ExamplePlace& p) { return e.residual_final == p.final_token; });
  layer.output_is_final = of.share([](const ExampleLayer& e, const ExamplePlace& p) {
                              return e.output_final == p.final_token;
                            }).share;
  layer.ffn_is_output =
      of.share([](const ExampleLayer& e, const ExamplePlace&) { return e.ffn_top == e.output_top; });
  layer.ffn_is_final =
      of.share([](const ExampleLayer& e, const ExamplePlace& p) { return e.ffn_top == p.final_token; }).share;
  layer.final_probability = of.quartiles([](const ExampleLayer& e) { return e.final_probability; });
  for (std::size_t d = 0; d < kDecisions; ++d) {
    const auto decision = static_cast<Decision>(d);
    layer.ffn[d] = of.share([&](const ExampleLayer& e, const ExamplePlace&) {
                       return decision_of(e.residual_top, e.ffn_top, e.output_top) == decision;
                     }).share;
    layer.attention[d] = of.share([&](const ExampleLayer& e, const ExamplePlace&) {
                             return decision_of(e.stream_top, e.attention_top, e.residual_top) == decision;
                           }).share;
  }
  const double lowest = (1 - kVetoed) * static_cast<double>(vocabulary);
  layer.vetoed = of.share_given(
      [&](const ExampleLayer& e, const ExamplePlace&) { return static_cast<double>(e.old_rank) >= lowest; },
      changed);
  layer.near = of.share_given(
      [](const ExampleLayer& e, const ExamplePlace&) { return static_cast<double>(e.new_rank) < kNear; },
      changed);
  layer.eliminated = of.share(changed).share;
}

}  // namespace

Decision decision_of(std::int64_t before, std::int64_t added, std::int64_t after) {
  if (before == added) return after == before ? Decision::kAgreement : Decision::kImpossible;
  if (after == before) return Decision::kResidual;
  return after == added ? Decision::kAdded : Decision::kComposition;
}

std::string to_string(Decision decision) {
  static const std::array<std::string, kDecisions> names = {"agreement", "residual", "added", "composition",
                                                            "impossible"};
  return names[static_cast<std::size_t>(decision)];
}

ShareWithInterval share_of(std::int64_t hits, std::int64_t n) {
  constexpr double kNormal95 = 1.959963984540054;
  if (n == 0) {
    const double unknown = std::numeric_limits<double>::quiet_NaN();
    return {unknown, unknown, unknown};
  }
  const double count = static_cast<double>(n), p = static_cast<double>(hits) / count,
               z2 = kNormal95 * kNormal95;
  const double middle = (p + z2 / (2 * count)) / (1 + z2 / count);
  const double half =
      kNormal95 / (1 + z2 / count) * std::sqrt(p * (1 - p) / count + z2 / (4 * count * count));
  return {p, std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

void add_spread(const at::Tensor& contributions, ExampleLayer& example) {
  const at::Tensor c = contributions.to(at::kDouble);
  const double sum = c.sum().item<double>(), squares = c.square().sum().item<double>();
  const double largest = c.max().item<double>();
  if (!(sum > 0)) return;
  example.participation = sum * sum / squares;
  example.dominance = largest / sum;
  example.above_hundredth = (c > 0.01 * largest).sum().item<double>() / static_cast<double>(c.numel());
  const at::Tensor running = std::get<0>(c.sort(0, /*descending=*/true)).cumsum(0);
  example.cells_of_90 = (running < 0.9 * sum).sum().item<double>() + 1;
}

std::size_t decision_layer_of(std::span<const ExampleLayer* const> layers, std::int64_t final_token) {
  std::size_t first = layers.size();
  while (first > 0 && layers[first - 1]->residual_final == final_token &&
         layers[first - 1]->output_final == final_token)
    --first;
  return first;
}

void summarize_aggregate(const std::vector<std::vector<ExampleLayer>>& examples,
                         const std::vector<ExamplePlace>& places, const std::vector<int>& numbers,
                         std::int64_t cells, std::int64_t vocabulary,
                         const std::function<bool(std::int64_t)>& is_stop_word, AggregateOutcome& outcome) {
  for (std::size_t l = 0; l < examples.size(); ++l) {
    LayerAggregate layer;
    layer.layer = numbers[l];
    layer.cells = cells;
    const LayerSummary of(examples[l], places);
    add_active(of, layer);
    add_zero_agreement(of, examples[l], is_stop_word, layer);
    add_refinement(of, vocabulary, layer);
    outcome.layers.push_back(layer);
  }
  std::vector<double> decided;
  std::vector<std::int64_t> at(examples.size() + 1), saturated(examples.size() + 1);
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::vector<const ExampleLayer*> layers;
    for (const std::vector<ExampleLayer>& layer : examples) layers.push_back(&layer[i]);
    const std::size_t first = decision_layer_of(layers, places[i].final_token);
    ++at[first];
    decided.push_back(first < numbers.size() ? numbers[first] : numbers.back() + 1);
    // The first layer whose output has w while its r had not, and that keeps it: in front of the decision.
    if (first > 0 && layers[first - 1]->output_final == places[i].final_token) ++saturated[first - 1];
  }
  const auto count = static_cast<double>(places.size());
  for (std::size_t l = 0; l < outcome.layers.size(); ++l) {
    outcome.layers[l].decided = static_cast<double>(at[l]) / count;
    outcome.layers[l].saturated = static_cast<double>(saturated[l]) / count;
  }
  outcome.decision_layer = quartiles_of(decided);
}

std::int64_t minimal_coalition(const at::Tensor& pushes, const at::Tensor& base, const at::Tensor& order,
                               const std::vector<std::int64_t>& checked, std::int64_t winner,
                               const std::function<at::Tensor(const at::Tensor&)>& favourites) {
  const at::Tensor sorted = pushes.index_select(0, order);
  std::vector<at::Tensor> sums;
  at::Tensor sum = base.clone();
  std::int64_t taken = 0;
  for (const std::int64_t size : checked) {
    sum = sum + sorted.narrow(0, taken, size - taken).sum(0);
    taken = size;
    sums.push_back(sum);
  }
  const at::Tensor tops = favourites(at::stack(sums));
  std::size_t first = checked.size() - 1;
  while (first > 0 && tops[static_cast<std::int64_t>(first) - 1].item<std::int64_t>() == winner) --first;
  return checked[first];
}

std::vector<std::int64_t> coalition_sizes(std::int64_t cells) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t power = 1; power < cells; power *= 2) {
    sizes.push_back(power);
    const std::int64_t between = power + power / 2;
    if (power > 1 && between < cells) sizes.push_back(between);
  }
  sizes.push_back(cells);
  return sizes;
}

}  // namespace emend
