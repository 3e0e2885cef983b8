// How texts are cut by the pre-tokenizers that GGUF files name instead of spelling them out.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "emend/tokenizer.h"
#include "text/bpe.h"

namespace emend::text {

enum class NormalForm { kAsIs, kNfc };

// Instead of a pattern: each number alone. (As a pattern it would be \p{N}; the tokenizer.json files of these
// models have the component Digits.)
constexpr std::string_view kEachDigit = "Digits";
// Instead of a pattern: each run of numbers.
constexpr std::string_view kNumberRuns = "Digits(runs)";
// Instead of a pattern: what follows cuts the characters that spell bytes, as behind ByteLevel in a
// tokenizer.json.
constexpr std::string_view kSpelled = "ByteLevel";

// Each pattern cuts the pieces of the one before it; an empty one is none.
struct PreRule {
  std::string_view name;
  std::array<std::string_view, 5> patterns;
  NormalForm form = NormalForm::kAsIs;
  WholePieces whole_pieces = WholePieces::kMerge;
  bool add_bos = false;  // where the file does not say
};

// The rule that the file names. Throws Error(kFormat) with the known ones for any other.
const PreRule& find_pre_rule(const TokenizerGguf& source);

// Whether token `id` is found in a text as it stands: control tokens, those that users defined, and the
// unknown token, which only SentencePiece has.
bool is_added_token(const TokenizerGguf& source, std::size_t id);
// Whether it is one that decode may leave out.
bool is_control_token(const TokenizerGguf& source, std::size_t id);

// The ids that begin and end every text; -1: none. Throws Error(kFormat) where the file asks for one that it
// does not name.
struct TextEnds {
  std::int64_t bos = -1, eos = -1;
};
TextEnds ends_of_texts(const TokenizerGguf& source);

}  // namespace emend::text
