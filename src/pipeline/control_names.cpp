#include "pipeline/control_names.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/random.h"
#include "base/strings.h"

namespace emend {
namespace {

constexpr std::size_t kTriesPerName = 20;
constexpr std::uint64_t kStream = 0x6E616D6573;  // of the draws

// U+FFFD, where two halves of tokens make no character.
constexpr std::string_view kBrokenCharacter = "\xEF\xBF\xBD";

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

// "Lisbon" of " Lisbon": a capital letter and three small ones at least.
std::optional<std::string> capital_word(const std::string& piece) {
  constexpr std::size_t kLeastLetters = 4;
  if (piece.size() <= kLeastLetters || piece[0] != ' ' || piece[1] < 'A' || piece[1] > 'Z')
    return std::nullopt;
  if (!std::all_of(piece.begin() + 2, piece.end(), is_lower)) return std::nullopt;
  return piece.substr(1);
}

std::vector<std::string> capital_words(const Tokenizer& tokenizer) {
  std::vector<std::string> words;
  for (std::int64_t id = 0; id < tokenizer.size(); ++id) {
    if (tokenizer.is_special(id)) continue;
    if (const auto word =
            capital_word(tokenizer.decode(std::vector<std::int64_t>{id}, true, Position::kContinuation)))
      words.push_back(*word);
  }
  return words;
}

// A name in parts: words, or the tokens of a single word.
struct NameParts {
  std::vector<std::string> words;
  std::vector<std::int64_t> tokens;  // as it continues a text

  bool has_words() const { return words.size() > 1; }
  bool has_tokens() const { return words.size() == 1 && tokens.size() > 1; }
};

NameParts parts_of(const Tokenizer& tokenizer, const std::string& name) {
  NameParts parts;
  for (const std::string& word : split_at(name, ' '))
    if (!word.empty()) parts.words.push_back(word);
  parts.tokens = encode_next_words(tokenizer, name);
  return parts;
}

// The front of `other` and the back of `own`; empty where they are of different kinds.
std::string crossed(const Tokenizer& tokenizer, const NameParts& other, const NameParts& own) {
  if (own.has_words() && other.has_words()) {
    std::vector<std::string> words(other.words.begin(), other.words.end() - 1);
    words.push_back(own.words.back());
    return join(words, " ");
  }
  if (!own.has_tokens() || !other.has_tokens()) return "";
  std::vector<std::int64_t> tokens(
      other.tokens.begin(), other.tokens.begin() + static_cast<std::ptrdiff_t>(other.tokens.size() / 2));
  tokens.insert(tokens.end(), own.tokens.begin() + static_cast<std::ptrdiff_t>(own.tokens.size() / 2),
                own.tokens.end());
  const std::string name(trim(tokenizer.decode(tokens, true, Position::kContinuation)));
  return name.find(kBrokenCharacter) == std::string::npos ? name : "";
}

CandidateSubject in_place_of(const CandidateSubject& candidate, const std::string& name) {
  CandidateSubject control{name, candidate.prompt};
  if (!control.prompt.empty())
    control.prompt.replace(control.prompt.find(candidate.subject), candidate.subject.size(), name);
  return control;
}

}  // namespace

std::vector<CandidateSubject> control_names(const Tokenizer& tokenizer,
                                            const std::vector<CandidateSubject>& candidates,
                                            std::size_t count, std::uint64_t seed) {
  std::vector<NameParts> parts;
  std::set<std::string> taken;
  for (const CandidateSubject& candidate : candidates) {
    parts.push_back(parts_of(tokenizer, candidate.subject));
    taken.insert(candidate.subject);
  }
  std::vector<std::string> vocabulary;
  if (std::any_of(parts.begin(), parts.end(), [](const NameParts& p) { return p.tokens.size() == 1; }))
    vocabulary = capital_words(tokenizer);
  const Random random(seed, kStream);
  std::vector<CandidateSubject> controls;
  for (std::size_t i = 0; i < count * kTriesPerName && controls.size() < count; ++i) {
    const std::size_t own = i % candidates.size();
    const auto draw = [&](std::size_t below) { return static_cast<std::size_t>(random.below(i, below)); };
    std::string name;
    if (parts[own].has_words() || parts[own].has_tokens())
      name = crossed(tokenizer, parts[draw(candidates.size())], parts[own]);
    else if (!vocabulary.empty())
      name = vocabulary[draw(vocabulary.size())];
    if (!name.empty() && taken.insert(name).second) controls.push_back(in_place_of(candidates[own], name));
  }
  return controls;
}

}  // namespace emend
