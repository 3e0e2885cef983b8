#include "memories/prefix_features.h"

#include <algorithm>
#include <cctype>

#include "base/strings.h"
#include "memories/stop_words.h"

namespace emend {
namespace {

constexpr std::size_t kWindow = 8, kLongest = 4, kAffix = 3;

bool is_word_byte(unsigned char c) {
  return c >= 0x80 || std::isalnum(c) != 0 || c == '\'';
}

bool all_of(std::string_view text, int (*holds)(int)) {
  return std::all_of(text.begin(), text.end(), [&](unsigned char c) { return c < 0x80 && holds(c) != 0; });
}

void add_shapes(std::string_view token, std::vector<PrefixFeature>& features) {
  const std::string_view bare = trim(token);
  if (bare.empty()) return;
  if (all_of(bare, std::isdigit)) features.push_back({"last shape", "digits"});
  if (all_of(bare, std::ispunct)) features.push_back({"last shape", "punctuation"});
  if (std::isupper(static_cast<unsigned char>(bare[0])) != 0)
    features.push_back({"last shape", "capitalised"});
  if (bare.size() <= kAffix || !all_of(bare, std::isalpha)) return;
  const std::string word = folded_word(bare);
  features.push_back({"last shape", word.substr(0, kAffix) + "-"});
  features.push_back({"last shape", "-" + word.substr(word.size() - kAffix)});
}

std::string joined(const std::vector<std::string>& words, std::size_t begin, std::size_t end) {
  return join(
      {words.begin() + static_cast<std::ptrdiff_t>(begin), words.begin() + static_cast<std::ptrdiff_t>(end)},
      " ");
}

template <typename Value>
void sort_and_unite(std::vector<Value>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

std::string stem_of(const std::string& word) {
  for (const std::string_view ending : {"'s", "ing", "es", "ed", "s"})
    if (word.size() >= ending.size() + kAffix && word.ends_with(ending))
      return word.substr(0, word.size() - ending.size());
  return word;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (std::isspace(c) != 0 || c < 0x20) {
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    if (is_word_byte(c))
      while (end < text.size() && is_word_byte(static_cast<unsigned char>(text[end]))) ++end;
    words.push_back(folded_word(text.substr(at, end - at)));
    at = end;
  }
  return words;
}

std::vector<PrefixFeature> shallow_features(std::string_view text, std::string_view token) {
  const std::vector<std::string> words = words_of(text);
  std::vector<PrefixFeature> features = {{"last token", std::string(token)}};
  add_shapes(token, features);
  if (!words.empty()) {
    features.push_back({"last word", words.back()});
    if (const std::string stem = stem_of(words.back()); stem.size() >= kAffix)
      features.push_back({"last stem", stem});
  }
  const std::size_t first = words.size() > kWindow ? words.size() - kWindow : 0;
  for (std::size_t begin = first; begin < words.size(); ++begin)
    for (std::size_t end = begin + 1; end <= std::min(words.size(), begin + kLongest); ++end) {
      features.push_back({"n-gram", joined(words, begin, end)});
      if (end == words.size() && end - begin >= 2) features.push_back({"ending", features.back().text});
    }
  sort_and_unite(features);
  return features;
}

std::vector<std::string> content_words(std::string_view text) {
  std::vector<std::string> words = words_of(text);
  if (words.empty()) return {};
  const std::string last = words.back();
  std::erase_if(words, [&](const std::string& word) {
    const bool letters = std::all_of(word.begin(), word.end(),
                                     [](unsigned char c) { return c >= 0x80 || std::isalpha(c) != 0; });
    return !letters || word.size() < 3 || word == last || is_stop_word(word);
  });
  sort_and_unite(words);
  return words;
}

}  // namespace emend
