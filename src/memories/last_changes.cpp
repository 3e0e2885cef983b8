#include "memories/last_changes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <utility>

#include "memories/token_name.h"
#include "memories/token_relations.h"

namespace emend {

LastLayerChanges last_changes_of(const Model& model, const std::vector<ExampleLayer>& examples,
                                 std::uint64_t seed) {
  constexpr std::size_t kListed = 50;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> pairs;
  for (const ExampleLayer& example : examples)
    if (decision_of(example.residual_top, example.ffn_top, example.output_top) == Decision::kComposition)
      ++pairs[{example.residual_top, example.output_top}];
  LastLayerChanges changes;
  if (pairs.empty()) return changes;
  const at::Tensor& table = model.weights().head;
  const TokenRelations relations(
      table, std::min<std::int64_t>(model.tokenizer().size(), table.size(0)),
      [&](std::int64_t id) { return token_name(model, id); }, seed);
  changes.threshold = relations.threshold();
  for (const auto& [pair, count] : pairs) {
    LastLayerChanges::Pair one{token_name(model, pair.first), token_name(model, pair.second), count,
                               relations.cosine(pair.first, pair.second),
                               relations.related(pair.first, pair.second)};
    changes.changed += count;
    if (one.related) changes.related += count;
    changes.pairs.push_back(std::move(one));
  }
  std::stable_sort(changes.pairs.begin(), changes.pairs.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  if (changes.pairs.size() > kListed) changes.pairs.resize(kListed);
  return changes;
}

}  // namespace emend
