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

// OUT belongs to one run in `count` parts; its joined results go to `folders`. Throws Error(kConfig) when
// parts of another number are there, which would be done again beside them, or what the joined results would
// take the place of: a run that is not in parts, or, before there are parts, results that are not a run's.
void require_same_parts(const std::filesystem::path& out, std::int64_t count,
                        const std::vector<std::filesystem::path>& folders);

// When all parts OUT/shard-i-of-N/INNER are finished, writes OUT/INNER/records.jsonl (in the order of the
// data) and summary.json over all of them: the same figures as one process would have given. false: a part is
// not finished yet. Throws Error(kConfig) when parts were made with different settings, and what reading and
// writing throw.
bool join_shards(const std::filesystem::path& out, std::int64_t count, const std::filesystem::path& inner);

}  // namespace emend
