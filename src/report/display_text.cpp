#include "report/display_text.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/strings.h"
#include "base/utf8.h"

namespace emend {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
constexpr utf8proc_int32_t kReplacementCodePoint = 0xFFFD;

// The character at the front of `text`, which is not empty.
struct Glyph {
  std::string_view bytes;  // what to print
  std::size_t length = 0;  // bytes of the text
  std::size_t columns = 0;
  utf8proc_int32_t code_point = kReplacementCodePoint;
};

Glyph next_glyph(std::string_view text) {
  const std::size_t length = utf8_length(text, 0);
  if (length == 0) return {kReplacement, 1, 1, kReplacementCodePoint};
  utf8proc_int32_t code_point = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(length), &code_point);
  const int columns = utf8proc_charwidth(code_point);
  return {text.substr(0, length), length, static_cast<std::size_t>(std::max(columns, 0)), code_point};
}

// Control characters, and those that turn the direction of the text around them.
bool is_unsafe(utf8proc_int32_t code_point) {
  const utf8proc_category_t category = utf8proc_category(code_point);
  const bool turns =
      (code_point >= 0x202A && code_point <= 0x202E) || (code_point >= 0x2066 && code_point <= 0x2069);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP || turns;
}

// Bytes of the longest front part of `text` that fits into `columns`, with the marks that combine with its
// end.
std::size_t bytes_that_fit(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  std::size_t used = 0;
  while (at < text.size()) {
    const Glyph glyph = next_glyph(text.substr(at));
    if (used + glyph.columns > columns) break;
    used += glyph.columns;
    at += glyph.length;
  }
  return at;
}

// Takes the next line off the front of `text`.
std::string take_line(std::string_view& text, std::size_t columns) {
  std::size_t fits = bytes_that_fit(text, columns);
  if (fits == 0) fits = next_glyph(text).length;  // wider than the whole line
  std::size_t end = fits;
  if (fits < text.size() && text[fits] != ' ') {
    const std::size_t space = text.substr(0, fits).rfind(' ');
    if (space != std::string_view::npos && space > 0) end = space;
  }
  std::string line(text.substr(0, end));
  line.erase(line.find_last_not_of(' ') + 1);
  text.remove_prefix(end);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return line;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Glyph glyph = next_glyph(text);
    columns += glyph.columns;
    text.remove_prefix(glyph.length);
  }
  return columns;
}

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const Glyph glyph = next_glyph(text);
    if (is_unsafe(glyph.code_point)) {
      line += escape_code_point(static_cast<std::uint32_t>(glyph.code_point));
    } else {
      line += glyph.bytes;
    }
    text.remove_prefix(glyph.length);
  }
  return line;
}

std::string cut_to_width(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  return std::string(text.substr(0, bytes_that_fit(text, columns - 1))) + std::string(kEllipsis);
}

std::string pad_to_width(std::string_view text, std::size_t columns, Align align) {
  const std::size_t width = display_width(text);
  const std::string space(width < columns ? columns - width : 0, ' ');
  return align == Align::kLeft ? std::string(text) + space : space + std::string(text);
}

std::vector<std::string> wrap_to_width(std::string_view text, std::size_t columns) {
  columns = std::max<std::size_t>(columns, 1);
  std::vector<std::string> lines;
  while (true) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view paragraph = text.substr(0, end);
    if (paragraph.empty()) lines.emplace_back();
    while (!paragraph.empty()) lines.push_back(take_line(paragraph, columns));
    if (end == text.size()) return lines;
    text.remove_prefix(end + 1);
  }
}

}  // namespace emend
