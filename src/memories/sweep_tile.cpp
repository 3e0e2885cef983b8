#include "memories/sweep_tile.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "memories/cell_counts.h"
#include "memories/scan_draw.h"

// One version of a function for every machine, and a wider one that is chosen where it runs.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define EMEND_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define EMEND_WIDE
#endif

namespace emend {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

SweepTile::SweepTile() {
  least.fill(kInfinity);
  most.fill(-kInfinity);
}

void begin_row(SweepTile& tile) {
  tile.best.fill(-kInfinity);
  tile.worst.fill(kInfinity);
}

// Extremes and sums. The first token keeps its place where a later one is equal.
EMEND_WIDE
static void take_coefficients(SweepTile& tile, const float* __restrict key, std::int32_t at) {
  const int width = tile.width;
  float* __restrict best = tile.best.data();
  float* __restrict worst = tile.worst.data();
  std::int32_t* __restrict best_at = tile.best_at.data();
  std::int32_t* __restrict worst_at = tile.worst_at.data();
  for (int c = 0; c < width; ++c) {
    const bool above = key[c] > best[c], below = key[c] < worst[c];
    best[c] = above ? key[c] : best[c];
    best_at[c] = above ? at : best_at[c];
    worst[c] = below ? key[c] : worst[c];
    worst_at[c] = below ? at : worst_at[c];
  }
  double* __restrict sum = tile.sum.data();
  double* __restrict squares = tile.squares.data();
  for (int c = 0; c < width; ++c) {
    const double value = key[c];
    sum[c] += value;
    squares[c] += value * value;
  }
}

EMEND_WIDE
static void count_positive(SweepTile& tile, const float* __restrict gate) {
  std::int32_t* __restrict active = tile.active.data();
  const int width = tile.width;
  for (int c = 0; c < width; ++c) active[c] += gate[c] > 0 ? 1 : 0;
}

EMEND_WIDE
static void count_quadrants(SweepTile& tile, const float* __restrict gate, const float* __restrict up) {
  std::int32_t* __restrict active = tile.active.data();
  std::int32_t* __restrict up_count = tile.up.data();
  std::int32_t* __restrict both = tile.both.data();
  const int width = tile.width;
  for (int c = 0; c < width; ++c) {
    const std::int32_t g = gate[c] > 0 ? 1 : 0, u = up[c] > 0 ? 1 : 0;
    active[c] += g;
    up_count[c] += u;
    both[c] += g & u;
  }
}

// The bin of each coefficient (as coefficient_bins::bin_of) and the score of its draw.
EMEND_WIDE
static void find_bins(SweepTile& tile, const float* __restrict key, std::uint32_t drawn) {
  constexpr std::int32_t kLast = coefficient_bins::kOfSign - 1,
                         kBegin = 2 * (127 + coefficient_bins::kFirstExponent);
  std::int32_t* __restrict bin = tile.bin.data();
  float* __restrict score = tile.score.data();
  const std::uint32_t* __restrict cell_draw = tile.cell_draw.data();
  const int width = tile.width;
  for (int c = 0; c < width; ++c) {
    const auto bits = std::bit_cast<std::int32_t>(key[c]);
    std::int32_t place = ((bits & 0x7FFFFFFF) >> 22) - kBegin;
    place = place < 0 ? 0 : place;
    place = place > kLast ? kLast : place;
    bin[c] = coefficient_bins::kOfSign + (place ^ (bits >> 31));  // ~place = -1 - place
  }
  for (int c = 0; c < width; ++c) score[c] = ScanDraw::score(drawn, cell_draw[c]);
}

static bool count_bins(SweepTile& tile) {
  std::uint32_t* histogram = tile.histogram;
  const float* spread = tile.spread_threshold;
  bool any = false;
  for (int c = 0; c < tile.width; ++c) {
    const int bin = tile.bin[static_cast<std::size_t>(c)];
    const float score = tile.score[static_cast<std::size_t>(c)];
    ++histogram[bin];
    any |= score >= spread[bin / 2];
    histogram += coefficient_bins::kBins;
    spread += coefficient_bins::kBins / 2;
  }
  return any;
}

void take_token(SweepTile& tile, const TokenScores& scores, std::int32_t at) {
  take_coefficients(tile, scores.key, at);
  if (scores.gate != nullptr)
    count_quadrants(tile, scores.gate, scores.up);
  else
    count_positive(tile, scores.key);
}

bool take_bins(SweepTile& tile, const float* key, std::uint32_t drawn) {
  find_bins(tile, key, drawn);
  return count_bins(tile);
}

void end_row(SweepTile& tile) {
  for (std::size_t c = 0; c < static_cast<std::size_t>(tile.width); ++c) {
    tile.least[c] = std::min(tile.least[c], tile.worst[c]);
    tile.most[c] = std::max(tile.most[c], tile.best[c]);
  }
}

EMEND_WIDE
bool reaches(const SweepTile& tile, const float* key, const float* high, const float* low) {
  int any = 0;
  for (int c = 0; c < tile.width; ++c) any |= key[c] >= high[c] ? 1 : 0;
  if (low != nullptr)
    for (int c = 0; c < tile.width; ++c) any |= -key[c] >= low[c] ? 1 : 0;
  return any != 0;
}

}  // namespace emend
