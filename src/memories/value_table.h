// Value tables as they are made and kept (emend/memory_values.h).
#pragma once

#include <functional>
#include <map>
#include <string>

#include "emend/memory_values.h"
#include "memories/lens.h"

namespace emend {

// A table and where given tokens stand in it: [F, T] as in VocabularyResult.
struct ScoredTable {
  ValueTable table;
  at::Tensor ranks, low_ranks;
};

// `targets` [F, T] ids, -1 for none, or undefined.
ScoredTable make_value_table(const Model& model, int layer, const Lens& lens, int keep,
                             const at::Tensor& targets = {},
                             const std::function<void(std::int64_t)>& on_cells = {});

// Writes the file of a layer, whole or not at all.
std::filesystem::path save_values(const std::filesystem::path& folder, const ValueTable& table,
                                  const Model& model, const LensOptions& lens);

}  // namespace emend
