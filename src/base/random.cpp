#include "base/random.h"

#include <cmath>
#include <numbers>

namespace emend {
namespace {

std::uint32_t low(std::uint64_t x) {
  return static_cast<std::uint32_t>(x);
}
std::uint32_t high(std::uint64_t x) {
  return static_cast<std::uint32_t>(x >> 32);
}
std::uint64_t word(std::uint32_t low_half, std::uint32_t high_half) {
  return (std::uint64_t{high_half} << 32) | low_half;
}

// The upper 53 bits as a fraction.
double fraction(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace

PhiloxBlock philox4x32(const PhiloxBlock& counter, const std::array<std::uint32_t, 2>& key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  PhiloxBlock x = counter;
  std::array<std::uint32_t, 2> k = key;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * x[0];
    const std::uint64_t product1 = kMultiplier1 * x[2];
    x = {high(product1) ^ x[1] ^ k[0], low(product1), high(product0) ^ x[3] ^ k[1], low(product0)};
    k[0] += kWeyl0;
    k[1] += kWeyl1;
  }
  return x;
}

PhiloxBlock Random::block(std::uint64_t index) const {
  return philox4x32({low(index), high(index), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
}

std::uint64_t Random::bits(std::uint64_t index) const {
  const PhiloxBlock x = block(index);
  return word(x[0], x[1]);
}

double Random::uniform(std::uint64_t index) const {
  return fraction(bits(index));
}

double Random::normal(std::uint64_t index) const {
  const PhiloxBlock x = block(index);
  const double u = fraction(word(x[0], x[1]));
  const double v = fraction(word(x[2], x[3]));
  // 1 - u lies in (0, 1], so the logarithm is finite.
  return std::sqrt(-2 * std::log1p(-u)) * std::cos(2 * std::numbers::pi * v);
}

std::uint64_t Random::below(std::uint64_t index, std::uint64_t n) const {
  // High half of the 128-bit product bits * n (Lemire), from 32-bit pieces.
  const std::uint64_t x = bits(index);
  const std::uint64_t cross = std::uint64_t{high(x)} * low(n) + high(std::uint64_t{low(x)} * low(n));
  const std::uint64_t middle = std::uint64_t{low(x)} * high(n) + low(cross);
  return std::uint64_t{high(x)} * high(n) + high(cross) + high(middle);
}

}  // namespace emend
