#include "model/decode.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace emend {

std::vector<TokenIds> decode(const Model& model, KvCache& cache, const at::Tensor& logits,
                             const std::vector<DecodeRow>& rows, const DrawOptions& draw,
                             const std::vector<std::int64_t>& stop, const RowOverlays& overlays,
                             Progress* progress, std::vector<std::int64_t>* ended_by,
                             const DecodeWatch& watch) {
  if (ended_by != nullptr) ended_by->assign(rows.size(), -1);
  std::vector<TokenIds> results(rows.size());
  const std::vector<std::int64_t> prompt_lengths = cache.lengths;
  std::vector<std::size_t> alive(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) alive[i] = i;
  at::Tensor seen = logits;
  for (std::uint64_t step = 0; !alive.empty(); ++step) {
    std::vector<std::uint64_t> streams, index(alive.size(), step);
    for (const std::size_t i : alive) streams.push_back(rows[i].stream);
    const std::vector<std::int64_t> drawn = draw_tokens(seen, streams, index, draw);
    const std::vector<bool> enough =
        watch ? watch(alive, seen, drawn) : std::vector<bool>(alive.size(), false);
    PassInput input;
    std::vector<std::size_t> growing, overlay_rows;
    for (std::size_t a = 0; a < alive.size(); ++a) {
      const std::size_t i = alive[a];
      if (std::find(stop.begin(), stop.end(), drawn[a]) != stop.end()) {
        if (ended_by != nullptr) (*ended_by)[i] = drawn[a];
        continue;
      }
      results[i].push_back(drawn[a]);
      if (static_cast<std::int64_t>(results[i].size()) == rows[i].max_new || enough[a]) continue;
      growing.push_back(i);
      overlay_rows.push_back(rows[i].overlay_row);
      input.cache_row.push_back(rows[i].cache_row);
      input.logit_tokens.push_back(static_cast<std::int64_t>(input.ids.size()));
      input.ids.push_back({drawn[a]});
    }
    alive = std::move(growing);
    if (alive.empty()) break;
    input.cache = &cache;
    input.append = true;
    input.overlays = overlays.for_rows(overlay_rows);
    seen = model.forward(input).logits;
    if (progress != nullptr) progress->update(static_cast<std::int64_t>(step) + 1, "");
  }
  cache.lengths = prompt_lengths;
  return results;
}

}  // namespace emend
