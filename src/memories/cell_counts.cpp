#include "memories/cell_counts.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace emend {

namespace coefficient_bins {

int bin_of(float coefficient) {
  constexpr std::uint32_t kSignless = 0x7FFFFFFF;
  constexpr int kBias = 127;
  const auto bits = std::bit_cast<std::uint32_t>(coefficient);
  const int half_octave = static_cast<int>((bits & kSignless) >> 22) - 2 * (kBias + kFirstExponent);
  const int place = std::clamp(half_octave, 0, kOfSign - 1);
  return (bits >> 31) != 0 ? kOfSign - 1 - place : kOfSign + place;
}

namespace {

// Size at which half octave `place` begins: 2^e, or 1.5 x 2^e (the first bit of the fraction).
double size_at(int place) {
  if (place <= 0) return 0;
  if (place >= kOfSign) return std::numeric_limits<double>::infinity();
  return std::ldexp(place % 2 == 0 ? 1.0 : 1.5, kFirstExponent + place / 2);
}

}  // namespace

double low_edge(int bin) {
  return bin < kOfSign ? -size_at(kOfSign - bin) : size_at(bin - kOfSign);
}

double high_edge(int bin) {
  return bin < kOfSign ? -size_at(kOfSign - 1 - bin) : size_at(bin - kOfSign + 1);
}

}  // namespace coefficient_bins

namespace {

constexpr int kFractionBits = 40;

template <typename Value>
void add_all(std::vector<Value>& to, const std::vector<Value>& from) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

void add_sums(std::vector<ExactSum>& to, const std::vector<ExactSum>& from) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i].add(from[i]);
}

}  // namespace

void ExactSum::add(double value) {
  const double floor = std::floor(value);
  whole += static_cast<std::int64_t>(floor);
  fraction += std::llrint(std::ldexp(value - floor, kFractionBits));
}

double ExactSum::value() const {
  return static_cast<double>(whole) + std::ldexp(static_cast<double>(fraction), -kFractionBits);
}

CellCounts::CellCounts(std::int64_t cells) {
  const auto n = static_cast<std::size_t>(cells);
  for (auto* counts : {&active, &both, &gate_only, &up_only}) counts->assign(n, 0);
  sum.resize(n);
  squares.resize(n);
  least.assign(n, std::numeric_limits<float>::infinity());
  most.assign(n, -std::numeric_limits<float>::infinity());
  histogram.assign(n * coefficient_bins::kBins, 0);
}

void CellCounts::merge(const CellCounts& other) {
  tokens += other.tokens;
  add_all(active, other.active);
  add_all(both, other.both);
  add_all(gate_only, other.gate_only);
  add_all(up_only, other.up_only);
  add_sums(sum, other.sum);
  add_sums(squares, other.squares);
  for (std::size_t i = 0; i < least.size(); ++i) {
    least[i] = std::min(least[i], other.least[i]);
    most[i] = std::max(most[i], other.most[i]);
  }
  add_all(histogram, other.histogram);
}

double CellCounts::mean(std::int64_t cell) const {
  return tokens == 0 ? 0 : sum[static_cast<std::size_t>(cell)].value() / static_cast<double>(tokens);
}

double CellCounts::variance(std::int64_t cell) const {
  if (tokens == 0) return 0;
  const double m = mean(cell);
  const double raw = squares[static_cast<std::size_t>(cell)].value() / static_cast<double>(tokens);
  return std::max(0.0, raw - m * m);
}

double CellCounts::active_share(std::int64_t cell) const {
  return tokens == 0
             ? 0
             : static_cast<double>(active[static_cast<std::size_t>(cell)]) / static_cast<double>(tokens);
}

double CellCounts::quantile(std::int64_t cell, double q) const {
  const auto at = static_cast<std::size_t>(cell);
  std::array<std::int64_t, coefficient_bins::kBins> bins{};
  std::copy_n(histogram.begin() + static_cast<std::ptrdiff_t>(at * bins.size()), bins.size(), bins.begin());
  return histogram_quantile(bins, least[at], most[at], q);
}

double histogram_quantile(std::span<const std::int64_t> bins, double least, double most, double q) {
  std::int64_t total = 0;
  for (const std::int64_t count : bins) total += count;
  if (total == 0) return 0;
  const double wanted = q * static_cast<double>(total);
  double before = 0;
  for (std::size_t bin = 0; bin < bins.size(); ++bin) {
    const auto here = static_cast<double>(bins[bin]);
    if (here == 0 || before + here < wanted) {
      before += here;
      continue;
    }
    const double low = std::max(least, coefficient_bins::low_edge(static_cast<int>(bin))),
                 high = std::min(most, coefficient_bins::high_edge(static_cast<int>(bin)));
    return low + (high - low) * (wanted - before) / here;
  }
  return most;
}

}  // namespace emend
