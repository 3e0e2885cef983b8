// The components of tokenizer.json that say how text is prepared, read one kind each. All errors are
// Error(kFormat) with file and field; a kind that is not known here is one of them, never skipped.
#pragma once

#include <memory>

#include "base/json.h"
#include "text/byte_level_tokenizer.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"

namespace emend::text {

std::unique_ptr<Normalizer> read_normalizer(const JsonView& component);

// The whole of "pre_tokenizer". ByteLevel has to be its last step, and has to be there: the model works on
// bytes.
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonView& component);

// What a single text gets around it.
AutomaticTokens read_post_processor(const JsonView& component);

// Accepts what joins the bytes of tokens and does nothing else.
void check_decoder(const JsonView& component);

}  // namespace emend::text
