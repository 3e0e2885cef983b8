// Text on a terminal: widths in columns, not in bytes. All functions take UTF-8; a byte that is not counts
// and prints as U+FFFD.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// Columns that `text` takes: combining marks 0, most characters 1, CJK and emoji 2 (utf8proc's tables).
std::size_t display_width(std::string_view text);

// One line that is safe to print: line feeds, tabs and other control characters become their escapes (`\n`,
// `\x1B`), broken UTF-8 becomes U+FFFD.
std::string one_line(std::string_view text);

// `text` itself when it fits into `columns`, else as much as fits with "…" at the end. A base character is
// never parted from its combining marks.
std::string cut_to_width(std::string_view text, std::size_t columns);

enum class Align { kLeft, kRight };

// Spaces added up to `columns`; a wider text is left as it is.
std::string pad_to_width(std::string_view text, std::size_t columns, Align align);

// Lines of at most `columns`, broken at spaces; a word that is too long is broken inside. Line feeds in the
// text end a line. At least one line, possibly empty.
std::vector<std::string> wrap_to_width(std::string_view text, std::size_t columns);

}  // namespace emend
