// All that a scan knows of the cells of one layer, and how that is kept in a file.
#pragma once

#include <cstdint>
#include <string>

#include "analysis/text_file.h"
#include "emend/memory_scan.h"
#include "emend/model.h"
#include "memories/cell_counts.h"
#include "memories/trigger_table.h"

namespace emend {

// What the state of a layer is made for.
struct StateShape {
  std::int64_t cells = 0;
  bool gated = false;      // cells have a gate and an up score
  bool one_ended = false;  // ReLU: coefficients are never negative, so there is no low end
  int top = 25;
  int random = 10;  // examples drawn at random
  Dedup dedup = Dedup::kWindow;

  static StateShape of(const Model& model, int layer, const ScanOptions& options);
  bool operator==(const StateShape&) const = default;
};

struct LayerState {
  // Coefficients of an example's neighbourhood in the histogram are told apart by the octave.
  static constexpr int kSpreadBins = coefficient_bins::kBins / 2;

  LayerState() = default;
  explicit LayerState(const StateShape& shape);

  void merge(const LayerState& other);

  StateShape shape;
  CellCounts counts;
  // Score: the coefficient, and minus the coefficient. Extras of gated cells: gate and up score.
  TriggerTable high, low;
  // Score: minus the upper 24 bits of the number that the token drew (scan_draw.h). Extra: the coefficient.
  TriggerTable random;  // of all tokens
  TriggerTable spread;  // of those in each octave of the coefficient, one each: [cells kSpreadBins, 1]

  // Of the trigger tables, by the formula of the specification: tails (t 8 + 4) a cell, and 8 an entry for
  // the two scores of gated cells; and of all else.
  static std::int64_t table_bytes(const StateShape& shape);
  static std::int64_t other_bytes(const StateShape& shape);
};

// Tensors whose names begin with `prefix`.
void add_layer_state(FileWriter& writer, const std::string& prefix, const LayerState& state);
// Throws Error(kFormat) naming file and tensor if there is no such state of that shape.
LayerState read_layer_state(const TensorFile& file, const std::string& prefix, const StateShape& shape);

}  // namespace emend
