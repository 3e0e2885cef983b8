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

// Lower case, words only, single spaces.
std::string bare_words(std::string_view text) {
  const std::string lower = text::lower_case(text);
  std::string words;
  bool gap = false;
  for (std::size_t at = 0; at < lower.size();) {
    const text::CodePoint c = text::code_point_at(lower, at);
    if (text::is_white_space(c.code_point)) {
      gap = true;
    } else if (text::is_word(c.code_point) && c.code_point != '_') {
      if (gap && !words.empty()) words += ' ';
      gap = false;
      words.append(lower, at, c.length);
    }
    at += c.length;
  }
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
  if (at == text.size() || text[at] == ' ') return true;
  return is_unspaced(text::code_point_at(text, at).code_point) ||
         is_unspaced(last_code_point(text.substr(0, at)));
}

bool starts_with_words(std::string_view text, std::string_view answer) {
  return !answer.empty() && text.starts_with(answer) && word_ends(text, answer.size());
}

}  // namespace

std::string normalize_answer(std::string_view text) {
  return std::string(without_articles(bare_words(text)));
}

bool begins_with_answer(std::string_view text, std::string_view answer) {
  const std::string words = bare_words(text);
  const std::string wanted = normalize_answer(answer);
  // An answer that is an article itself ("A") meets the text as it stands.
  return starts_with_words(without_articles(words), wanted) || starts_with_words(words, wanted);
}

}  // namespace emend
