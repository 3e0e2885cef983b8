// Tokens back to text, one file component ("Replace", "ByteFallback", ...) a step. Byte-level tokenizers need
// none: their tokens are bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emend/tokenizer.h"
#include "text/regex.h"

namespace emend::text {

// Immutable; any thread may call any method.
class DecoderStep {
 public:
  virtual ~DecoderStep() = default;
  // Rewrites the spellings of all tokens of a text; a step may join them.
  virtual void decode(std::vector<std::string>& pieces, Position position) const = 0;
  // The same for one token in the middle of a text, where it may be a part of a character.
  virtual std::string decode_inner(std::string piece) const = 0;
};

using Decoder = std::vector<std::unique_ptr<DecoderStep>>;

std::unique_ptr<DecoderStep> make_replace_step(Regex pattern, std::string content);
std::unique_ptr<DecoderStep> make_literal_step(std::string found, std::string content);
// "<0x41>" to the byte 0x41. A run of such tokens that is not UTF-8 becomes a U+FFFD for each byte.
std::unique_ptr<DecoderStep> make_byte_fallback_step();
// Joins all pieces.
std::unique_ptr<DecoderStep> make_fuse_step();
// At most `begin` and `end` of the character `content` off both ends of every piece. Where all pieces have
// been joined before (`fused`), it only concerns the ends of the text, and the begin only if it is the text's
// start.
std::unique_ptr<DecoderStep> make_strip_step(char32_t content, std::size_t begin, std::size_t end,
                                             bool fused);
// `replacement` to a space; in the first piece of a text, where one was put in front (`prepended`), to
// nothing.
std::unique_ptr<DecoderStep> make_metaspace_step(char32_t replacement, bool prepended);

}  // namespace emend::text
