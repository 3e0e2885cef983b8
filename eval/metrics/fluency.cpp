#include "eval/metrics/fluency.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <numeric>

#include "text/normalizer.h"
#include "text/unicode.h"

namespace emend {
namespace {

using Words = std::vector<std::string>;

constexpr std::array<std::string_view, 29> kAbbreviations = {
    "mr",  "mrs", "ms",   "dr",  "prof", "st",  "sr",   "jr",     "vs",  "gen",
    "col", "lt",  "capt", "sgt", "rev",  "hon", "gov",  "sen",    "rep", "mt",
    "ft",  "inc", "ltd",  "co",  "etc",  "al",  "dept", "approx", "cf"};

// "cannot" -> "can", "not", as the Treebank writes them; lower case, parted after `first` bytes.
struct Contraction {
  std::string_view word;
  std::size_t first;
};
constexpr std::array<Contraction, 10> kContractions = {{{"cannot", 3},
                                                        {"d'ye", 1},
                                                        {"gimme", 3},
                                                        {"gonna", 3},
                                                        {"gotta", 3},
                                                        {"lemme", 3},
                                                        {"more'n", 4},
                                                        {"wanna", 3},
                                                        {"'tis", 2},
                                                        {"'twas", 2}}};
constexpr std::array<std::string_view, 7> kSuffixes = {"n't", "'ll", "'re", "'ve", "'s", "'m", "'d"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A text cut at white space, with what the rules look at beyond a piece.
struct Piece {
  std::string text;
  bool last = false;              // of the whole text
  bool sentence_follows = false;  // an upper-case letter, a digit or an opening quote comes next
};

bool begins_sentence(std::string_view text, std::size_t at) {
  const text::CodePoint c = text::code_point_at(text, at);
  const std::string_view letter = text.substr(at, c.length);
  if (letter == "\"" || letter == "'" || letter == "“" || letter == "‘" || letter == "(") return true;
  return text::is_number(c.code_point) || (text::is_word(c.code_point) && text::lower_case(letter) != letter);
}

std::vector<Piece> pieces_of(std::string_view text) {
  std::vector<Piece> pieces;
  for (std::size_t at = text::leading_white_space(text); at < text.size();) {
    std::size_t end = at;
    while (end < text.size()) {
      const text::CodePoint c = text::code_point_at(text, end);
      if (text::is_white_space(c.code_point)) break;
      end += c.length;
    }
    const std::size_t next = end + text::leading_white_space(text.substr(end));
    const bool last = next >= text.size();
    pieces.push_back({std::string(text.substr(at, end - at)), last, !last && begins_sentence(text, next)});
    at = next;
  }
  return pieces;
}

// Signs that stand alone; 0 when none begins at `at`.
std::size_t sign_length(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (std::string_view("()[]{}<>\";@#$%&?!*").find(c) != std::string_view::npos) return 1;
  if (c == ',' || c == ':') return at + 1 < text.size() && is_digit(text[at + 1]) ? 0 : 1;
  for (const char run : {'.', '-', '`'}) {
    if (c != run) continue;
    const std::size_t end = std::min(text.find_first_not_of(run, at), text.size());
    if (end - at >= 2) return end - at;
  }
  for (const std::string_view quote : {"“", "”", "„", "‘", "’", "«", "»"})
    if (text.substr(at).starts_with(quote)) return quote.size();
  return 0;
}

// Where the suffix of a lower-case word begins.
std::optional<std::size_t> suffix_begin(const std::string& lower) {
  for (const std::string_view suffix : kSuffixes)
    if (lower.size() > suffix.size() && lower.ends_with(suffix)) return lower.size() - suffix.size();
  return std::nullopt;
}

std::string ascii_lower(std::string word) {
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

void add_word(Words& words, const std::string& word) {
  if (word.empty()) return;
  const std::string lower = ascii_lower(word);
  for (const Contraction& contraction : kContractions) {
    if (lower != contraction.word) continue;
    words.push_back(word.substr(0, contraction.first));
    words.push_back(word.substr(contraction.first));
    return;
  }
  if (const auto begin = suffix_begin(lower)) {
    add_word(words, word.substr(0, *begin));
    words.push_back(word.substr(*begin));
  } else if (word.size() > 1 && word.starts_with('\'')) {  // an opening quote
    words.emplace_back("'");
    add_word(words, word.substr(1));
  } else if (word.size() > 1 && word.ends_with('\'')) {
    add_word(words, word.substr(0, word.size() - 1));
    words.emplace_back("'");
  } else {
    words.push_back(word);
  }
}

// "J", "U.S" and "Mr" keep their stop.
bool keeps_stop(const std::string& word) {
  const std::size_t dot = word.rfind('.');
  const std::size_t letters = dot == std::string::npos ? word.size() : word.size() - dot - 1;
  if (letters <= 1 && !word.empty() && !is_digit(word.back())) return true;
  const std::string lower = ascii_lower(word);
  return std::find(kAbbreviations.begin(), kAbbreviations.end(), lower) != kAbbreviations.end();
}

// Words between signs: `closed` says that nothing but closing brackets and quotes follows in the piece.
void add_run(Words& words, const std::string& run, bool closed, const Piece& piece) {
  const bool stop = run.size() > 1 && run.ends_with('.') && closed;
  const std::string bare = stop ? run.substr(0, run.size() - 1) : run;
  if (stop && (piece.last || (piece.sentence_follows && !keeps_stop(bare)))) {
    add_word(words, bare);
    words.emplace_back(".");
  } else {
    add_word(words, run);
  }
}

bool only_closers(std::string_view text) {
  while (!text.empty()) {
    bool closer = false;
    for (const std::string_view sign : {")", "]", "}", ">", "\"", "'", "”", "’", "»"}) {
      if (!text.starts_with(sign)) continue;
      text.remove_prefix(sign.size());
      closer = true;
    }
    if (!closer) return false;
  }
  return true;
}

std::string sign_word(std::string_view text, std::size_t at, std::size_t length) {
  if (text[at] != '"') return std::string(text.substr(at, length));
  const bool opening = at == 0 || std::string_view("([{<").find(text[at - 1]) != std::string_view::npos;
  return opening ? "``" : "''";
}

void add_piece(Words& words, const Piece& piece) {
  const std::string& text = piece.text;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sign_length(text, at);
    if (length == 0) {
      ++at;
      continue;
    }
    if (at > begin) add_run(words, text.substr(begin, at - begin), only_closers(text.substr(at)), piece);
    words.push_back(sign_word(text, at, length));
    at += length;
    begin = at;
  }
  if (begin < text.size()) add_run(words, text.substr(begin), true, piece);
}

}  // namespace

std::vector<std::string> treebank_words(std::string_view text) {
  Words words;
  for (const Piece& piece : pieces_of(text)) add_piece(words, piece);
  return words;
}

std::optional<double> ngram_entropy(const std::vector<std::string>& words, std::size_t n) {
  if (n == 0 || words.size() < n) return std::nullopt;
  std::map<Words, double> counts;
  const std::size_t grams = words.size() - n + 1;
  for (auto at = words.begin(); at != words.begin() + static_cast<std::ptrdiff_t>(grams); ++at)
    counts[Words(at, at + static_cast<std::ptrdiff_t>(n))] += 1;
  double entropy = 0;
  for (const auto& [gram, count] : counts) {
    const double frequency = count / static_cast<double>(grams);
    entropy -= frequency * std::log2(frequency);
  }
  return entropy;
}

std::optional<double> fluency(std::string_view text) {
  const Words words = treebank_words(text);
  const std::optional<double> h2 = ngram_entropy(words, 2);
  const std::optional<double> h3 = ngram_entropy(words, 3);
  if (!h2 || !h3) return std::nullopt;
  return *h2 / 3 + 2 * *h3 / 3;
}

std::optional<double> mean_fluency(const std::vector<std::string>& texts) {
  double sum = 0;
  std::size_t n = 0;
  for (const std::string& text : texts) {
    const std::optional<double> value = fluency(text);
    if (!value) continue;
    sum += *value;
    ++n;
  }
  if (n == 0) return std::nullopt;
  return sum / static_cast<double>(n);
}

}  // namespace emend
