// Which of the things that some prefixes have in common are more than chance (emend/memory_patterns.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "emend/memory_patterns.h"
#include "memories/prefix_features.h"

namespace emend {

// A prefix: what was read, and its last token.
struct PrefixText {
  std::string text, token;
};

// How many prefixes of the background have each feature and each content word.
class PatternBackground {
 public:
  explicit PatternBackground(const std::vector<PrefixText>& prefixes);

  std::int64_t prefixes() const { return prefixes_; }
  // (hits + 1) / (B + 2)
  double share(const PrefixFeature& feature) const;
  std::int64_t word_hits(const std::string& word) const;
  std::int64_t word_total() const { return word_total_; }  // sum of the hits of all words

 private:
  std::int64_t prefixes_ = 0, word_total_ = 0;
  std::unordered_map<std::string, std::int64_t> features_, words_;
};

// P[Bin(n, q) >= c].
double binomial_tail(std::int64_t n, double q, std::int64_t c);
// Of the normal distribution: z with P[Z > z] = p, 0 < p < 0.5.
double normal_quantile_above(double p);

struct TestedPrefixes {
  std::vector<CellPattern> patterns;
  std::vector<PrefixLabel> labels;
};
// `topic`: a pattern of all of them that was found besides (TopicSpace::test), counted as a semantic one.
TestedPrefixes test_prefixes(const std::vector<PrefixText>& prefixes, const PatternBackground& background,
                             const std::optional<CellPattern>& topic = {});

// Cohen's kappa of two lists of categories.
double cohens_kappa(const std::vector<int>& a, const std::vector<int>& b);

}  // namespace emend
