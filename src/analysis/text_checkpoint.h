// The state of a run over text in one file: the checkpoint of a run that goes on, and the part of a run that
// one shard has finished (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "analysis/text_file.h"
#include "analysis/text_visitor.h"

namespace emend {

// What a run is, in words: all that its result depends on. Two runs that say the same read the same text in
// the same way.
struct RunIdentity {
  TextOrigin origin;   // settings must agree for states to be added
  std::string corpus;  // fingerprint of the text and its blocks
  std::string seed, tokens, block_tokens;
  int shard = 0, shards = 1;

  // The first thing in which a run that was found differs from this one: "the seed (3, here 4)"; std::nullopt
  // if there is none.
  std::optional<std::string> difference(const RunIdentity& found) const;
};

struct TextCheckpoint {
  RunIdentity run;
  std::map<int, std::string> key_fingerprints;  // by layer: of all that the vectors there depend on
  std::int64_t blocks_done = 0;                 // of this shard, from the first on
  VisitedText text;

  // The same for a whole checkpoint, its layers and model included.
  std::optional<std::string> difference(const TextCheckpoint& found) const;
};

// Writes it with the state of the visitor: the whole file, or what stood there before stays. Throws
// Error(kIo).
void save_checkpoint(const std::filesystem::path& path, const TextCheckpoint& checkpoint,
                     const TextVisitor& visitor);
// What stands beside the visitor's state. Throws Error(kFormat) naming file and tensor.
TextCheckpoint read_checkpoint(const TensorFile& file);

}  // namespace emend
