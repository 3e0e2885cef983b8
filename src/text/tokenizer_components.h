// The components of tokenizer.json that say how text is prepared, read one kind each. All errors are
// Error(kFormat) with file and field; a kind that is not known here is one of them, never skipped.
#pragma once

#include <memory>

#include "base/json.h"
#include "text/normalizer.h"
#include "text/pipeline_tokenizer.h"
#include "text/pre_tokenizer.h"

namespace emend::text {

std::unique_ptr<Normalizer> read_normalizer(const JsonView& component);

// Whether a pre-tokenizer makes the model work on bytes: it is ByteLevel, or a Sequence with it.
bool has_byte_level(const JsonView& component);

// The whole of "pre_tokenizer". What stands behind ByteLevel may only cut.
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonView& component);

// What a single text gets around it.
AutomaticTokens read_post_processor(const JsonView& component);

// Of a model on characters.
Decoder read_decoder(const JsonView& component);

// Of a model on bytes: accepts what joins the bytes of tokens and does nothing else.
void check_decoder(const JsonView& component);

}  // namespace emend::text
