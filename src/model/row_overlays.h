// Which edits the rows of a pass meet: many differently edited models on one set of weights.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/edit.h"
#include "emend/pass.h"

namespace emend {

// Edits as overlays of down projections, y += B (A k) (specs: an edit's factors are an adapter), each on rows
// of its own.
class RowOverlays {
 public:
  RowOverlays() = default;  // no row meets any
  // Given overlays on all rows alike.
  explicit RowOverlays(std::vector<Overlay> on_all_rows) : on_all_rows_(std::move(on_all_rows)) {}
  // edits[e] changes rows i with edit_of_row[i] == e; -1: a row without an edit. Factors go to `options`'
  // device.
  RowOverlays(const std::vector<std::vector<WeightChange>>& edits, std::vector<std::int64_t> edit_of_row,
              const at::TensorOptions& options);

  // For a pass whose row r is `rows[r]`: one overlay a block, holding only the components that these rows
  // meet.
  std::vector<Overlay> for_rows(const std::vector<std::size_t>& rows) const;

 private:
  std::vector<std::vector<WeightChange>> edits_;  // on the device
  std::vector<std::int64_t> edit_of_row_;
  std::vector<Overlay> on_all_rows_;
};

}  // namespace emend
