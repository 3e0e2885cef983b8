// Text in fixed blocks, and the passes that sum the keys of a block.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "analysis/key_sums.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/statistics.h"

namespace emend {

// What a run sums: blocks that depend on the text and the options alone, never on batches, threads or other
// blocks, so that they can be done in any process. Summing block after block gives the same bits whenever it
// begins again.
class TextSource {
 public:
  virtual ~TextSource() = default;
  virtual std::int64_t blocks() const = 0;
  virtual std::int64_t block_keys(std::int64_t block) const = 0;
  // Sums the keys of one block in all layers of `sums`. `done` keys of the stage are finished before it.
  virtual void sum(std::int64_t block, KeySums& sums, std::int64_t done, const std::string& note,
                   Progress& progress) const = 0;
  // Fingerprints of the block's texts.
  virtual std::vector<std::uint64_t> documents(std::int64_t block) const = 0;

  // Rows kept out of the sums, each with its first token, and their fingerprints.
  virtual const std::vector<std::vector<std::int64_t>>& held_text() const = 0;
  virtual const std::vector<std::uint64_t>& held_documents() const = 0;

  virtual std::string description() const = 0;  // "text: 3 files, 1.2 MB"
  virtual std::string fingerprint() const = 0;  // of all that the blocks depend on but model and BOS

  std::int64_t keys() const {
    std::int64_t total = 0;
    for (std::int64_t b = 0; b < blocks(); ++b) total += block_keys(b);
    return total;
  }
};

// The documents of a corpus that a seeded sample takes, in rank order (text/corpus.h).
struct CorpusNotes {
  std::int64_t repaired = 0, repeated = 0;
  std::vector<std::string> binary_files;
};
std::unique_ptr<TextSource> make_given_text(const Model& model, const StatisticsOptions& options,
                                            std::int64_t tokens, CorpusNotes& notes, Progress& progress);

// Text that the model writes itself.
std::unique_ptr<TextSource> make_own_text(const Model& model, const StatisticsOptions& options,
                                          std::int64_t tokens);

}  // namespace emend
