// What a prefix is made of, as patterns name it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emend/memory_index.h"

namespace emend {

// Runs of letters (also all characters beyond ASCII), digits and apostrophes, in lower case; other characters
// but spaces stand alone.
std::vector<std::string> words_of(std::string_view text);

// A word in lower case without s, es, ed, ing or 's at its end, where three letters are left.
std::string stem_of(const std::string& word);

// One thing that prefixes may have in common.
struct PrefixFeature {
  const char* type;
  std::string text;
  auto operator<=>(const PrefixFeature& other) const {
    const auto order = std::string_view(type) <=> std::string_view(other.type);
    return order != 0 ? order : text <=> other.text;
  }
  bool operator==(const PrefixFeature& other) const { return (*this <=> other) == 0; }
};

// Each once, sorted. `text` ends with the token `token`.
std::vector<PrefixFeature> shallow_features(std::string_view text, std::string_view token);
// Words of at least three letters that are no stop words, without the last word; each once, sorted.
std::vector<std::string> content_words(std::string_view text);

}  // namespace emend
