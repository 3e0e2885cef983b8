// What the program does with a tokenizer, over texts that reach its corners.
#pragma once

#include <string>
#include <string_view>

#include "emend/tokenizer.h"
#include "read_input.h"

namespace emend::fuzz {

inline void use_tokenizer(const Tokenizer& tokenizer) {
  const std::string_view texts[] = {"", " The Eiffel Tower's 1234 caf\xC3\xA9s\n\n  x",
                                    "\xE6\x97\xA5\xE6\x9C\xAC <|endoftext|> \xFF\xC3 end\t "};
  for (const std::string_view text : texts) {
    const Encoding encoding = tokenizer.encode(text, SpecialTokens::kAuto);
    abort_unless(encoding.ids.size() == encoding.spans.size(), "every token has a span");
    for (const ByteSpan& span : encoding.spans)
      abort_unless(span.begin <= span.end && span.end <= text.size(), "a span lies in the text");
    for (const std::int64_t id : encoding.ids)
      abort_unless(id >= 0 && id < tokenizer.size(), "an id is one of the vocabulary");
    tokenizer.decode(encoding.ids, false);
  }
}

}  // namespace emend::fuzz
