// What a collection takes: passes, bytes, seconds.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/text_source.h"
#include "emend/model.h"
#include "emend/statistics.h"

namespace emend {

// Fills the plan for `layers` (sorted) of this text. Throws Error(kConfig) when memory_bytes is not enough
// for one layer, with the bytes that would be.
StatisticsPlan make_plan(const Model& model, const StatisticsOptions& options, const std::vector<int>& layers,
                         const TextSource& text);

// The fewest groups of at most `most` layers, in order. The later groups are full: a pass ends at its last
// layer, so the first ones cost least.
std::vector<std::vector<int>> group_layers(const std::vector<int>& layers, std::size_t most);

// Operations for one token of rows of this length: blocks up to the last layer's key, attention, and the sums
// of the layers.
double flops_a_token(const ModelConfig& config, const std::vector<int>& layers, double row_length);

// Operations a second of matrix products, the best of a few: on the CPU float32 of 1024 x 1024 x 1024, on a GPU 8192 x 8192 x 8192 in
// the model's type.
double measure_matmul_flops(const Model& model);

}  // namespace emend
