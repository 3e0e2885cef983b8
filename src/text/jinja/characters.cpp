#include "text/jinja/characters.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

#include "text/jinja/value.h"
#include "text/unicode.h"

namespace emend::text::jinja {
namespace {

using Range = std::pair<char32_t, char32_t>;

// Characters whose upper case or title case is more than one character (SpecialCasing.txt, unconditional).
constexpr std::array kGrowing = std::to_array<Range>({
    {0xDF, 0xDF},     {0x149, 0x149},   {0x1F0, 0x1F0},   {0x390, 0x390},   {0x3B0, 0x3B0},
    {0x587, 0x587},   {0x1E96, 0x1E9A}, {0x1F50, 0x1F50}, {0x1F52, 0x1F52}, {0x1F54, 0x1F54},
    {0x1F56, 0x1F56}, {0x1F80, 0x1FAF}, {0x1FB2, 0x1FB4}, {0x1FB6, 0x1FB7}, {0x1FBC, 0x1FBC},
    {0x1FC2, 0x1FC4}, {0x1FC6, 0x1FC7}, {0x1FCC, 0x1FCC}, {0x1FD2, 0x1FD3}, {0x1FD6, 0x1FD7},
    {0x1FE2, 0x1FE4}, {0x1FE6, 0x1FE7}, {0x1FF2, 0x1FF4}, {0x1FF6, 0x1FF7}, {0x1FFC, 0x1FFC},
    {0xFB00, 0xFB06}, {0xFB13, 0xFB17},
});

utf8proc_category_t category(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

[[noreturn]] void refuse_case(char32_t code_point) {
  throw Fault{fmt::format("changing the case of U+{:04X} is not supported", std::uint32_t{code_point})};
}

char32_t upper_of(char32_t code_point) {
  if (code_point < 0x80) return code_point >= 'a' && code_point <= 'z' ? code_point - 32 : code_point;
  for (const auto& [first, last] : kGrowing)
    if (code_point >= first && code_point <= last) refuse_case(code_point);
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code_point)));
}

char32_t title_of(char32_t code_point) {
  const char32_t up = upper_of(code_point);
  if (code_point < 0x80) return up;
  return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(code_point)));
}

char32_t lower_of(char32_t code_point) {
  if (code_point < 0x80) return code_point >= 'A' && code_point <= 'Z' ? code_point + 32 : code_point;
  if (code_point == 0x130 || code_point == 0x3A3) refuse_case(code_point);  // I with a dot; capital sigma
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point)));
}

// Each valid character through `change`; ill-formed parts stay.
template <typename Change>
std::string mapped(std::string_view text, const Change& change) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint step = code_point_at(text, at);
    if (step.valid)
      append_utf8(result, change(step.code_point));
    else
      result.append(text.substr(at, step.length));
    at += step.length;
  }
  return result;
}

bool in_set(std::string_view character, const std::vector<std::string_view>& set) {
  return std::find(set.begin(), set.end(), character) != set.end();
}

bool is_line_end(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

}  // namespace

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  for (std::size_t at = 0; at < text.size(); at += result.back().size())
    result.push_back(text.substr(at, code_point_at(text, at).length));
  return result;
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += code_point_at(text, at).length) ++count;
  return count;
}

bool is_space(char32_t code_point) {
  return (code_point >= 0x1C && code_point <= 0x1F) || is_white_space(code_point);
}

std::size_t leading_space(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const CodePoint step = code_point_at(text, at);
    if (!is_space(step.code_point)) break;
    at += step.length;
  }
  return at;
}

std::size_t trailing_space(std::string_view text) {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint step = code_point_at(text, at);
    at += step.length;
    if (!is_space(step.code_point)) begin = at;
  }
  return begin;
}

std::string_view strip(std::string_view text, Side side) {
  if (side != Side::kRight) text.remove_prefix(leading_space(text));
  if (side != Side::kLeft) text = text.substr(0, trailing_space(text));
  return text;
}

std::string_view strip(std::string_view text, Side side, std::string_view set) {
  const std::vector<std::string_view> all = characters(text), off = characters(set);
  std::size_t begin = 0, end = all.size();
  if (side != Side::kRight)
    while (begin < end && in_set(all[begin], off)) ++begin;
  if (side != Side::kLeft)
    while (end > begin && in_set(all[end - 1], off)) --end;
  if (begin == end) return {};
  const std::size_t first = static_cast<std::size_t>(all[begin].data() - text.data());
  return text.substr(first,
                     static_cast<std::size_t>(all[end - 1].data() - all[begin].data()) + all[end - 1].size());
}

std::string upper(std::string_view text) {
  return mapped(text, upper_of);
}

std::string lower(std::string_view text) {
  return mapped(text, lower_of);
}

std::string capitalize(std::string_view text) {
  bool first = true;
  return mapped(text,
                [&first](char32_t c) { return std::exchange(first, false) ? title_of(c) : lower_of(c); });
}

std::string title(std::string_view text) {
  bool inside = false;
  return mapped(text, [&inside](char32_t c) {
    const bool cased = is_upper(c) || is_lower(c) || category(c) == UTF8PROC_CATEGORY_LT;
    return std::exchange(inside, cased) ? lower_of(c) : title_of(c);
  });
}

std::string swapcase(std::string_view text) {
  return mapped(text, [](char32_t c) { return is_upper(c) ? lower_of(c) : is_lower(c) ? upper_of(c) : c; });
}

bool is_letter(char32_t code_point) {
  const utf8proc_category_t c = category(code_point);
  return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool is_upper(char32_t code_point) {
  return utf8proc_isupper(static_cast<utf8proc_int32_t>(code_point)) != 0;
}

bool is_lower(char32_t code_point) {
  return utf8proc_islower(static_cast<utf8proc_int32_t>(code_point)) != 0;
}

bool is_decimal(char32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_ND;
}

bool is_printable(char32_t code_point) {
  if (code_point == ' ') return true;
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint step = code_point_at(text, at);
    std::size_t after = at + step.length;
    if (!is_line_end(step.code_point)) {
      at = after;
      continue;
    }
    if (step.code_point == '\r' && after < text.size() && text[after] == '\n') ++after;
    lines.push_back(text.substr(begin, (keep_ends ? after : at) - begin));
    begin = at = after;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '\'':
        result += "&#39;";
        break;
      case '"':
        result += "&#34;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace emend::text::jinja
