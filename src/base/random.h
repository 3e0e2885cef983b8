// Random numbers that depend on (seed, stream, index) and on nothing else: not on the order of the calls, the
// batch, the thread or the machine.
//
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): ten rounds of a
// bijection on 128 bits. Key = seed; counter = index (low 64 bits) and stream (high 64 bits). Halves of
// 64-bit words come low first.
#pragma once

#include <array>
#include <cstdint>

namespace emend {

using PhiloxBlock = std::array<std::uint32_t, 4>;

// The bare function, as in the paper and its Random123 library: philox4x32(0, 0)[0] is 0x6627e8d5.
PhiloxBlock philox4x32(const PhiloxBlock& counter, const std::array<std::uint32_t, 2>& key);

// One stream of numbers, addressed by index. A value: copy it freely, use it from any thread. Give each
// purpose its own stream (the noise of fact 7, the sampling of context row 3), so that none moves another.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

  // 64 random bits.
  std::uint64_t bits(std::uint64_t index) const;
  // In [0, 1), a multiple of 2^-53. Seed 0, stream 0: uniform(0) = 0.8805201978886142.
  double uniform(std::uint64_t index) const;
  // Standard normal by Box and Muller from the 128 bits of `index`; the same on every machine up to its log
  // and cos.
  double normal(std::uint64_t index) const;
  // An integer in [0, n), n >= 1; the bias is at most n / 2^64.
  std::uint64_t below(std::uint64_t index, std::uint64_t n) const;

 private:
  PhiloxBlock block(std::uint64_t index) const;

  std::uint64_t seed_;
  std::uint64_t stream_;
};

}  // namespace emend
