// One walk over the blocks of a text that belong to a shard, with a checkpoint at the end of each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "analysis/text_checkpoint.h"
#include "analysis/text_source.h"
#include "analysis/text_visitor.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct WalkOptions {
  std::string stage;                 // what the progress calls it: "statistics of 3 layers"
  RunIdentity run;                   // its shard is walked; a checkpoint of another run is refused
  std::filesystem::path checkpoint;  // empty: none is written
  bool resume = false;               // begin at the checkpoint if there is one
};

struct Walk {
  std::vector<std::uint64_t> documents;  // fingerprints of what was visited, sorted
  std::int64_t blocks_done = 0;          // of this shard
  std::int64_t resumed_blocks = 0;       // of these, those that a checkpoint spared
};

// Shows the visitor all blocks of the shard, or as many as it needs. The checkpoint of the last block is not
// written: what the visitor knows then is the result. Throws Error(kConfig), which names what differs, if the
// checkpoint is of another run, Error(kIo) if one cannot be written, and what the visitor throws.
Walk walk_text(const Model& model, const TextSource& text, TextVisitor& visitor, const WalkOptions& options,
               Progress& progress);

// What a file says beside the visitor's state when `walk` has come so far.
TextCheckpoint checkpoint_of(const Model& model, const TextSource& text, const TextVisitor& visitor,
                             const RunIdentity& run, const Walk& walk);

}  // namespace emend
