// Parts of a run that were made by several processes, joined into one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

// "shard-0-of-4", in the run's folder.
std::string shard_folder(std::int64_t index, std::int64_t count);

// `out` belongs to one run in `count` parts, whose joined results go to `folders`. Throws Error(kConfig) if
// it holds parts of another number, which would be done again beside them, or if the joined results would
// overwrite others: a run that is not in parts, or, as long as there are no parts, results that are not those
// of a run.
void require_same_parts(const std::filesystem::path& out, std::int64_t count,
                        const std::vector<std::filesystem::path>& folders);

// If all parts OUT/shard-i-of-N/INNER are finished, writes OUT/INNER/records.jsonl (in the order of the data)
// and summary.json over all of them, with the figures that one process would have given. Returns false if a
// part is not finished yet. Throws Error(kConfig) if parts were made with different settings, and what
// reading and writing throw.
bool join_shards(const std::filesystem::path& out, std::int64_t count, const std::filesystem::path& inner);

}  // namespace emend
