// A trigger prefix and what is left of it when a unit is taken away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emend {

// Units [begin, end) of the tokens behind the first `opening` ones, which are never taken. `texts`: the
// tokens as text. By words: a token that begins with a letter, a digit or a character beyond ASCII goes on
// with the token in front of it if that ends with one.
struct PrefixUnit {
  std::size_t begin = 0, end = 0;
};
std::vector<PrefixUnit> word_units(const std::vector<std::string>& texts, std::size_t opening);
std::vector<PrefixUnit> token_units(std::size_t tokens, std::size_t opening);

// The tokens without those of a unit.
std::vector<std::int64_t> without(const std::vector<std::int64_t>& ids, const PrefixUnit& unit);

}  // namespace emend
