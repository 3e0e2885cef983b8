#include "analysis/causal_trace/attribution.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace emend::trace {

namespace {

// Differences [L, S, T, D] against gradients of the same shape, one a block: [T][L].
Grid products(const SiteStates& states, const std::vector<at::Tensor>& gradients, std::size_t begin,
              std::int64_t tokens) {
  const std::size_t layers = states.clean.size();
  Grid grid(static_cast<std::size_t>(tokens), std::vector<double>(layers));
  for (std::size_t l = 0; l < layers; ++l) {
    const at::Tensor gap = (states.clean[l].unsqueeze(0) - states.corrupted[l]).to(at::kFloat);
    const at::Tensor gradient = gradients[begin + l].view(gap.sizes()).to(at::kFloat);
    const at::Tensor effect = (gap * gradient).sum(2).to(at::kDouble).mean(0).cpu();
    for (std::int64_t t = 0; t < tokens; ++t) grid[static_cast<std::size_t>(t)][l] = effect[t].item<double>();
  }
  return grid;
}

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) rank[order[i]] = 0.5 * static_cast<double>(begin + end - 1);
    begin = end;
  }
  return rank;
}

}  // namespace

Attribution attribute(const Model& model, const TraceRuns& runs) {
  const int layers = model.config().layers;
  const std::int64_t samples = runs.samples, tokens = runs.row.size();
  const c10::AutoGradMode with_gradients(true);
  PassInput input;
  input.ids.assign(static_cast<std::size_t>(samples), runs.row.ids);
  input.hidden =
      runs.corrupted_embedding.reshape({samples * tokens, -1}).detach().clone().requires_grad_(true);
  for (const Site site : {Site::kBlockOutput, Site::kMlpOutput, Site::kAttentionOutput})
    for (int l = 0; l < layers; ++l) input.recordings.push_back({site, l, {}});
  input.logit_tokens = reading_tokens(samples, tokens, runs.row.answer_tokens());
  const PassOutput output = model.forward(input);
  // Rows do not touch each other, so the gradient of the sum is each row's own.
  const at::Tensor p = answer_probability(output.logits, runs.row.answer).sum();
  const std::vector<at::Tensor> gradients =
      torch::autograd::grad({p}, output.recorded, {}, c10::nullopt, false, false);
  const c10::NoGradGuard no_grad;
  const auto l = static_cast<std::size_t>(layers);
  return {products(runs.block, gradients, 0, runs.row.prompt),
          products(runs.mlp, gradients, l, runs.row.prompt),
          products(runs.attention, gradients, 2 * l, runs.row.prompt)};
}

Grid window_sums(const Grid& single, int width) {
  Grid sums = single;
  for (std::size_t t = 0; t < single.size(); ++t)
    for (std::size_t l = 0; l < single[t].size(); ++l) {
      const LayerRange window = window_around(static_cast<int>(l), width, static_cast<int>(single[t].size()));
      sums[t][l] = std::accumulate(single[t].begin() + window.begin, single[t].begin() + window.end, 0.0);
    }
  return sums;
}

double rank_correlation(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 3) return std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double middle = 0.5 * static_cast<double>(a.size() - 1);
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) * (x[i] - middle);
    yy += (y[i] - middle) * (y[i] - middle);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace emend::trace
