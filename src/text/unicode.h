// UTF-8 in and out, and the few character classes that tokenizers ask for outside regexes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace emend::text {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// One step through a text. Where the bytes are not UTF-8, `length` is that of the maximal ill-formed part
// (Unicode 16, section 3.9, as Rust and Python read it) and `code_point` is U+FFFD.
struct CodePoint {
  char32_t code_point = 0;
  std::size_t length = 0;
  bool valid = true;
};

// `position` must be less than `text.size()`.
CodePoint code_point_at(std::string_view text, std::size_t position);

// `text` with each ill-formed part replaced by U+FFFD.
std::string lossy_utf8(std::string_view text);

void append_utf8(std::string& text, char32_t code_point);

// Unicode's White_Space.
bool is_white_space(char32_t code_point);

// General categories Nd, Nl and No of Unicode 17 (the tables of Rust are newer than those behind the
// regexes).
bool is_number(char32_t code_point);

// `\w` as Rust's regexes have it: letters, marks, decimal digits, connectors, joiners.
bool is_word(char32_t code_point);

// Begin of the white space at the end of `text`, and end of that at its begin.
std::size_t trailing_white_space(std::string_view text);
std::size_t leading_white_space(std::string_view text);

}  // namespace emend::text
