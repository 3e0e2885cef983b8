// The files of an aggregation: its checkpoint, the part of a shard, and the numbers of all positions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "analysis/text_checkpoint.h"
#include "memories/aggregate_visitor.h"

namespace emend {

// positions.safetensors; positions_checkpoint.safetensors and, of a shard, positions_checkpoint_0_of_2 and
// positions_part_0_of_2.
std::filesystem::path positions_file(const std::filesystem::path& folder);
std::filesystem::path positions_checkpoint_file(const std::filesystem::path& folder, int shard, int shards);
std::filesystem::path positions_part_file(const std::filesystem::path& folder, int shard, int shards);

// The whole file or nothing. Throws Error(kIo).
void write_positions(const std::filesystem::path& file, const RunIdentity& run,
                     const AggregateVisitor& visitor);
// Loads a finished file into the visitor. Throws Error(kConfig) if it is of another run, kFormat.
void read_positions(const std::filesystem::path& file, const RunIdentity& run, AggregateVisitor& visitor);

// All that the positions depend on, on one line.
std::string run_text(const RunIdentity& run);

// Throws Error(kConfig), which says what differs, if a part is of another run or shard.
void require_part_of(const std::filesystem::path& part, const RunIdentity& run);

// Throws Error if one of these folders is not there (kIo) or holds no part (kConfig).
void require_parts(const std::vector<std::filesystem::path>& folders);
// Loads the parts of all shards of a run. Throws Error(kConfig) naming two files for parts of other runs and
// for shards that are there twice, and one for a shard that is missing; kIo for a folder that is not there.
void join_positions(const std::vector<std::filesystem::path>& folders, const RunIdentity& run,
                    AggregateVisitor& visitor);

}  // namespace emend
