// Characters as Python's str has them, on UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace emend::text::jinja {

// One view a character; an ill-formed part counts as one.
std::vector<std::string_view> characters(std::string_view text);
std::size_t count_characters(std::string_view text);

// str.isspace of one character: Unicode's white space and U+001C to U+001F.
bool is_space(char32_t code_point);
std::size_t leading_space(std::string_view text);   // bytes
std::size_t trailing_space(std::string_view text);  // where the space at the end begins
// The characters of `set` taken off both ends; sides as in str.strip.
enum class Side { kLeft, kRight, kBoth };
std::string_view strip(std::string_view text, Side side);
std::string_view strip(std::string_view text, Side side, std::string_view set);

// str.upper and str.lower. Throw Fault for the few characters that become more than one, or whose form
// depends on the word around them.
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);  // str.title, not Jinja's filter
std::string swapcase(std::string_view text);

bool is_letter(char32_t code_point);
bool is_upper(char32_t code_point);
bool is_lower(char32_t code_point);
bool is_decimal(char32_t code_point);
// Whether repr() writes the character as it is.
bool is_printable(char32_t code_point);

// str.splitlines.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

// `&`, `<`, `>`, `'` and `"` as HTML entities.
std::string escape_html(std::string_view text);

}  // namespace emend::text::jinja
