#include "model/row_overlays.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <set>

#include "model/rows.h"

namespace emend {

RowOverlays::RowOverlays(const std::vector<std::vector<WeightChange>>& edits,
                         std::vector<std::int64_t> edit_of_row, const at::TensorOptions& options)
    : edits_(edits), edit_of_row_(std::move(edit_of_row)) {
  for (auto& changes : edits_)
    for (WeightChange& change : changes) {
      auto [A, B] = change.factors();
      change = WeightChange::low_rank(change.weight, A.to(options.device()), B.to(options.device()));
    }
}

std::vector<Overlay> RowOverlays::for_rows(const std::vector<std::size_t>& rows) const {
  if (edits_.empty()) return on_all_rows_;
  // Per block: the factors one after the other, and the components [begin, end) of each edit.
  struct Stack {
    std::vector<at::Tensor> A, B;
    std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> components;
    std::int64_t size = 0;
  };
  std::map<int, Stack> stacks;
  std::set<std::int64_t> stacked;
  for (const std::size_t row : rows) {
    const std::int64_t edit = edit_of_row_[row];
    if (edit < 0 || !stacked.insert(edit).second) continue;
    for (const WeightChange& change :
         edits_[static_cast<std::size_t>(edit)]) {  // several of one block add up
      Stack& stack = stacks[change.weight.block];
      const auto components = stack.components.emplace(edit, std::pair(stack.size, stack.size)).first;
      stack.size += change.A.size(0);
      components->second.second = stack.size;
      stack.A.push_back(change.A);
      stack.B.push_back(change.B);
    }
  }
  std::vector<Overlay> overlays;
  for (const auto& [block, stack] : stacks) {
    at::Tensor gate = at::zeros({static_cast<std::int64_t>(rows.size()), stack.size}, at::kFloat);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const auto found = stack.components.find(edit_of_row_[rows[r]]);
      if (found == stack.components.end()) continue;
      float* line = gate.data_ptr<float>() + static_cast<std::int64_t>(r) * stack.size;
      std::fill(line + found->second.first, line + found->second.second, 1.0f);
    }
    const at::Tensor A = at::cat(stack.A, 0);
    overlays.push_back({block, A, at::cat(stack.B, 1), to_device(gate, A.device())});
  }
  return overlays;
}

}  // namespace emend
