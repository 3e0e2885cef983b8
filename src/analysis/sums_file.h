// Sums that are not finished: the checkpoint of a run, and the part of a run that a shard has summed
// (docs/formats.md).
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/key_sums.h"
#include "analysis/statistics_file.h"
#include "emend/statistics.h"

namespace emend {

// What a run is, in words: all that its sums depend on. Two runs that say the same sum the same.
struct RunIdentity {
  StatisticsOrigin origin;  // settings must agree for sums to be added
  std::string corpus;       // fingerprint of the text and its blocks
  std::string seed, tokens, block_tokens;
  int shard = 0, shards = 1;

  // As metadata, and the first thing in which another identity differs: "the seed (3, here 4)"; nothing when
  // none.
  std::map<std::string, std::string> metadata() const;
  std::optional<std::string> difference(const RunIdentity& other) const;
};

struct SumsFile {
  RunIdentity run;
  std::map<int, std::string> key_fingerprints;
  std::map<int, at::Tensor> probes;
  std::int64_t blocks_done = 0;  // of this shard, from the first on
  double next_point = 0;         // keys at which the stated error is looked at again
  Statistics text;               // held text and documents
};

// "checkpoint_0-5.safetensors", "sums_0-5_shard_1_of_4.safetensors": by the first and last layer.
enum class SumsKind { kCheckpoint, kPart };
std::filesystem::path sums_path(const std::filesystem::path& folder, SumsKind kind,
                                const std::vector<int>& layers, int shard, int shards);
// Those of a kind that a folder holds, sorted.
std::vector<std::filesystem::path> find_sums(const std::filesystem::path& folder, SumsKind kind);

// Writes the sums as they are: float64, one triangle. Throws Error(kIo); what stood there before is then as
// it was.
void save_sums(const std::filesystem::path& path, const SumsFile& file, const KeySums& sums);

struct LoadedSums {
  SumsFile file;
  KeySums sums;
};
// Throws Error(kFormat) naming file and tensor.
LoadedSums load_sums(const std::filesystem::path& path);

}  // namespace emend
