#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace emend::text {
namespace {

// 3 bytes each in UTF-8.
constexpr char32_t kUpper3 = 0x1E00, kLower3 = 0x1E01, kFormat3 = 0x200B;
// 4 bytes each in UTF-8.
constexpr char32_t kUpper4 = 0x10400, kLower4 = 0x10428, kModifier4 = 0x16F93, kLetter4 = 0x10450;
constexpr char32_t kDigit4 = 0x104A0, kNumber4 = 0x10107;

struct StandIn {
  char32_t first, last, stand_in;
};

// In order of code points.
constexpr std::array kStandIns = std::to_array<StandIn>({
    {0x180E, 0x180E, kFormat3},     {0x1C89, 0x1C89, kUpper3},      {0x1C8A, 0x1C8A, kLower3},
    {0xA7CB, 0xA7CC, kUpper3},      {0xA7CD, 0xA7CD, kLower3},      {0xA7DA, 0xA7DA, kUpper3},
    {0xA7DB, 0xA7DB, kLower3},      {0xA7DC, 0xA7DC, kUpper3},      {0x105C0, 0x105F3, kLetter4},
    {0x10D40, 0x10D49, kDigit4},    {0x10D4A, 0x10D4D, kLetter4},   {0x10D4E, 0x10D4E, kModifier4},
    {0x10D4F, 0x10D4F, kLetter4},   {0x10D50, 0x10D65, kUpper4},    {0x10D6F, 0x10D6F, kModifier4},
    {0x10D70, 0x10D85, kLower4},    {0x10EC2, 0x10EC4, kLetter4},   {0x1123F, 0x11240, kLetter4},
    {0x11380, 0x11389, kLetter4},   {0x1138B, 0x1138B, kLetter4},   {0x1138E, 0x1138E, kLetter4},
    {0x11390, 0x113B5, kLetter4},   {0x113B7, 0x113B7, kLetter4},   {0x113D1, 0x113D1, kLetter4},
    {0x113D3, 0x113D3, kLetter4},   {0x116D0, 0x116E3, kDigit4},    {0x11BC0, 0x11BE0, kLetter4},
    {0x11BF0, 0x11BF9, kDigit4},    {0x11F02, 0x11F02, kLetter4},   {0x11F04, 0x11F10, kLetter4},
    {0x11F12, 0x11F33, kLetter4},   {0x11F50, 0x11F59, kDigit4},    {0x1342F, 0x1342F, kLetter4},
    {0x13441, 0x13446, kLetter4},   {0x13460, 0x143FA, kLetter4},   {0x16100, 0x1611D, kLetter4},
    {0x16130, 0x16139, kDigit4},    {0x16D40, 0x16D42, kModifier4}, {0x16D43, 0x16D6A, kLetter4},
    {0x16D6B, 0x16D6C, kModifier4}, {0x16D70, 0x16D79, kDigit4},    {0x18CFF, 0x18CFF, kLetter4},
    {0x1B132, 0x1B132, kLetter4},   {0x1B155, 0x1B155, kLetter4},   {0x1CCF0, 0x1CCF9, kDigit4},
    {0x1D2C0, 0x1D2D3, kNumber4},   {0x1DF25, 0x1DF2A, kLower4},    {0x1E030, 0x1E06D, kModifier4},
    {0x1E4D0, 0x1E4EA, kLetter4},   {0x1E4EB, 0x1E4EB, kModifier4}, {0x1E4F0, 0x1E4F9, kDigit4},
    {0x1E5D0, 0x1E5ED, kLetter4},   {0x1E5F0, 0x1E5F0, kLetter4},   {0x1E5F1, 0x1E5FA, kDigit4},
    {0x2B739, 0x2B739, kLetter4},   {0x2EBF0, 0x2EE5D, kLetter4},   {0x31350, 0x323AF, kLetter4},
});

// The code point itself when it needs none.
char32_t stand_in(char32_t code_point) {
  if (code_point < kStandIns.front().first) return code_point;
  const auto after =
      std::upper_bound(kStandIns.begin(), kStandIns.end(), code_point,
                       [](char32_t value, const StandIn& range) { return value < range.first; });
  const StandIn& range = *(after - 1);
  return code_point <= range.last ? range.stand_in : code_point;
}

utf8proc_category_t category(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(stand_in(code_point)));
}

unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

bool is_continuation(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

// What the lead byte promises: how many bytes, and which range the second byte must lie in.
struct Lead {
  std::size_t length;  // 0 for a byte that begins no character
  unsigned char second_low, second_high;
};

Lead lead_of(unsigned char byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t position) {
  const unsigned char first = byte_at(text, position);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = lead_of(first);
  if (lead.length == 0) return {kReplacementCharacter, 1, false};
  char32_t value = first & (0x7Fu >> lead.length);
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (position + i >= text.size()) return {kReplacementCharacter, i, false};
    const unsigned char next = byte_at(text, position + i);
    const bool fits = i == 1 ? next >= lead.second_low && next <= lead.second_high : is_continuation(next);
    if (!fits) return {kReplacementCharacter, i, false};
    value = (value << 6) | (next & 0x3Fu);
  }
  return {value, lead.length, true};
}

std::string lossy_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint next = code_point_at(text, i);
    if (next.valid) {
      result.append(text.substr(i, next.length));
    } else {
      append_utf8(result, next.code_point);
    }
    i += next.length;
  }
  return result;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto push = [&text](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    push(code_point);
  } else if (code_point < 0x800) {
    push(0xC0 | (code_point >> 6));
    push(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    push(0xE0 | (code_point >> 12));
    push(0x80 | ((code_point >> 6) & 0x3F));
    push(0x80 | (code_point & 0x3F));
  } else {
    push(0xF0 | (code_point >> 18));
    push(0x80 | ((code_point >> 12) & 0x3F));
    push(0x80 | ((code_point >> 6) & 0x3F));
    push(0x80 | (code_point & 0x3F));
  }
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_number(char32_t code_point) {
  if (code_point < 0x80) return code_point >= '0' && code_point <= '9';
  if (code_point >= 0x11DE0 && code_point <= 0x11DE9) return true;  // Unicode 17
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

bool is_word(char32_t code_point) {
  // Letters in circles and squares are symbols by category, yet Alphabetic.
  if ((code_point >= 0x24B6 && code_point <= 0x24E9) || (code_point >= 0x1F130 && code_point <= 0x1F149) ||
      (code_point >= 0x1F150 && code_point <= 0x1F169) || (code_point >= 0x1F170 && code_point <= 0x1F189)) {
    return true;
  }
  if (code_point == 0x200C || code_point == 0x200D) return true;
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

std::size_t trailing_white_space(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0) {
    std::size_t previous = begin - 1;
    while (previous > 0 && is_continuation(byte_at(text, previous))) --previous;
    if (!is_white_space(code_point_at(text, previous).code_point)) break;
    begin = previous;
  }
  return begin;
}

std::size_t leading_white_space(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size()) {
    const CodePoint next = code_point_at(text, end);
    if (!is_white_space(next.code_point)) break;
    end += next.length;
  }
  return end;
}

std::string_view with_stand_ins(std::string_view text, std::string& storage) {
  bool copied = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // All of them begin with one of these bytes: E1 (U+1000..1FFF), EA (U+A000..AFFF), F0 (U+10000..3FFFF).
    const unsigned char byte = byte_at(text, i);
    if (byte != 0xE1 && byte != 0xEA && byte != 0xF0) continue;
    const CodePoint next = code_point_at(text, i);
    const char32_t replaced = stand_in(next.code_point);
    if (replaced == next.code_point) continue;
    if (!copied) storage.assign(text);
    copied = true;
    std::string bytes;
    append_utf8(bytes, replaced);
    storage.replace(i, bytes.size(), bytes);
  }
  return copied ? std::string_view(storage) : text;
}

}  // namespace emend::text
