#include "memories/pattern_tests.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace emend {
namespace {

constexpr double kSignificance = 0.01, kLeastShare = 0.12, kSubsumed = 0.8, kLeastZ = 3;
constexpr int kLeastSupport = 3;

std::string key_of(const PrefixFeature& feature) {
  return std::string(feature.type) + '\n' + feature.text;
}

// A pattern is left out when most of its prefixes have a more significant one. `patterns` are sorted so.
std::vector<CellPattern> without_subsumed(const std::vector<CellPattern>& patterns) {
  std::vector<CellPattern> kept;
  for (const CellPattern& one : patterns) {
    const bool subsumed = std::any_of(kept.begin(), kept.end(), [&](const CellPattern& other) {
      const auto shared = std::count_if(one.ranks.begin(), one.ranks.end(), [&](int rank) {
        return std::binary_search(other.ranks.begin(), other.ranks.end(), rank);
      });
      return static_cast<double>(shared) >= kSubsumed * static_cast<double>(one.ranks.size());
    });
    if (!subsumed) kept.push_back(one);
  }
  return kept;
}

std::vector<CellPattern> shallow_patterns(const std::vector<PrefixText>& prefixes,
                                          const PatternBackground& background) {
  std::map<PrefixFeature, std::vector<int>> ranks_of;
  for (std::size_t rank = 0; rank < prefixes.size(); ++rank)
    for (PrefixFeature& feature : shallow_features(prefixes[rank].text, prefixes[rank].token))
      ranks_of[std::move(feature)].push_back(static_cast<int>(rank));
  const auto t = static_cast<std::int64_t>(prefixes.size());
  const auto least = std::max<std::int64_t>(
      kLeastSupport, static_cast<std::int64_t>(std::ceil(kLeastShare * static_cast<double>(t) - 1e-9)));
  const double most_p = kSignificance / static_cast<double>(ranks_of.size());
  std::vector<CellPattern> found;
  for (const auto& [feature, ranks] : ranks_of) {
    const auto support = static_cast<std::int64_t>(ranks.size());
    if (support < least) continue;
    const double q = background.share(feature), p = binomial_tail(t, q, support);
    if (p <= most_p)
      found.push_back(
          {PatternKind::kShallow, feature.type, feature.text, static_cast<int>(support), q, p, 0, ranks});
  }
  // Of equal significance the longer text first: "the rate of" says more than "of".
  std::stable_sort(found.begin(), found.end(), [](const CellPattern& a, const CellPattern& b) {
    return a.p_value != b.p_value ? a.p_value < b.p_value : a.text.size() > b.text.size();
  });
  return without_subsumed(found);
}

// Monroe, Colaresi and Quinn 2008, "Fightin' Words", equations 15, 16, 20 and 22: the prior is the
// background, as heavy as the words that are tested.
std::vector<CellPattern> semantic_patterns(const std::vector<PrefixText>& prefixes,
                                           const PatternBackground& background) {
  std::map<std::string, std::vector<int>> ranks_of;
  double total = 0;
  for (std::size_t rank = 0; rank < prefixes.size(); ++rank)
    for (std::string& word : content_words(prefixes[rank].text)) {
      ranks_of[std::move(word)].push_back(static_cast<int>(rank));
      ++total;
    }
  if (ranks_of.empty()) return {};
  const double least_z =
      std::max(kLeastZ, normal_quantile_above(kSignificance / static_cast<double>(ranks_of.size())));
  const auto other_total = static_cast<double>(background.word_total());
  std::vector<CellPattern> found;
  for (const auto& [word, ranks] : ranks_of) {
    if (static_cast<int>(ranks.size()) < kLeastSupport) continue;
    const auto own = static_cast<double>(ranks.size()),
               other = static_cast<double>(background.word_hits(word));
    // At least half a prefix: a word that the background lacks is rare, not impossible.
    const double prior = 0.5 + total * other / (other_total + 1);
    const auto log_odds = [&](double hits, double all) {
      return std::log((hits + prior) / (all + total - hits - prior));
    };
    const double deviation = std::sqrt(1 / (own + prior) + 1 / (other + prior));
    const double z = (log_odds(own, total) - log_odds(other, other_total)) / deviation;
    const double q = (other + 1) / static_cast<double>(background.prefixes() + 2);
    const double p =
        binomial_tail(static_cast<std::int64_t>(prefixes.size()), q, static_cast<std::int64_t>(ranks.size()));
    if (z >= least_z && p <= kSignificance / static_cast<double>(ranks_of.size()))
      found.push_back({PatternKind::kSemantic, "content word", word, static_cast<int>(ranks.size()),
                       (other + 1) / static_cast<double>(background.prefixes() + 2), 0, z, ranks});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const CellPattern& a, const CellPattern& b) { return a.z > b.z; });
  return without_subsumed(found);
}

}  // namespace

