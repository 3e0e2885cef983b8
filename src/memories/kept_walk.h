// A walk over text whose result is kept in a folder: resumable, in shards, and shared by the processes of a
// group.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "analysis/text_source.h"
#include "emend/memory_aggregate.h"
#include "emend/shard_group.h"
#include "memories/kept_files.h"

namespace emend {

struct KeptWork {
  KeptKind kind;
  std::string command;  // begins messages: "aggregate"
  std::string stage;    // what the progress calls it
  AggregateFolder folder;
};

struct KeptWalk {
  std::int64_t resumed_blocks = 0;
  bool is_part = false;  // a shard's part was written, and the visitor does not hold the whole
  std::vector<std::filesystem::path> outputs;
};

// What a run over given text is, its options settled. `settings`: all besides text, model and BOS.
RunIdentity kept_identity(const Model& model, const TextOptions& options, const TextSource& text,
                          const std::string& settings);

// The options of this process of a group. Throws Error(kUsage) for shards besides.
template <typename Options>
Options of_group(Options options, const ShardGroup* group);

// Refuses, before the corpus is read, what cannot be joined.
void require_joinable(const KeptWork& work, const TextOptions& options, const ShardGroup* group);
// Refuses to write over what another run has left, and processes that do not share one run.
void begin_kept(const KeptWork& work, const RunIdentity& run, const std::vector<int>& layers,
                ShardGroup* group);
// Fills the visitor, whose load() adds: from a finished file, from parts, or from the text.
KeptWalk walk_kept(const Model& model, const TextSource& text, const RunIdentity& run, const KeptWork& work,
                   TextVisitor& visitor, Progress& progress, ShardGroup* group);

// Throws Error(kUsage) where mpirun makes the shards and others are asked for.
void refuse_own_shards(int shards);

template <typename Options>
Options of_group(Options options, const ShardGroup* group) {
  if (group == nullptr) return options;
  refuse_own_shards(options.shards);
  options.shard = group->rank();
  options.shards = group->size();
  return options;
}

}  // namespace emend
