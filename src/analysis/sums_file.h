// The sums of keys as files hold them: float64, one triangle (docs/formats.md).
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <vector>

#include "analysis/key_sums.h"
#include "analysis/text_file.h"

namespace emend {

// All that a collection knows at the end of a block.
struct SumsState {
  KeySums sums;
  std::map<int, at::Tensor> probes;  // keys of held text, by layer
  double next_point = 0;             // number of keys at which the stated error is computed again
};

void add_sums(FileWriter& writer, const SumsState& state);
// Throws Error(kFormat) naming file and tensor.
SumsState read_sums(const TensorFile& file);

// "checkpoint_0-5.safetensors", "sums_0-5_shard_1_of_4.safetensors": by the first and last layer.
enum class SumsKind { kCheckpoint, kPart };
std::filesystem::path sums_path(const std::filesystem::path& folder, SumsKind kind,
                                const std::vector<int>& layers, int shard, int shards);
// Those of a kind that a folder holds, sorted.
std::vector<std::filesystem::path> find_sums(const std::filesystem::path& folder, SumsKind kind);

}  // namespace emend
