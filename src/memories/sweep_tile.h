// The inner loops of a sweep: a few cells side by side, one token after the other. They are plain loops that
// a compiler turns into vector instructions, for the machine that runs them.
#pragma once

#include <array>
#include <cstdint>

namespace emend {

inline constexpr int kTileCells = 64;  // their histograms and thresholds stay in the first cache

// The scores of one token, from the tile's first cell on. Without a gate those of gate and up are null.
struct TokenScores {
  const float* key;
  const float* gate;
  const float* up;
};

struct SweepTile {
  template <typename Number>
  using OfCells = std::array<Number, kTileCells>;

  SweepTile();

  int width = kTileCells;
  // Of the row so far: the largest and least coefficient, and at which token the first of each stands.
  alignas(64) OfCells<float> best{}, worst{};
  alignas(64) OfCells<std::int32_t> best_at{}, worst_at{};
  // Of the portion so far.
  alignas(64) OfCells<float> least{}, most{};
  alignas(64) OfCells<double> sum{}, squares{};
  alignas(64) OfCells<std::int32_t> active{}, up{}, both{};  // positive gate (or coefficient), up, both
  // Of the last token: the histogram's bin, and the score of its draw (scan_draw.h).
  alignas(64) OfCells<std::int32_t> bin{};
  alignas(64) OfCells<float> score{};
  alignas(64) OfCells<std::uint32_t> cell_draw{};  // what each cell drew
  // Of the layer, from the tile's first cell on.
  std::uint32_t* histogram = nullptr;       // [width, kBins]
  const float* spread_threshold = nullptr;  // [width, kBins / 2]
};

void begin_row(SweepTile& tile);
void take_token(SweepTile& tile, const TokenScores& scores, std::int32_t at);
// A token of the sample: its bins. Returns whether it may be the example of an octave of any cell.
bool take_bins(SweepTile& tile, const float* key, std::uint32_t drawn);
// Takes the extremes of the row into those of the portion.
void end_row(SweepTile& tile);

// Is any coefficient as high as its threshold, or its opposite as high as the low one (null: there is none)?
bool reaches(const SweepTile& tile, const float* key, const float* high, const float* low);

}  // namespace emend
