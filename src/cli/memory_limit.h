// --memory: how many bytes of weights may be held beside the work of a command.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "cli/console.h"
#include "cli/options.h"
#include "emend/model.h"

namespace emend {

// What the work of a command takes besides the weights, for a model of this shape (emend/memory_estimate.h).
using WorkBytes = std::function<std::int64_t(const ModelConfig&)>;

// Who gets what is left where not all weights fit: weights, or the work, which then needs fewer passes over
// them (statistics of many layers).
enum class Spare { kForWeights, kForWork };

// What ModelOptions::weight_bytes is to be for the checkpoint at `path`; 0: all weights may be held, and so
// without --memory. Says on the console when blocks will be read again. Throws Error(kConfig) with the least
// memory that would do, Error(kUsage) for a device other than the CPU.
std::int64_t weight_limit(const std::string& path, const CommonOptions& options, const WorkBytes& work,
                          Spare spare, Console& console);

// Of `count` down projections that a patch or an edit changes: each in the model's type, and one in float32
// twice while it is made.
std::int64_t changed_weight_bytes(const ModelConfig& config, const CommonOptions& options,
                                  std::int64_t count);

}  // namespace emend
