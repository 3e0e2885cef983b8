#include "memories/nearest_draws.h"

#include <algorithm>
#include <bit>

namespace emend {

namespace {

constexpr int kUnusedBits = ScanDraw::kUnusedBits, kBits = 32;  // no score has the first ones

}  // namespace

NearestDraws::NearestDraws(std::vector<std::pair<std::uint32_t, std::uint32_t>> drawn) {
  std::sort(drawn.begin(), drawn.end());
  for (const auto& [number, index] : drawn) {
    drawn_.push_back(number);
    index_.push_back(index);
  }
  first_bits_ = std::max(kUnusedBits, kBits - static_cast<int>(std::bit_width(drawn_.size())));
}

// Numbers whose upper 32 - b bits are those of the cell are the tokens with a draw below 2^b, and they stand
// together. b grows until there are enough, or all that the threshold lets in.
std::pair<const std::uint32_t*, const std::uint32_t*> NearestDraws::find(std::uint32_t cell_draw,
                                                                         std::size_t count,
                                                                         float threshold) const {
  const double worst = std::min(-static_cast<double>(threshold), 16777215.0);
  const int enough = kUnusedBits + static_cast<int>(std::bit_width(static_cast<std::uint32_t>(worst)));
  for (int bits = std::min(first_bits_, enough);; ++bits) {
    const std::uint32_t low_bits = bits >= kBits ? ~0U : (1U << bits) - 1;
    const auto begin = std::lower_bound(drawn_.begin(), drawn_.end(), cell_draw & ~low_bits),
               end = std::upper_bound(begin, drawn_.end(), cell_draw | low_bits);
    if (bits >= enough || static_cast<std::size_t>(end - begin) >= count)
      return {index_.data() + (begin - drawn_.begin()), index_.data() + (end - drawn_.begin())};
  }
}

}  // namespace emend
