// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace emend {

// Length in bytes (1 to 4) of the character that begins at `text[at]`, or 0 where no character does.
std::size_t utf8_length(std::string_view text, std::size_t at);

// Where `text` stops being UTF-8: the byte offset of the first broken character; nothing when all is well.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

}  // namespace emend
