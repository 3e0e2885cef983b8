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

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "io/block_format.h"

namespace emend {

// What is to be rounded; all arrays are row by row and must outlive a FeedbackRounding.
struct FeedbackProblem {
  const BlockFormat* format = nullptr;
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

// For each code of a format the code of the next higher level and that of the next lower one; itself at the
// end. Codes of one level (the two zeros of MXFP4) have the same neighbours.
struct NextCodes {
  explicit NextCodes(const BlockFormat& format);
  std::array<std::uint8_t, 256> above{}, below{};
};

class FeedbackRounding {
 public:
  // key_count * rows * columns operations. Keys at which Delta is 0 do not count.
  explicit FeedbackRounding(const FeedbackProblem& problem, const FeedbackOptions& options = {});

  // The errors [end - begin, columns] of rows begin .. end before a code moves: what round_rows must know
  // multiplied by C, which a fast matrix product does best.
  void first_errors(std::int64_t begin, std::int64_t end, double* errors) const;

  // Rounds rows begin .. end into their places in `to`, as long as `base`. `products` [end - begin, columns]
  // is first_errors C, with C as the problem has it (a diagonal, the identity). Rows do not depend on each
  // other, so any split over threads gives the same bytes. (key_count + 5) * columns operations for each code
  // that moves.
  void round_rows(std::int64_t begin, std::int64_t end, const double* products,
                  std::span<std::byte> to) const;

 private:
  struct Row;
  struct Move {
    std::size_t column = 0;
    double change = 0;  // of the value
  };

  Row start(std::int64_t row) const;
  void start_block(Row& row, std::size_t number) const;
  void set_steps(Row& row, std::int64_t column) const;
  void move(Row& row, std::size_t column, double change) const;
  Move best_move(const Row& row, double mu) const;
  void descend(Row& row, double mu) const;
  bool arrived(const Row& row) const;
  double noise(const Row& row) const;
  double stray(const Row& row) const;
  void improve(Row& row) const;
  void store(const Row& row, std::int64_t number, std::span<std::byte> to) const;

  FeedbackProblem problem_;
  FeedbackOptions options_;
  NextCodes next_;
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
