// SentencePiece's compiled normalisation ("Precompiled" in tokenizer.json, of T5 and other unigram models): a
// table of what characters and short sequences of them become.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "text/normalizer.h"

namespace emend::text {

// `charsmap`: the bytes of the table: the size of a trie, the trie (a double array of 32-bit units, as
// darts-clone writes it), and the replacements, each ended by a NUL. Throws Error(kFormat) beginning with
// `where` if the parts do not fit.
std::unique_ptr<Normalizer> make_precompiled(std::string charsmap, const std::string& where);

// The bytes of a base64 text; std::nullopt if it is none.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace emend::text
