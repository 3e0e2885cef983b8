// Prefixes of an index as the tests of patterns take them: of trigger examples, and drawn from the text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "emend/memory_index.h"
#include "memories/index_text.h"
#include "memories/pattern_tests.h"

namespace emend {

inline constexpr std::int64_t kPrefixTokens = 48;  // as MemoryIndex shows it

// Examples as the tests take them. What begins every row (a BOS) is no part of the text.
class ExampleTexts {
 public:
  ExampleTexts(const IndexText& text, const std::vector<std::int64_t>& prefix) {
    for (const std::int64_t id : prefix) fronts_.push_back(text.token(id));
  }
  PrefixText of(const MemoryExample& example) const {
    std::string_view text = example.text;
    const std::int64_t begin = std::max<std::int64_t>(0, example.position + 1 - kPrefixTokens);
    for (auto j = static_cast<std::size_t>(begin); j < fronts_.size(); ++j)
      if (text.starts_with(fronts_[j])) text.remove_prefix(fronts_[j].size());
    return {std::string(text), example.token};
  }
  std::vector<PrefixText> of(const std::vector<MemoryExample>& examples) const {
    std::vector<PrefixText> texts;
    for (const MemoryExample& example : examples) texts.push_back(of(example));
    return texts;
  }

 private:
  std::vector<std::string> fronts_;
};

// Prefixes at random places of the text, without the `front` tokens that begin every row; position 0 left
// out.
class PrefixDraw {
 public:
  PrefixDraw(const IndexText& text, std::size_t front, std::uint64_t seed, std::uint64_t stream)
      : text_(text), front_(static_cast<std::int64_t>(front)), random_(seed, stream) {}
  std::vector<PrefixText> draw(std::int64_t count) {
    std::vector<PrefixText> prefixes;
    for (std::int64_t tries = 0; static_cast<std::int64_t>(prefixes.size()) < count && tries < 50 * count;
         ++tries) {
      const auto place = text_.find(random_.below(drawn_++, text_.tokens()));
      if (!place || place->position < std::max<std::int64_t>(front_, 1)) continue;
      const std::int64_t end = place->position + 1;
      prefixes.push_back({text_.decode(*place->row, std::max(front_, end - kPrefixTokens), end),
                          text_.token(text_.id(*place))});
    }
    return prefixes;
  }

 private:
  const IndexText& text_;
  std::int64_t front_;
  Random random_;
  std::uint64_t drawn_ = 0;
};

}  // namespace emend
