// Which bytes may stand in a text that a person wrote: valid UTF-8 without control characters.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace emend {

enum class TextShape {
  kLine,   // neither tabs nor line ends
  kLines,  // tabs and '\n' are fine
};

struct BadCharacter {
  std::size_t offset = 0;  // byte offset in the text
  std::string what;        // "the control character U+0007", "the byte 0xC3, which is not UTF-8,"
};

// The first character of `text` that `shape` does not allow; std::nullopt if there is none. Control
// characters are U+0000 to U+001F and U+007F to U+009F.
std::optional<BadCharacter> find_bad_character(std::string_view text, TextShape shape);

}  // namespace emend
