#include "memories/stop_words.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/strings.h"

namespace emend {
namespace {

// Articles, pronouns, prepositions, conjunctions, auxiliaries and the particles around them.
const std::set<std::string, std::less<>>& function_words() {
  static const std::set<std::string, std::less<>> words = {
      "a",       "about",   "above",   "after", "again",  "against", "all",     "also",  "am",      "an",
      "and",     "any",     "are",     "as",    "at",     "be",      "because", "been",  "before",  "being",
      "below",   "between", "both",    "but",   "by",     "can",     "could",   "did",   "do",      "does",
      "doing",   "down",    "during",  "each",  "even",   "ever",    "every",   "few",   "for",     "from",
      "further", "had",     "has",     "have",  "having", "he",      "her",     "here",  "hers",    "herself",
      "him",     "himself", "his",     "how",   "i",      "if",      "in",      "into",  "is",      "it",
      "its",     "itself",  "just",    "may",   "me",     "might",   "more",    "most",  "much",    "must",
      "my",      "myself",  "no",      "nor",   "not",    "now",     "of",      "off",   "on",      "once",
      "one",     "only",    "or",      "other", "our",    "ours",    "out",     "over",  "own",     "s",
      "same",    "she",     "should",  "so",    "some",   "such",    "t",       "than",  "that",    "the",
      "their",   "theirs",  "them",    "then",  "there",  "these",   "they",    "this",  "those",   "through",
      "to",      "too",     "under",   "until", "up",     "upon",    "very",    "was",   "we",      "were",
      "what",    "when",    "where",   "which", "while",  "who",     "whom",    "whose", "why",     "will",
      "with",    "within",  "without", "would", "yet",    "you",     "your",    "yours", "yourself"};
  return words;
}

bool is_letter(unsigned char c) {
  return c >= 0x80 || std::isalpha(c) != 0;
}

}  // namespace

bool is_stop_word(std::string_view word) {
  if (std::none_of(word.begin(), word.end(), is_letter)) return true;
  return function_words().contains(word);
}

std::string folded_word(std::string_view text) {
  std::string word(trim(text));
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) {
    return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
  });
  return word;
}

}  // namespace emend
