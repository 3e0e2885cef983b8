#include "text/sentences.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/strings.h"

namespace emend {

namespace {

bool is_one_of(std::string_view word, const auto& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The length of the piece of `pieces` that `text` begins with; 0 for none.
std::size_t begins_with(std::string_view text, const auto& pieces) {
  for (const std::string_view piece : pieces)
    if (text.starts_with(piece)) return piece.size();
  return 0;
}

// Marks behind which a space must follow, and those of scripts without spaces.
constexpr std::array<std::string_view, 4> kMarks = {".", "!", "?", "\u2026"};
constexpr std::array<std::string_view, 5> kWideMarks = {"\u3002", "\uFF01", "\uFF1F", "\uFF0E", "\uFF61"};
constexpr std::array<std::string_view, 13> kClosing = {"\"",     "'",      ")",      "]",      "\u201D",
                                                       "\u2019", "\u00BB", "\u300D", "\u300F", "\uFF09",
                                                       "\u3011", "\u300B", "\uFF02"};
constexpr std::array<std::string_view, 27> kAbbreviations = {
    "mr", "mrs", "ms",  "dr",  "prof", "st",  "jr",  "sr",  "vs",  "etc", "fig", "no",     "vol", "pp",
    "cf", "al",  "gen", "col", "lt",   "sgt", "rev", "hon", "inc", "ltd", "co",  "approx", "ca"};

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}
bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

// Whether the full stop at `at` belongs to an initial or an abbreviation: "J.", "e.g.", "Dr.".
bool is_abbreviation(std::string_view text, std::size_t at) {
  std::size_t begin = at;
  while (begin > 0 && (is_letter(text[begin - 1]) || text[begin - 1] == '.')) --begin;
  std::string word(text.substr(begin, at - begin));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (word.size() == 1) return word != "i";
  return word.find('.') != std::string::npos || is_one_of(word, kAbbreviations);
}

// What stands at a place of a text: whether a sentence ends there, and where to look on.
struct Mark {
  bool ends = false;
  std::size_t behind = 0;
};

// Behind the mark at `at`, where a sentence may end, with all marks and what closes with it. If none ends
// there, none ends behind the other marks of this run either, but for the first full-width one.
Mark mark_at(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at);
  const std::size_t wide = begins_with(rest, kWideMarks), mark = begins_with(rest, kMarks);
  if (wide + mark == 0) return {false, at + 1};
  std::size_t end = at + std::max(wide, mark), first_wide = 0;
  while (end < text.size()) {
    const std::string_view behind = text.substr(end);
    const std::size_t more_wide = begins_with(behind, kWideMarks);
    const std::size_t more =
        std::max({begins_with(behind, kMarks), more_wide, begins_with(behind, kClosing)});
    if (more == 0) break;
    if (more_wide > 0 && first_wide == 0) first_wide = end;
    end += more;
  }
  if (wide > 0 || end == text.size()) return {true, end};
  const Mark none{false, first_wide > 0 ? first_wide : end};
  if (!is_space(text[end])) return none;
  std::size_t next = end;
  while (next < text.size() && is_space(text[next])) ++next;
  if (next < text.size() && std::islower(static_cast<unsigned char>(text[next])) != 0) return none;
  if (text[at] == '.' && end == at + 1 && is_abbreviation(text, at)) return none;
  return {true, end};
}

}  // namespace

std::vector<std::string_view> split_sentences(std::string_view text) {
  std::vector<std::string_view> sentences;
  std::size_t begin = 0;
  const auto take = [&](std::size_t end) {
    const std::string_view sentence = trim(text.substr(begin, end - begin));
    if (!sentence.empty()) sentences.push_back(sentence);
    begin = end;
  };
  for (std::size_t at = 0; at < text.size();) {
    const Mark mark = text[at] == '\n' ? Mark{true, at + 1} : mark_at(text, at);
    if (mark.ends) take(mark.behind);
    at = mark.behind;
  }
  take(text.size());
  return sentences;
}

}  // namespace emend
