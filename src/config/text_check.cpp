#include "config/text_check.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace emend {
namespace {

// The code of the control character that `character` (valid UTF-8) is; std::nullopt if it is another
// character.
std::optional<unsigned> control_code(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first < 0x20 || first == 0x7F) return first;
  const unsigned last = static_cast<unsigned char>(character.back());
  if (first == 0xC2 && last <= 0x9F) return last;
  return std::nullopt;
}

// Where the printable ASCII characters that begin at `at` end. Most of a file is such.
std::size_t printable_ascii_end(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] >= 0x20 && text[at] < 0x7F) ++at;
  return at;
}

}  // namespace

std::optional<BadCharacter> find_bad_character(std::string_view text, TextShape shape) {
  for (std::size_t offset = printable_ascii_end(text, 0); offset < text.size();) {
    const std::size_t length = utf8_length(text, offset);
    if (length == 0) {
      const unsigned byte = static_cast<unsigned char>(text[offset]);
      return BadCharacter{offset, fmt::format("the byte 0x{:02X}, which is not UTF-8,", byte)};
    }
    const auto control = control_code(text.substr(offset, length));
    const bool layout = control == '\n' || control == '\t';
    if (control && !(layout && shape == TextShape::kLines)) {
      const bool line_end = control == '\n';
      return BadCharacter{offset,
                          line_end ? "a line end" : fmt::format("the control character U+{:04X}", *control)};
    }
    offset = printable_ascii_end(text, offset + length);
  }
  return std::nullopt;
}

}  // namespace emend
