// Records of the invented world for evaluation, and edits of it that need no editor.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "emend/dataset.h"
#include "emend/edit.h"
#include "emend/model.h"
#include "support/model_files.h"

namespace emend::test {

inline std::vector<EvalRecord> world_records(std::size_t count) {
  auto records = read_dataset("emend", data_path("world/edits.jsonl")).records;
  records.resize(std::min(count, records.size()));
  return records;
}

// The change that tools/fixtures/world_eval_reference.py makes for record r: W += factor * W[:, 7 r mod F]
// cos(0.7 j + r)^T.
inline std::vector<WeightChange> formula_change(const Model& model, int block, std::int64_t r,
                                                double factor) {
  const WeightRef ref{block, Role::kMlpDown};
  const at::Tensor& weight = model.weight(ref);
  const std::int64_t size = weight.size(1);
  const at::Tensor a = at::cos(at::arange(size, at::kDouble) * 0.7 + static_cast<double>(r)) * factor;
  return {WeightChange::low_rank(ref, a.to(at::kFloat).unsqueeze(0),
                                 weight.select(1, 7 * r % size).to(at::kFloat).unsqueeze(1).clone())};
}

}  // namespace emend::test
