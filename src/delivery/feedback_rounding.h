// Rounding a changed weight back to its own quantised type such that the change survives.
//
// The base's weights lie on the grid of their blocks, so rounding W + Delta to the nearest values gives W
// back where Delta is smaller than half a step. Here the codes are chosen such that the error e = W'_q - (W +
// Delta) of a row, [F], makes
//
//   e (C + ridge I) e^T + mu sum_a (e k_a)^2
//
// small: the error of one element is made good by others, as in GPTQ (Frantar et al. 2023), measured by the
// second moment C of the keys and with the value at the edit's own keys k_a kept. From the nearest codes on,
// always that code is moved by one that lowers the sum most; mu grows until the values at the keys arrive.
// Scales stay as they are, but for blocks whose range W + Delta leaves; blocks none of whose codes change
// keep their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "io/block_format.h"

namespace emend {

// What is to be rounded; all arrays are row by row and must outlive a FeedbackRounding.
struct FeedbackProblem {
  const BlockFormat* format = nullptr;  // levels in ascending order: all types that emend writes
  std::size_t block_bytes = 0;
  std::span<const std::byte> base;  // W: rows * columns / format->elements blocks
  std::int64_t rows = 0, columns = 0;
  const double* change = nullptr;  // Delta [rows, columns], finite
  const double* C = nullptr;       // [columns, columns] symmetric; nullptr: diagonal
  const double* keys = nullptr;    // [key_count, columns]
  std::int64_t key_count = 0;
  const double* diagonal = nullptr;  // [columns], without C: C = diag(diagonal); nullptr: the identity
};

struct FeedbackOptions {
  // Of a row's wanted value and of the root mean square over rows: an error at a key below it is let be.
  double tolerance = 0.01;
  double relative_ridge = 1e-3;  // in units of trace(C) / columns
};

class FeedbackRounding {
 public:
  // key_count * rows * columns operations. Keys at which Delta is 0 do not count.
  explicit FeedbackRounding(const FeedbackProblem& problem, const FeedbackOptions& options = {});

  // Rounds rows begin .. end into their places in `to`, as long as `base`. Rows do not depend on each other,
  // so any split over threads gives the same bytes. columns^2 operations a row (columns for a diagonal), and
  // (key_count + 3) * columns for each code that moves.
  void round_rows(std::int64_t begin, std::int64_t end, std::span<std::byte> to) const;

 private:
  struct Row;

  Row start(std::int64_t row) const;
  void start_block(Row& row, std::size_t number) const;
  void set_steps(Row& row, std::int64_t column) const;
  void add_gradient(Row& row, std::int64_t column, double error) const;
  void move(Row& row, std::int64_t column, int by) const;
  void descend(Row& row, double mu) const;
  bool arrived(const Row& row) const;
  double noise(const Row& row) const;
  void improve(Row& row) const;
  void store(const Row& row, std::int64_t number, std::span<std::byte> to) const;

  FeedbackProblem problem_;
  FeedbackOptions options_;
  std::vector<double> keys_;      // [keys, columns], each divided by ||Delta k||
  std::vector<double> wanted_;    // Delta k [keys, rows], each of norm 1
  std::vector<double> diagonal_;  // of C + ridge I
  std::vector<double> key_squares_;
  double ridge_ = 0;
  std::size_t key_count_ = 0;
};

// What rounding costs under C when the weights do not lie on the grid yet: sum over elements of step^2 / 12
// times C_jj, the step being the distance to the next value. `diagonal` [columns] of C; nullptr: all 1.
double rounding_noise(const BlockFormat& format, std::size_t block_bytes, std::span<const std::byte> base,
                      std::int64_t columns, const double* diagonal);

// Blocks of `block_bytes` that differ.
std::int64_t changed_blocks(std::span<const std::byte> a, std::span<const std::byte> b,
                            std::size_t block_bytes);

}  // namespace emend
