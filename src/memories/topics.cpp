#include "memories/topics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "analysis/prompt_rows.h"
#include "base/random.h"
#include "base/strings.h"
#include "memories/prefix_features.h"

namespace emend {
namespace {

constexpr std::uint64_t kTopicStream = std::uint64_t{0x746f7069} << 32;
constexpr std::size_t kPool = 1'000;  // prefixes that sets are drawn from
constexpr std::size_t kAbout = 100;   // of them with the nearest numbers of words
constexpr int kDraws = 999;
constexpr double kSignificance = 0.01, kLeastDeviations = 3, kCovered = 0.95;
constexpr std::size_t kLeast = 3, kNamed = 3;

at::Tensor unit(const at::Tensor& x) {
  const double length = x.norm().item<double>();
  return length > 0 ? x / length : at::Tensor();
}

double cosine(const at::Tensor& a, const at::Tensor& b) {
  const double lengths = a.norm().item<double>() * b.norm().item<double>();
  return lengths > 0 ? at::dot(a, b).item<double>() / lengths : 0;
}

}  // namespace

WordVectors embedding_vectors(const Model& model) {
  const at::Tensor table = model.weights().token_embedding;
  const at::Tensor mean = table.mean(at::IntArrayRef{0}, false, at::kFloat).to(at::kCPU);
  return [&model, table, mean](const std::string& word) {
    at::Tensor sum = at::zeros_like(mean);
    for (const std::int64_t id : encode_next_words(model.tokenizer(), word)) {
      const at::Tensor row = unit(table[id].to(at::kCPU, at::kFloat) - mean);
      if (row.defined()) sum += row;
    }
    return unit(sum);
  };
}

TopicSpace::TopicSpace(WordVectors vectors, const std::vector<PrefixText>& background, std::uint64_t seed)
    : vectors_of_(std::move(vectors)), seed_(seed), background_(static_cast<double>(background.size())) {
  for (const PrefixText& prefix : background)
    for (const std::string& word : content_words(prefix.text)) ++hits_[word];
  for (const PrefixText& prefix : background) {
    if (pool_.size() == kPool) break;
    Words words = words_of_prefix(prefix.text);
    if (!words.ids.empty()) pool_.push_back(std::move(words));
  }
  std::stable_sort(pool_.begin(), pool_.end(),
                   [](const Words& a, const Words& b) { return a.ids.size() < b.ids.size(); });
  if (pool_.empty()) return;
  // Cosines of all pairs at once; those that share words anew.
  std::vector<at::Tensor> sums;
  for (const Words& words : pool_) sums.push_back(words.sum);
  at::Tensor rows = at::stack(sums);
  rows = rows / rows.norm(2, 1, true).clamp_min(1e-30);
  const at::Tensor cosines = at::matmul(rows, rows.t()).contiguous();
  const float* const from = cosines.const_data_ptr<float>();
  pool_likeness_.assign(from, from + cosines.numel());
  for (std::size_t a = 0; a < pool_.size(); ++a)
    for (std::size_t b = a + 1; b < pool_.size(); ++b) {
      std::vector<int> shared;
      std::set_intersection(pool_[a].ids.begin(), pool_[a].ids.end(), pool_[b].ids.begin(),
                            pool_[b].ids.end(), std::back_inserter(shared));
      if (shared.empty()) continue;
      pool_likeness_[a * pool_.size() + b] = pool_likeness_[b * pool_.size() + a] =
          static_cast<float>(likeness(pool_[a], pool_[b]));
    }
}

int TopicSpace::id_of(const std::string& word) const {
  const auto [entry, fresh] = ids_.try_emplace(word, static_cast<int>(names_.size()));
  if (!fresh) return entry->second;
  const auto hits = hits_.find(word);
  const double idf =
      std::log((background_ + 1) / (hits == hits_.end() ? 1.0 : static_cast<double>(hits->second) + 1));
  const at::Tensor vector = vectors_of_(word);
  names_.push_back(word);
  weighted_.push_back(vector.defined() ? vector * idf : at::Tensor());
  return entry->second;
}

TopicSpace::Words TopicSpace::words_of_prefix(const std::string& text) const {
  Words words;
  for (const std::string& word : content_words(text)) {
    const int id = id_of(word);
    const at::Tensor& vector = weighted_[static_cast<std::size_t>(id)];
    if (!vector.defined()) continue;
    words.ids.push_back(id);
    words.sum = words.sum.defined() ? words.sum + vector : vector;
  }
  std::sort(words.ids.begin(), words.ids.end());
  return words;
}

double TopicSpace::likeness(const Words& a, const Words& b) const {
  std::vector<int> shared;
  std::set_intersection(a.ids.begin(), a.ids.end(), b.ids.begin(), b.ids.end(), std::back_inserter(shared));
  if (shared.size() == a.ids.size() || shared.size() == b.ids.size()) return 0;
  at::Tensor left = a.sum, right = b.sum;
  for (const int id : shared) {
    left = left - weighted_[static_cast<std::size_t>(id)];
    right = right - weighted_[static_cast<std::size_t>(id)];
  }
  return cosine(left, right);
}

TopicSpace::Likeness TopicSpace::likeness_in_pool(const std::vector<std::size_t>& set) const {
  Likeness found;
  found.to_others.assign(set.size(), 0);
  for (std::size_t i = 0; i < set.size(); ++i)
    for (std::size_t j = i + 1; j < set.size(); ++j) {
      const double alike = pool_likeness_[set[i] * pool_.size() + set[j]];
      found.to_others[i] += alike;
      found.to_others[j] += alike;
    }
  for (double& sum : found.to_others) {
    sum /= static_cast<double>(set.size() - 1);
    found.mean += sum / static_cast<double>(set.size());
  }
  return found;
}

// Of each prefix one of the pool with about as many words; none twice.
std::vector<std::size_t> TopicSpace::draw_like(const std::vector<Words>& prefixes, std::uint64_t number,
                                               std::uint64_t& drawn) const {
  const Random random(seed_, kTopicStream + number);
  std::vector<std::size_t> set;
  for (const Words& words : prefixes) {
    const auto nearest = static_cast<std::size_t>(
        std::lower_bound(pool_.begin(), pool_.end(), words.ids.size(),
                         [](const Words& one, std::size_t size) { return one.ids.size() < size; }) -
        pool_.begin());
    const std::size_t about = std::min(pool_.size(), std::max(kAbout, 2 * prefixes.size()));
    const std::size_t first = std::min(nearest > about / 2 ? nearest - about / 2 : 0, pool_.size() - about);
    std::size_t one = 0;
    do {
      one = first + random.below(drawn++, about);
    } while (std::find(set.begin(), set.end(), one) != set.end());
    set.push_back(one);
  }
  return set;
}

std::string TopicSpace::text_of(const std::vector<Words>& prefixes) const {
  at::Tensor sum;
  std::vector<int> ids;
  for (const Words& words : prefixes) {
    sum = sum.defined() ? sum + words.sum : words.sum;
    ids.insert(ids.end(), words.ids.begin(), words.ids.end());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::vector<std::pair<double, std::string>> nearest;
  for (const int id : ids)
    nearest.emplace_back(-cosine(sum, weighted_[static_cast<std::size_t>(id)]),
                         names_[static_cast<std::size_t>(id)]);
  std::sort(nearest.begin(), nearest.end());
  if (nearest.size() > kNamed) nearest.resize(kNamed);
  std::vector<std::string> names;
  for (const auto& [minus, name] : nearest) names.push_back(name);
  return join(names);
}

std::optional<CellPattern> TopicSpace::test(const std::vector<PrefixText>& prefixes,
                                            std::uint64_t number) const {
  std::vector<Words> own;
  std::vector<int> ranks;
  for (std::size_t rank = 0; rank < prefixes.size(); ++rank) {
    Words words = words_of_prefix(prefixes[rank].text);
    if (words.ids.empty()) continue;
    own.push_back(std::move(words));
    ranks.push_back(static_cast<int>(rank));
  }
  if (own.size() < kLeast || pool_.size() < own.size() + kLeast) return std::nullopt;
  std::vector<double> to_others(own.size(), 0);
  double mean = 0;
  for (std::size_t i = 0; i < own.size(); ++i)
    for (std::size_t j = i + 1; j < own.size(); ++j) {
      const double alike = likeness(own[i], own[j]) / static_cast<double>(own.size() - 1);
      to_others[i] += alike;
      to_others[j] += alike;
      mean += 2 * alike / static_cast<double>(own.size());
    }
  int as_high = 0;
  double sum = 0, squares = 0;
  std::vector<double> drawn_to_others;
  std::uint64_t drawn = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    const Likeness one = likeness_in_pool(draw_like(own, number, drawn));
    as_high += one.mean >= mean ? 1 : 0;
    sum += one.mean / kDraws;
    squares += one.mean * one.mean / kDraws;
    drawn_to_others.insert(drawn_to_others.end(), one.to_others.begin(), one.to_others.end());
  }
  const double deviation = std::sqrt(std::max(squares - sum * sum, 1e-30));
  CellPattern pattern;
  pattern.kind = PatternKind::kSemantic;
  pattern.type = "topic";
  pattern.p_value = (1.0 + as_high) / (1.0 + kDraws);
  pattern.z = (mean - sum) / deviation;
  if (pattern.p_value > kSignificance || pattern.z < kLeastDeviations) return std::nullopt;
  const auto place = static_cast<std::size_t>(kCovered * static_cast<double>(drawn_to_others.size()));
  std::nth_element(drawn_to_others.begin(), drawn_to_others.begin() + static_cast<std::ptrdiff_t>(place),
                   drawn_to_others.end());
  std::vector<Words> covered;
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (to_others[i] <= drawn_to_others[place]) continue;
    pattern.ranks.push_back(ranks[i]);
    covered.push_back(own[i]);
  }
  if (covered.size() < kLeast) return std::nullopt;
  pattern.support = static_cast<int>(covered.size());
  pattern.background = 1 - kCovered;
  pattern.text = text_of(covered);
  return pattern;
}

}  // namespace emend