PatternBackground::PatternBackground(const std::vector<PrefixText>& prefixes)
    : prefixes_(static_cast<std::int64_t>(prefixes.size())) {
  for (const PrefixText& prefix : prefixes) {
    for (const PrefixFeature& feature : shallow_features(prefix.text, prefix.token))
      ++features_[key_of(feature)];
    for (const std::string& word : content_words(prefix.text)) {
      ++words_[word];
      ++word_total_;
    }
  }
}

double PatternBackground::share(const PrefixFeature& feature) const {
  const auto found = features_.find(key_of(feature));
  const double hits = found == features_.end() ? 0 : static_cast<double>(found->second);
  return (hits + 1) / static_cast<double>(prefixes_ + 2);
}

std::int64_t PatternBackground::word_hits(const std::string& word) const {
  const auto found = words_.find(word);
  return found == words_.end() ? 0 : found->second;
}

double binomial_tail(std::int64_t n, double q, std::int64_t c) {
  if (c <= 0) return 1;
  if (c > n || q <= 0) return 0;
  if (q >= 1) return 1;
  double sum = 0;
  const auto count = static_cast<double>(n);
  for (std::int64_t i = c; i <= n; ++i) {
    const auto k = static_cast<double>(i);
    sum += std::exp(std::lgamma(count + 1) - std::lgamma(k + 1) - std::lgamma(count - k + 1) +
                    k * std::log(q) + (count - k) * std::log1p(-q));
  }
  return std::min(sum, 1.0);
}

double normal_quantile_above(double p) {
  double low = 0, high = 40;
  for (int step = 0; step < 80; ++step) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(middle / std::sqrt(2.0)) > p ? low : high) = middle;
  }
  return (low + high) / 2;
}

TestedPrefixes test_prefixes(const std::vector<PrefixText>& prefixes, const PatternBackground& background,
                             const std::optional<CellPattern>& topic) {
  TestedPrefixes tested;
  std::vector<bool> shallow(prefixes.size()), semantic(prefixes.size());
  std::vector<CellPattern> meant = semantic_patterns(prefixes, background);
  if (topic) meant.push_back(*topic);
  for (const auto& [found, covered] :
       {std::pair(shallow_patterns(prefixes, background), &shallow), {std::move(meant), &semantic}})
    for (const CellPattern& pattern : found) {
      for (const int rank : pattern.ranks) (*covered)[static_cast<std::size_t>(rank)] = true;
      tested.patterns.push_back(pattern);
    }
  for (std::size_t rank = 0; rank < prefixes.size(); ++rank)
    tested.labels.push_back(shallow[rank]    ? (semantic[rank] ? PrefixLabel::kBoth : PrefixLabel::kShallow)
                            : semantic[rank] ? PrefixLabel::kSemantic
                                             : PrefixLabel::kNotCovered);
  return tested;
}

double cohens_kappa(const std::vector<int>& a, const std::vector<int>& b) {
  std::map<int, double> share_a, share_b;
  double observed = 0;
  const auto count = static_cast<double>(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    observed += a[i] == b[i] ? 1 / count : 0;
    share_a[a[i]] += 1 / count;
    share_b[b[i]] += 1 / count;
  }
  double chance = 0;
  for (const auto& [category, share] : share_a)
    if (share_b.contains(category)) chance += share * share_b.at(category);
  if (a.empty() || chance >= 1 - 1e-12) return std::numeric_limits<double>::quiet_NaN();
  return (observed - chance) / (1 - chance);
}

}  // namespace emend
