#include "eval/metrics/answer_match.h"

#include <algorithm>
#include <array>

#include "text/normalizer.h"
#include "text/unicode.h"

namespace emend {
namespace {

struct Range {
  char32_t first, last;
};

// Scripts without spaces between words, by blocks.
constexpr std::array<Range, 11> kUnspaced = {{{0x0E00, 0x0EFF},      // Thai, Lao
                                              {0x0F00, 0x0FFF},      // Tibetan
                                              {0x1000, 0x109F},      // Burmese
                                              {0x1780, 0x17FF},      // Khmer
                                              {0x3005, 0x3007},      // iteration mark, closing mark, zero
                                              {0x3040, 0x30FF},      // Hiragana, Katakana
                                              {0x31F0, 0x31FF},      // Katakana extensions
                                              {0x3400, 0x4DBF},      // Han, extension A
                                              {0x4E00, 0x9FFF},      // Han
                                              {0xF900, 0xFAFF},      // Han, compatibility
                                              {0x20000, 0x323AF}}};  // Han, further extensions

bool is_unspaced(char32_t c) {
  return std::any_of(kUnspaced.begin(), kUnspaced.end(),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

// The last character of `text`, which is not empty.
char32_t last_code_point(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return text::code_point_at(text, at).code_point;
}

// Stands where a mark ends a word and no white space follows: "Rome's" is "rome", a mark, "s".
constexpr char kWordEnd = '\x01';

bool is_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

bool is_letter_or_digit(char32_t c) {
  return text::is_word(c) && c != '_';
}

bool is_hyphen(char32_t c) {
  return c == '-' || c == 0x2010 || c == 0x2011;  // ASCII's, Unicode's, the one that does not break
}

bool is_minus(char32_t c) {
  return c == '-' || c == 0x2212;
}

// Signs that make another name of the word in front of them: C++, C#, B flat.
bool is_name_sign(char32_t c) {
  return c == '+' || c == '#' || c == 0x266D || c == 0x266F;
}

std::u32string code_points_of(std::string_view text) {
  std::u32string points;
  for (std::size_t at = 0; at < text.size();) {
    const text::CodePoint c = text::code_point_at(text, at);
    points += c.valid ? c.code_point : U'.';  // broken UTF-8 is a mark
    at += c.length;
  }
  return points;
}

// What a mark or a sign of a text becomes among its words.
class MarkReader {
 public:
  explicit MarkReader(const std::u32string& text) : text_(text) {}

  // The mark at `i` belongs to its word and is compared: 3.5, C++, -5.
  bool is_compared(std::size_t i) const {
    const char32_t c = text_[i], before = at(i, -1), behind = at(i, 1);
    if (is_name_sign(c)) return is_letter_or_digit(before) || is_name_sign(before);
    if (is_digit(before) && is_digit(behind)) return !(c == ',' && parts_thousands(i));
    return is_minus(c) && is_digit(behind) && !is_letter_or_digit(before);
  }
  // The mark at `i`, which is not compared, ends the word in front of it. It does not within a number
  // (10,000), an abbreviation (U.S.), or a name of several parts (AT&T, Guinea-Bissau).
  bool ends_word(std::size_t i) const {
    const char32_t c = text_[i], before = at(i, -1), behind = at(i, 1);
    if (c == '_') return false;
    if (!is_letter_or_digit(before) || !is_letter_or_digit(behind)) return true;
    if (is_digit(before) && is_digit(behind)) return false;
    if (c == '.' && at(i, 2) == '.') return false;
    if (c == '&') return false;
    return !(is_hyphen(c) && is_upper(behind));
  }

 private:
  char32_t at(std::size_t i, int step) const {
    const std::size_t place = i + static_cast<std::size_t>(step);
    return place < text_.size() ? text_[place] : U' ';
  }
  bool parts_thousands(std::size_t i) const {
    return is_digit(at(i, 1)) && is_digit(at(i, 2)) && is_digit(at(i, 3)) && !is_digit(at(i, 4));
  }
  static bool is_upper(char32_t c) {
    std::string letter;
    text::append_utf8(letter, c);
    return text::lower_case(letter) != letter;
  }

  const std::u32string& text_;
};

// Lower case, words with their marks, single spaces, kWordEnd where a word ends at a mark.
std::string marked_words(std::string_view text) {
  const std::u32string points = code_points_of(text);
  const MarkReader marks(points);
  std::string words;
  char gap = '\0';  // what stands between the last word and the next one
  for (std::size_t i = 0; i < points.size(); ++i) {
    const char32_t c = points[i];
    if (text::is_white_space(c)) {
      gap = ' ';
    } else if (is_letter_or_digit(c) || marks.is_compared(i)) {
      if (gap != '\0' && !words.empty()) words += gap;
      gap = '\0';
      text::append_utf8(words, is_minus(c) ? U'-' : c);
    } else if (gap == '\0' && marks.ends_word(i)) {
      gap = kWordEnd;
    }
  }
  return text::lower_case(words);
}

std::string bare_words(std::string_view text) {
  std::string words = marked_words(text);
  std::erase(words, kWordEnd);
  return words;
}

std::string_view without_articles(std::string_view words) {
  std::string_view rest = words;
  for (bool dropped = true; dropped;) {
    dropped = false;
    for (const std::string_view article : {"a ", "an ", "the "}) {
      if (!rest.starts_with(article)) continue;
      rest.remove_prefix(article.size());
      dropped = true;
    }
  }
  return rest;
}

// Whether a word of `text` ends at byte `at`, which is greater than 0.
bool word_ends(std::string_view text, std::size_t at) {
  if (at == text.size() || text[at] == ' ' || text[at] == kWordEnd) return true;
  return is_unspaced(text::code_point_at(text, at).code_point) ||
         is_unspaced(last_code_point(text.substr(0, at)));
}

// `text` has its word ends marked, `answer` has not.
bool starts_with_words(std::string_view text, std::string_view answer) {
  std::size_t at = 0;
  for (const char c : answer) {
    while (at < text.size() && text[at] == kWordEnd) ++at;
    if (at == text.size() || text[at] != c) return false;
    ++at;
  }
  return !answer.empty() && word_ends(text, at);
}

}  // namespace

std::string normalize_answer(std::string_view text) {
  return std::string(without_articles(bare_words(text)));
}

bool begins_with_answer(std::string_view text, std::string_view answer) {
  const std::string words = marked_words(text);
  const std::string wanted = normalize_answer(answer);
  // An answer that is an article itself ("A") meets the text as it stands.
  return starts_with_words(without_articles(words), wanted) || starts_with_words(words, wanted);
}

}  // namespace emend
