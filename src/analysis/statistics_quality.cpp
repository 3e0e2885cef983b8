#include "analysis/statistics_quality.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "emend/error.h"
#include "linalg/spd_factor.h"
#include "model/rows.h"

namespace emend {

namespace {

bool are_enough(std::int64_t keys_a, std::int64_t keys_b, std::int64_t d_ff, const at::Tensor& probes) {
  const std::int64_t least = kLeastKeysADimension * d_ff;
  return probes.defined() && probes.size(0) > 0 && keys_a >= least && keys_b >= least;
}

// C^-1 k of the probes [n, F].
std::optional<at::Tensor> responses_to(const at::Tensor& probes, const at::Tensor& C) {
  return solve_with_ridge(C, kEstimateRidge, probes.to(C.device(), at::kDouble).t());
}

// From the responses of two halves.
std::optional<double> error_between(const std::optional<at::Tensor>& a, const std::optional<at::Tensor>& b,
                                    std::int64_t keys_a, std::int64_t keys_b) {
  if (!a || !b) return std::nullopt;
  const double distance = 1 - at::cosine_similarity(*a, *b, 0).mean().item<double>();
  if (!std::isfinite(distance)) return std::nullopt;
  const auto n_a = static_cast<double>(keys_a), n_b = static_cast<double>(keys_b);
  return std::max(0.0, distance) * n_a * n_b / ((n_a + n_b) * (n_a + n_b));
}

// Sum of squares; without a matrix of them.
double squares_of(const at::Tensor& C) {
  const at::Tensor elements = C.reshape({-1});
  return elements.dot(elements).item<double>();
}

}  // namespace

std::optional<double> estimate_error(const IndependentMoments& moments, const at::Tensor& probes) {
  if (!are_enough(moments.keys_a, moments.keys_b, moments.C_a.size(0), probes)) return std::nullopt;
  return error_between(responses_to(probes, moments.C_a), responses_to(probes, moments.C_b), moments.keys_a,
                       moments.keys_b);
}

// One half after the other, so that one matrix at a time is there beside the sums.
std::optional<double> estimate_error(const KeySums& sums, std::size_t layer, const at::Tensor& probes) {
  const MomentSum &a = sums.half(layer, 0), &b = sums.half(layer, 1);
  if (!are_enough(a.count(), b.count(), sums.d_ff(), probes)) return std::nullopt;
  const auto responses = [&](const MomentSum& half) {
    return responses_to(probes, half.value().div_(static_cast<double>(half.count())));
  };
  const auto of_a = responses(a), of_b = responses(b);
  return error_between(of_a, of_b, a.count(), b.count());
}

StatisticsQuality quality_of(const at::Tensor& C, bool with_condition) {
  StatisticsQuality quality;
  if (with_condition) quality.condition = condition_estimate(C);
  const double trace = trace_of(C), squares = squares_of(C);
  if (squares > 0) quality.effective_rank = trace * trace / squares;
  return quality;
}

namespace {

struct EigenPair {
  double value = 0;
  at::Tensor vector;  // [F], of length 1
};

// The largest eigenvalue of C without the pairs that were found before, by power iteration. Of a diagonal the
// next channel, without its vector.
EigenPair largest_pair(const at::Tensor& C, const std::vector<EigenPair>& found) {
  const auto number = static_cast<std::int64_t>(found.size());
  if (is_diagonal(C)) return {std::get<0>(C.topk(number + 1))[number].item<double>(), {}};
  constexpr int kMostSteps = 100;
  constexpr double kTolerance = 1e-9;  // of the eigenvalue, relative
  const auto without_found = [&](at::Tensor vector) {
    for (const EigenPair& pair : found) vector = vector - pair.vector * pair.vector.dot(vector);
    return vector;
  };
  at::Tensor diagonal = C.diagonal().clone();
  for (const EigenPair& pair : found) diagonal -= pair.value * pair.vector.square();
  EigenPair pair;
  pair.vector = without_found(C.select(1, diagonal.argmax().item<std::int64_t>()));
  for (int step = 0; step < kMostSteps; ++step) {
    const double length = pair.vector.norm().item<double>();
    if (!(length > 0)) return {0, at::zeros_like(pair.vector)};
    const at::Tensor unit = pair.vector / length;
    const at::Tensor next = without_found(at::mv(C, unit));
    const double value = unit.dot(next).item<double>();
    const bool settled = std::abs(value - pair.value) <= kTolerance * value;
    pair = {value, next};
    if (settled) break;
  }
  pair.vector = pair.vector / pair.vector.norm();
  return pair;
}

}  // namespace

std::optional<LeadingKeys> find_leading_keys(const at::Tensor& C, std::optional<double> condition) {
  constexpr double kRuling = 0.5;
  constexpr std::size_t kMostDirections = 8;
  const double trace = trace_of(C);
  double left = trace, squares = squares_of(C);
  std::vector<EigenPair> found;
  // No eigenvalue is above the root of the sum of their squares.
  const std::size_t most = std::min(kMostDirections, static_cast<std::size_t>(C.size(0)) - 1);
  while (found.size() < most && std::sqrt(std::max(squares, 0.0)) >= kRuling * left && left > 0) {
    EigenPair pair = largest_pair(C, found);
    if (!(pair.value >= kRuling * left) || !(left - pair.value > 1e-12 * trace)) break;
    left -= pair.value;
    squares -= pair.value * pair.value;
    found.push_back(std::move(pair));
  }
  if (found.empty()) return std::nullopt;
  LeadingKeys keys;
  keys.directions = static_cast<int>(found.size());
  keys.share = 1 - left / trace;
  keys.trace = left;
  if (squares > 0) keys.effective_rank = left * left / squares;
  if (condition) keys.condition = *condition * largest_pair(C, found).value / found.front().value;
  return keys;
}

LayerStatistics finish_layer(const KeySums& sums, std::size_t index, const at::Tensor& probes,
                             bool with_condition) {
  const MomentSum &a = sums.half(index, 0), &b = sums.half(index, 1);
  LayerStatistics layer;
  layer.tokens = a.count() + b.count();
  layer.probes = probes;
  const auto estimate = estimate_error(sums, index, probes);
  const at::Tensor C = a.value().add_(b.value()).div_(static_cast<double>(layer.tokens));
  layer.quality = quality_of(C, with_condition);
  layer.quality.error_estimate = estimate;
  layer.C = C.cpu();
  return layer;
}

std::map<int, at::Tensor> probe_keys(const Model& model, const std::vector<int>& layers,
                                     const std::vector<std::vector<std::int64_t>>& held_text) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  std::vector<std::int64_t> chosen;
  std::vector<std::size_t> row_of_probe;
  std::int64_t first = 0;
  for (std::size_t row = 0; row < held_text.size(); ++row) {
    const auto length = static_cast<std::int64_t>(held_text[row].size());
    if (length < 3) continue;
    input.ids.push_back(held_text[row]);
    chosen.push_back(first + length / 2);
    if (length - 1 != length / 2) chosen.push_back(first + length - 1);
    row_of_probe.resize(chosen.size(), row);
    first += length;
  }
  std::map<int, at::Tensor> probes;
  if (chosen.empty()) return probes;
  input.stop = PassInput::Stop::kKey;
  input.stop_block = *std::max_element(layers.begin(), layers.end());
  const at::Tensor tokens = index_tensor(chosen, model.options().device());
  for (const int layer : layers) input.recordings.push_back({Site::kKey, layer, tokens});
  const PassOutput output = model.forward(input);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const at::Tensor keys = output.recorded[i].to(at::kFloat).cpu();
    const at::Tensor broken = at::nonzero(at::isfinite(keys).all(1).logical_not()).flatten();
    if (broken.numel() > 0)
      throw Error(
          ErrorKind::kNumeric,
          fmt::format("statistics: in layer {} a key of held text {} (counted from 0) is NaN or "
                      "infinite; check the model's weights, or set the option dtype to float32",
                      layers[i], row_of_probe[static_cast<std::size_t>(broken[0].item<std::int64_t>())]));
    probes[layers[i]] = keys;
  }
  return probes;
}

}  // namespace emend
