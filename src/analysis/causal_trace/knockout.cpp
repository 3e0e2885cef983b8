#include "analysis/causal_trace/knockout.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <numeric>

namespace emend::trace {

namespace {

struct KnockoutCell {
  std::size_t set = 0;
  int layer = 0;
  LayerRange window;
};

// Rows of all cells that have begun, one block up.
at::Tensor step(const Model& model, KvCache& cache, const std::vector<KnockoutCell>& cells,
                const std::vector<std::vector<std::int64_t>>& sets, const at::Tensor& x, int block) {
  const std::int64_t width = x.size(0) / static_cast<std::int64_t>(cells.size());
  PassInput input;
  input.ids.assign(cells.size(), TokenIds(static_cast<std::size_t>(width), 0));
  input.cache_row.assign(cells.size(), 0);
  input.cache = &cache;
  input.begin_block = input.stop_block = block;
  input.hidden = x;
  input.stop = PassInput::Stop::kBlock;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (block < cells[i].window.begin || block >= cells[i].window.end) continue;
    for (std::int64_t j = 0; j < width; ++j)
      for (const std::int64_t position : sets[cells[i].set])
        input.knockouts.push_back({block, block + 1, static_cast<std::int64_t>(i) * width + j, position});
  }
  return model.forward(input).hidden;
}

}  // namespace

std::vector<std::vector<double>> run_knockouts(const Model& model, const TraceRuns& runs,
                                               const std::vector<std::vector<std::int64_t>>& sets,
                                               int window) {
  const c10::NoGradGuard no_grad;
  const int layers = model.config().layers;
  const std::int64_t last = runs.row.prompt - 1, width = runs.row.answer_tokens();
  KvCache cache = runs.cache_before(last);
  std::vector<KnockoutCell> cells;
  at::Tensor x;
  for (int l = 0; l < layers; ++l) {
    for (int centre = 0; centre < layers; ++centre) {
      const LayerRange range = window_around(centre, window, layers);
      if (range.begin != l) continue;
      const at::Tensor& stream = l == 0 ? runs.clean_embedding : runs.block.clean[l - 1];
      for (std::size_t set = 0; set < sets.size(); ++set) {
        cells.push_back({set, centre, range});
        const at::Tensor entering = stream.narrow(0, last, width);
        x = x.defined() ? at::cat({x, entering}, 0) : entering;
      }
    }
    x = step(model, cache, cells, sets, x, l);
  }
  PassInput input;
  input.ids.assign(cells.size(), TokenIds(static_cast<std::size_t>(width), 0));
  input.begin_block = layers;
  input.hidden = x;
  input.logit_tokens.resize(cells.size() * static_cast<std::size_t>(width));
  std::iota(input.logit_tokens.begin(), input.logit_tokens.end(), 0);
  const at::Tensor p = answer_probability(model.forward(input).logits, runs.row.answer).cpu();
  std::vector<std::vector<double>> scores(sets.size(), std::vector<double>(static_cast<std::size_t>(layers)));
  for (std::size_t i = 0; i < cells.size(); ++i)
    scores[cells[i].set][static_cast<std::size_t>(cells[i].layer)] =
        p[static_cast<std::int64_t>(i)].item<double>();
  return scores;
}

}  // namespace emend::trace
