// "model" of tokenizer.json: BPE or Unigram. All errors are Error(kFormat) with file and field.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/bpe.h"
#include "text/pipeline_tokenizer.h"
#include "text/vocabulary.h"

namespace emend::text {

// Sets vocabulary and model. `spelling`: of the tokens, by the pre-tokenizer.
void read_model(const JsonView& model, Spelling spelling, TokenizerParts& parts);

// An object of spelling to id.
std::unique_ptr<Vocabulary> read_vocabulary(const JsonView& vocab, Spelling spelling);

}  // namespace emend::text
