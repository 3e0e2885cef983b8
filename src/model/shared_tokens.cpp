#include "model/shared_tokens.h"

#include <map>
#include <utility>

namespace emend {

SharedTokens share_tokens(const std::vector<std::vector<std::int64_t>>& rows,
                          const std::vector<std::int64_t>& group) {
  SharedTokens shared;
  using Step =
      std::pair<std::int64_t, std::int64_t>;  // from a token (or, below zero, from a group's root) by an id
  std::map<Step, std::int64_t> tree;
  std::map<std::int64_t, std::int64_t> roots;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    std::int64_t at = roots.emplace(group[row], -1 - static_cast<std::int64_t>(roots.size())).first->second;
    auto& tokens = shared.token_of.emplace_back();
    for (std::size_t t = 0; t < rows[row].size(); ++t) {
      const auto [step, fresh] = tree.emplace(Step{at, rows[row][t]}, shared.count());
      if (fresh) shared.first.push_back({row, t});
      at = step->second;
      tokens.push_back(at);
    }
  }
  return shared;
}

}  // namespace emend
