// Text that is given: a seeded sample of whole documents, each a row of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "analysis/text_source.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// What was found while a corpus was read.
struct CorpusNotes {
  std::int64_t repaired = 0, repeated = 0;  // pieces that are not UTF-8, documents that were there already
  std::vector<std::string> binary_files;    // skipped in folders
};

// The documents of options.corpus that the sample takes, in rank order (text/corpus.h). Tokens and
// block_tokens of the options must be settled (text_options.h). With `hold_text` a few rows are kept out of
// all blocks (TextSource::held_text). Throws Error(kConfig) if no document has 8 tokens.
std::unique_ptr<TextSource> make_given_text(const Model& model, const TextOptions& options,
                                            CorpusNotes& notes, Progress& progress, bool hold_text = true);

}  // namespace emend
