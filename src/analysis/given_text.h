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

// What a row of a document is.
enum class RowCut {
  kWindows,    // as many tokens as a window holds
  kSentences,  // a sentence alone (text/sentences.h), of 2 tokens or more; a long one in windows. Where a
               // sentence ends, a number of rows is left out, and the token read last has no next one
};

// The documents of options.corpus that the sample takes, in rank order (text/corpus.h). Tokens and
// block_tokens of the options must be settled (text_options.h). With `hold_text` a few rows are kept out of
// all blocks (TextSource::held_text). Throws Error(kConfig) if no document has 8 tokens, or no sentence
// has 2.
std::unique_ptr<TextSource> make_given_text(const Model& model, const TextOptions& options,
                                            CorpusNotes& notes, Progress& progress, bool hold_text = true,
                                            RowCut cut = RowCut::kWindows);

// Text that the model writes (own_text.h), all of it written first, then read as given text: rows with
// addresses, which texts that grow side by side do not have. Costs the writing beside the reading. The whole
// of options.tokens is written, whatever the shard. Throws as make_own_text does.
std::unique_ptr<TextSource> make_written_text(const Model& model, const TextOptions& options,
                                              Progress& progress);

}  // namespace emend
