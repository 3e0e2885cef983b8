// The files of a run over text that is kept in a folder: its result, its checkpoint, and the part of a shard.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "analysis/text_checkpoint.h"
#include "analysis/text_visitor.h"

namespace emend {

// What is kept: "positions", of "an aggregation".
struct KeptKind {
  std::string name;
  std::string run;
};

// positions.safetensors; positions_checkpoint.safetensors and, of a shard, positions_checkpoint_0_of_2 and
// positions_part_0_of_2.
std::filesystem::path kept_file(const KeptKind& kind, const std::filesystem::path& folder);
std::filesystem::path kept_checkpoint(const KeptKind& kind, const std::filesystem::path& folder, int shard,
                                      int shards);
std::filesystem::path kept_part(const KeptKind& kind, const std::filesystem::path& folder, int shard,
                                int shards);

// The whole file or nothing. Throws Error(kIo).
void write_kept(const std::filesystem::path& file, const RunIdentity& run, const TextVisitor& visitor);
// Loads a finished file into the visitor. Throws Error(kConfig) if it is of another run, kFormat.
void read_kept(const KeptKind& kind, const std::filesystem::path& file, const RunIdentity& run,
               TextVisitor& visitor);

// All that the result depends on, on one line.
std::string run_text(const RunIdentity& run);

// Throws Error(kConfig), which says what differs, if a part is of another run or shard.
void require_part_of(const std::filesystem::path& part, const RunIdentity& run);

// Throws Error if one of these folders is not there (kIo) or holds no part (kConfig).
void require_parts(const KeptKind& kind, const std::vector<std::filesystem::path>& folders);
// Loads the parts of all shards of a run into a visitor whose load() adds. Throws Error(kConfig) naming two
// files for parts of other runs and for shards that are there twice, and one for a shard that is missing; kIo
// for a folder that is not there.
void join_kept(const KeptKind& kind, const std::vector<std::filesystem::path>& folders,
               const RunIdentity& run, TextVisitor& visitor);

}  // namespace emend
