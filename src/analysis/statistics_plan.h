// What the options of a collection mean for a model, and what it takes: passes, bytes, seconds.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/text_source.h"
#include "emend/model.h"
#include "emend/statistics_run.h"

namespace emend {

// Throws Error(kUsage), which names the option, for values that no collection can have, whatever the model.
void check_statistics_values(const StatisticsOptions& options);

// What a collection of that many layers needs besides the weights, by the options' text, window and token
// budget (emend/memory_estimate.h).
std::int64_t statistics_work_bytes(const ModelConfig& config, const StatisticsOptions& options,
                                   std::int64_t layers);

// The options with everything that follows from others: sorted layers, tokens, window, size of blocks. Throws
// Error(kConfig), which names the option, for a layer out of range, and as check_statistics_values and
// check_text_options do.
StatisticsOptions settle_options(const Model& model, StatisticsOptions options);

// The plan for settled options and this text. Throws Error(kConfig) if memory_bytes is not enough for one
// layer; the message says how many are.
StatisticsPlan make_plan(const Model& model, const StatisticsOptions& options, const TextSource& text);

// As few groups of at most `most` layers as possible, in order. The first group takes the rest: a pass ends
// at its last layer, so it costs least.
std::vector<std::vector<int>> group_layers(const std::vector<int>& layers, std::size_t most);

// Operations for one token in rows of this length: blocks up to the last layer's key, attention, and the sums
// of the layers.
double flops_a_token(const ModelConfig& config, const std::vector<int>& layers, double row_length);

// The same without the sums: a pass that stops at the key of `last_layer`.
double pass_flops_a_token(const ModelConfig& config, int last_layer, double row_length);

// Operations a second of matrix products, the best of a few: 1024 x 1024 x 1024 in float32 on the CPU, 8192 x
// 8192 x 8192 in the model's type on a GPU.
double measure_matmul_flops(const Model& model);

}  // namespace emend
