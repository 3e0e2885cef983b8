// tokenizer.json into the parts of a tokenizer.
#pragma once

#include "emend/tokenizer.h"
#include "text/byte_level_tokenizer.h"

namespace emend::text {

// Throws Error(kFormat) naming file and field.
TokenizerParts read_tokenizer_json(const TokenizerJson& source);

}  // namespace emend::text
