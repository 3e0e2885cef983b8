// How far C^-1 k is from its limit for endless text, and how C is conditioned.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "analysis/key_sums.h"
#include "emend/model.h"
#include "emend/statistics.h"

namespace emend {

// Ridge of all error estimates, in units of trace(C) / d_ff: the default of the method rome.
inline constexpr double kEstimateRidge = 1e-5;

// With fewer keys for each of the d_ff dimensions, C^-1 of a half is mostly noise and no estimate is made.
inline constexpr std::int64_t kLeastKeysADimension = 2;

// Two second moments of independent text, each a mean over its keys.
struct IndependentMoments {
  at::Tensor C_a, C_b;  // [F, F] float64
  std::int64_t keys_a = 0, keys_b = 0;
};

// The estimate of StatisticsQuality::error_estimate for the weighted mean of both, on probes [n, F]. Returns
// std::nullopt if there are no probes or too few keys, or if C is singular.
std::optional<double> estimate_error(const IndependentMoments& moments, const at::Tensor& probes);

// The same for the halves of one layer.
std::optional<double> estimate_error(const KeySums& sums, std::size_t layer, const at::Tensor& probes);

// Condition and effective rank of C [F, F], or of diag(C) [F], without an error estimate. The condition costs
// a factor of C.
StatisticsQuality quality_of(const at::Tensor& C, bool with_condition = true);

// A direction is taken away as long as it carries half of what is left of the trace, at most eight of them.
// Returns std::nullopt if there is none. `condition` is that of the whole C. Of a C of which only the
// diagonal is known the directions are channels.
std::optional<LeadingKeys> find_leading_keys(const at::Tensor& C, std::optional<double> condition);

// C of layer number `index` of the sums, with all that is known about it. `probes` may be undefined.
LayerStatistics finish_layer(const KeySums& sums, std::size_t index, const at::Tensor& probes,
                             bool with_condition = true);

// Keys of held text at every layer asked for: two tokens of each row, [n, F] float32 on the CPU. Throws
// Error(kNumeric) naming layer and text if one is NaN or infinite.
std::map<int, at::Tensor> probe_keys(const Model& model, const std::vector<int>& layers,
                                     const std::vector<std::vector<std::int64_t>>& held_text);

}  // namespace emend
