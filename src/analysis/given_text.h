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

struct CorpusNotes {
  std::int64_t repaired = 0, repeated = 0;
  std::vector<std::string> binary_files;
};

// The documents of options.corpus that the sample takes, in rank order (text/corpus.h). Tokens and
// block_tokens of the options must be settled (text_options.h). Throws Error(kConfig) if no document has 8
// tokens.
std::unique_ptr<TextSource> make_given_text(const Model& model, const TextOptions& options,
                                            CorpusNotes& notes, Progress& progress);

}  // namespace emend
