// The tokens by which a model ends a text or its turn.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/tokenizer.h"

namespace emend {

// The EOS of the tokenizer first, then the special tokens of the names by which families end a text or a turn
// of a chat ("<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", ...), as far as it has them. Each
// once; empty if there are none.
std::vector<std::int64_t> end_tokens(const Tokenizer& tokenizer);

}  // namespace emend
