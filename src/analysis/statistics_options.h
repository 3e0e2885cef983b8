// What the options of a collection mean for a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/statistics.h"

namespace emend {

// Throws Error(kConfig) naming the option: a layer out of range, a shard that does not exist, --until with
// shards, a window too short, text without end.
void check_statistics_options(const Model& model, const StatisticsOptions& options);

// Keys to sum: those asked for, else 10 a dimension, or at most 100 where the run waits for an error.
std::int64_t tokens_wanted(const Model& model, const StatisticsOptions& options);

// Keys of a block: those asked for, else the default of given or own text.
std::int64_t block_tokens(const Model& model, const StatisticsOptions& options);

// What sums must share to be added: "window 512, Float pass, position 0 left out".
std::string settings_of(const Model& model, const StatisticsOptions& options);

// Sorted, each once.
std::vector<int> sorted_layers(std::vector<int> layers);

}  // namespace emend
