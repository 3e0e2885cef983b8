#include "memories/token_relations.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "memories/prefix_features.h"
#include "memories/stop_words.h"

namespace emend {
namespace {

constexpr std::uint64_t kPairStream = 0x72656c61;
constexpr std::uint64_t kPairs = 5'000;
constexpr double kShare = 0.95, kOneDirection = 0.999;
constexpr std::size_t kLeastStem = 3;
constexpr std::int64_t kRowsAtOnce = 4096;  // rows that are summed up at once

}  // namespace

TokenRelations::TokenRelations(const at::Tensor& table, std::int64_t tokens, Name name, std::uint64_t seed)
    : name_(std::move(name)) {
  const at::Tensor rows = table.narrow(0, 0, tokens);
  at::Tensor sum = at::zeros({table.size(1)}, at::kDouble);
  for (std::int64_t first = 0; first < tokens; first += kRowsAtOnce) {
    const at::Tensor block = rows.narrow(0, first, std::min(kRowsAtOnce, tokens - first));
    sum += block.to(at::kCPU, at::kFloat).sum(0, false, at::kDouble);
  }
  table_ = rows;
  mean_ = (sum / static_cast<double>(tokens)).to(at::kFloat);
  const Random random(seed, kPairStream);
  std::vector<double> cosines;
  for (std::uint64_t k = 0; k < kPairs; ++k) {
    const double place = std::exp2(random.uniform(3 * k) * std::log2(static_cast<double>(tokens)));
    const auto a = std::min(static_cast<std::int64_t>(place) - 1, tokens - 1);
    const double factor = std::exp2(2 * random.uniform(3 * k + 1) - 1);
    const auto b = std::min(static_cast<std::int64_t>(static_cast<double>(a + 1) * factor), tokens - 1);
    if (a == b) continue;
    // Rows of one direction are tokens that training has not told apart, such as those that no text uses.
    if (const double alike = cosine(a, b); alike < kOneDirection) cosines.push_back(alike);
  }
  if (cosines.empty()) return;
  const auto place =
      cosines.begin() + static_cast<std::ptrdiff_t>(kShare * static_cast<double>(cosines.size() - 1));
  std::nth_element(cosines.begin(), place, cosines.end());
  threshold_ = *place;
}

double TokenRelations::cosine(std::int64_t a, std::int64_t b) const {
  return at::dot(direction(a), direction(b)).item<double>();
}

at::Tensor TokenRelations::direction(std::int64_t token) const {
  const at::Tensor plain = table_[token].to(at::kCPU, at::kFloat) - mean_;
  return plain / plain.norm(2, 0, true).clamp_min(1e-12);
}

bool TokenRelations::related(std::int64_t a, std::int64_t b) const {
  const std::string first = stem_of(folded_word(name_(a))), second = stem_of(folded_word(name_(b)));
  return (first == second && first.size() >= kLeastStem) || cosine(a, b) > threshold_;
}

}  // namespace emend
