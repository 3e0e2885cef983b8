#include "memories/mutation_prefix.h"

#include <cctype>

namespace emend {

namespace {

bool is_word_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0;
}

}  // namespace

std::vector<PrefixUnit> word_units(const std::vector<std::string>& texts, std::size_t opening) {
  std::vector<PrefixUnit> units;
  for (std::size_t at = opening; at < texts.size(); ++at) {
    const bool goes_on = at > opening && !texts[at].empty() && !texts[at - 1].empty() &&
                         is_word_byte(texts[at].front()) && is_word_byte(texts[at - 1].back());
    if (goes_on)
      units.back().end = at + 1;
    else
      units.push_back({at, at + 1});
  }
  return units;
}

std::vector<PrefixUnit> token_units(std::size_t tokens, std::size_t opening) {
  std::vector<PrefixUnit> units;
  for (std::size_t at = opening; at < tokens; ++at) units.push_back({at, at + 1});
  return units;
}

std::vector<std::int64_t> without(const std::vector<std::int64_t>& ids, const PrefixUnit& unit) {
  std::vector<std::int64_t> left(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(unit.begin));
  left.insert(left.end(), ids.begin() + static_cast<std::ptrdiff_t>(unit.end), ids.end());
  return left;
}

}  // namespace emend
