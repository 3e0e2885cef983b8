// How well values foretell what follows their triggers (emend/memory_values.h, ValueAgreement).
#pragma once

#include <cstdint>
#include <vector>

#include "emend/memory_values.h"
#include "memories/value_table.h"

namespace emend {

// The trigger examples of one end of a cell, best first.
struct TailTriggers {
  std::vector<float> coefficients;       // signed
  std::vector<std::int64_t> read, next;  // tokens; next is -1 where there is none
};

struct CellTriggers {
  TailTriggers high, low;

  // The end with the larger |coefficient|; high if neither has examples.
  bool dominant_is_high() const;
  const TailTriggers& dominant() const { return dominant_is_high() ? high : low; }
};

// [F, 1]: the token that follows each cell's strongest trigger in its dominant direction, -1 if none.
at::Tensor next_tokens_of(const std::vector<CellTriggers>& cells);

// What the measures of a layer are made of, cell by cell.
struct CellAgreement {
  bool positive = true;    // dominant direction
  double probability = 0;  // the largest in that direction
  std::int64_t next = -1;  // -1: not defined, and what follows means nothing
  std::int64_t rank = -1;
  bool agrees = false, echoes = false;
  double precision = 0;     // over the triggers that have a next token
  bool any_agrees = false;  // of those triggers, at least one
};
std::vector<CellAgreement> agreement_of_cells(const ScoredTable& scored,
                                              const std::vector<CellTriggers>& cells);

// `vocabulary`: tokens that take part. Same seed, same baseline.
ValueAgreement summarize_agreement(const ScoredTable& scored, const std::vector<CellTriggers>& cells,
                                   const std::vector<CellAgreement>& agreement, std::int64_t vocabulary,
                                   std::uint64_t seed);

// The defined cells of all layers by their probability in `bins` bins, equally wide or of equally many cells.
std::vector<PredictiveBin> bins_of_equal_width(std::vector<CellAgreement> cells, int bins);
std::vector<PredictiveBin> bins_of_equal_count(std::vector<CellAgreement> cells, int bins);

// Value at the share `share` of sorted numbers: the one at floor(share (n - 1)); NaN of none.
double quantile_of(std::vector<double> values, double share);

}  // namespace emend
