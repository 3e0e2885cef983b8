// A limit on the memory of the process: how many bytes of weights may be held beside the work of a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "emend/model.h"
#include "emend/patch_run.h"

namespace emend {

// What the work of a run takes besides the weights.
struct WorkSize {
  WorkSize(std::int64_t all, std::string parts = {}) : bytes(all), what(std::move(parts)) {}

  std::int64_t bytes;
  std::string what;  // its parts, for a refusal; empty: nothing is said of them
};

// Of a model of this shape (emend/memory_estimate.h).
using WorkBytes = std::function<WorkSize(const ModelConfig&)>;

// Who gets what is left where not all weights fit: weights, or the work, which then needs fewer passes over
// them (statistics of many layers).
enum class Spare { kForWeights, kForWork };

struct WeightLimit {
  std::int64_t bytes = 0;  // ModelOptions::weight_bytes; 0: all weights may be held
  std::string note;        // which blocks will be read again; empty if none
};

// For the checkpoint at `path` in a process that may hold `memory_bytes`; 0: there is no limit. Throws
// Error(kConfig) with the least memory that would do, Error(kUsage) for a device other than the CPU.
WeightLimit limit_weights(const std::filesystem::path& path, const ModelOptions& options,
                          std::int64_t memory_bytes, const WorkBytes& work, Spare spare = Spare::kForWeights);

// Of `count` down projections that an edit changes: each in the model's type, and one in float32 twice while
// it is made.
std::int64_t changed_weight_bytes(const ModelConfig& config, ComputeType type, std::int64_t count);
// Of those that the patches change, each counted once.
std::int64_t changed_weight_bytes(const ModelConfig& config, ComputeType type,
                                  const std::vector<NamedPatch>& patches);

// The most that an edit of one fact holds at once: its search, the statistics of its layer, or the rows on
// which drift is measured.
std::int64_t edit_work_bytes(const ModelConfig& config, ComputeType type, std::int64_t token_budget);

// What run_prompt holds with the patches on the model. The prompt is not read yet: a token has at least one
// of its `prompt_bytes`, and a chat template adds some.
std::int64_t prompt_work_bytes(const ModelConfig& config, ComputeType type, std::size_t prompt_bytes,
                               std::int64_t max_new, const std::vector<NamedPatch>& patches);

}  // namespace emend
