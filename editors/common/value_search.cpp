#include "editors/common/value_search.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "editors/common/adam.h"
#include "emend/error.h"
#include "emend/model.h"
#include "model/rows.h"

namespace emend {

namespace {

constexpr double kFallen =
    0.8;  // a search whose best loss stays above this share of its first one has found nothing

// A row as the steps need it: the positions that r can move, from `begin` to its end.
struct ActiveRow {
  std::size_t unit;  // index in the batch
  const SearchRow* source;
  std::int64_t begin;
  at::Tensor hidden;   // [T - begin, D] residual stream after layer l, other edits added
  at::Tensor alpha;    // [T - begin]
  at::Tensor initial;  // drift rows: [V] log-probabilities before the edit
};

// The units of one batch, ready to step: everything below and before what r can move is computed once, here.
class SearchBatch {
 public:
  SearchBatch(const Model& model, const LayerTrace& trace, const std::vector<SearchUnit>& units,
              std::size_t begin, std::size_t end, const SearchOptions& options)
      : model_(model),
        layer_(trace.layer()),
        units_(units),
        first_(begin),
        options_(options),
        results_(end - begin) {
    prepare(trace, end);
  }

  std::vector<SearchResult> run(Progress& progress, std::int64_t already_done);

 private:
  void prepare(const LayerTrace& trace, std::size_t end);
  void set_up_adam();
  struct Losses {
    at::Tensor nll, kl;  // [units of the step]
    at::Tensor total;
    at::Tensor row_nll;  // [target rows of the step]
    std::vector<std::int64_t> row_unit;
    std::vector<bool> row_bare;
  };
  // Lowest probability of the target over each unit's bare rows, and the mean over all its rows.
  static std::pair<std::vector<double>, std::vector<double>> probabilities(const Losses& losses,
                                                                           std::size_t units);
  Losses losses(const std::vector<std::size_t>& active, const at::Tensor& r);
  bool note(std::size_t unit, double loss, double nll, double kl, double bare, double mean,
            const at::Tensor& r, int evaluation);

  const Model& model_;
  int layer_;
  const std::vector<SearchUnit>& units_;
  std::size_t first_;
  const SearchOptions& options_;
  std::vector<SearchResult> results_;
  std::vector<ActiveRow> rows_;
  KvCache cache_;
  at::Tensor v0_norms_;  // [units, 1]
  std::optional<Adam> adam_;
};

// alpha of every token of a row.
at::Tensor row_alpha(const SearchUnit& unit, const SearchRow& row, const at::Tensor& keys,
                     Objective objective) {
  if (objective == Objective::kWritten) return at::matmul(keys, unit.a);
  at::Tensor alpha = at::zeros({keys.size(0)}, keys.options());
  alpha[static_cast<std::int64_t>(row.lookup)] = 1.0;
  return alpha;
}

void SearchBatch::prepare(const LayerTrace& trace, std::size_t end) {
  const c10::NoGradGuard no_grad;
  const BlockWeights& block = model_.weights().blocks[static_cast<std::size_t>(layer_)];
  std::vector<TraceRow> trace_rows;
  std::vector<std::pair<std::size_t, const SearchRow*>> owners;
  for (std::size_t u = first_; u < end; ++u)
    for (const SearchRow& row : units_[u].rows) {
      trace_rows.push_back(row.row);
      owners.emplace_back(u - first_, &row);
    }
  const std::vector<TracedRow> traced = trace.trace(trace_rows);

  // v0: the value at the lookup token of the (first) bare row.
  std::vector<at::Tensor> v0(results_.size());
  for (std::size_t i = 0; i < owners.size(); ++i)
    if (owners[i].second->bare && !v0[owners[i].first].defined()) {
      const at::Tensor key = traced[i].keys.select(0, static_cast<std::int64_t>(owners[i].second->lookup));
      const at::Tensor value = at::matmul(block.mlp_down.to(at::kFloat), key);
      v0[owners[i].first] =
          (block.mlp_down_bias.defined() ? value + block.mlp_down_bias.to(at::kFloat) : value).norm();
    }
  v0_norms_ = at::stack(v0).unsqueeze(1);

  std::vector<at::Tensor> hidden;
  std::vector<std::int64_t> begins;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    const auto [unit_index, source] = owners[i];
    const SearchUnit& unit = units_[first_ + unit_index];
    const at::Tensor& keys = traced[i].keys;
    at::Tensor alpha = row_alpha(unit, *source, keys, options_.objective);
    const double clamp = options_.clamp * v0[unit_index].item<double>();
    at::Tensor moved = alpha.abs() * clamp;
    at::Tensor h = traced[i].hidden;
    if (unit.others_a.defined()) {
      const at::Tensor others = at::matmul(keys, unit.others_a.t());  // [T, n]
      moved = at::maximum(moved, at::matmul(others.abs(), unit.others_r.norm(2, 1)));
      h = h + at::matmul(others, unit.others_r);
    }
    const at::Tensor reached = at::nonzero(moved / traced[i].hidden.norm(2, 1) >= options_.reach);
    std::int64_t begin =
        reached.size(0) > 0 ? reached[0][0].item<std::int64_t>() : static_cast<std::int64_t>(source->lookup);
    begin = std::min(begin, static_cast<std::int64_t>(source->lookup));
    hidden.push_back(h);
    begins.push_back(begin);
    const std::int64_t moving = keys.size(0) - begin;
    rows_.push_back(
        {unit_index, source, begin, h.narrow(0, begin, moving), alpha.narrow(0, begin, moving), {}});
  }
  cache_ = trace.upper_cache(trace_rows, hidden, begins);
  set_up_adam();
}

void SearchBatch::set_up_adam() {
  const double root = std::sqrt(static_cast<double>(model_.config().d_model));
  std::vector<at::Tensor> starts;
  for (std::size_t u = 0; u < results_.size(); ++u) {
    const at::Tensor& start = units_[first_ + u].start;
    starts.push_back(start.defined() ? start.to(v0_norms_.device())
                                     : at::zeros({model_.config().d_model}, v0_norms_.options()));
    results_[u].v0_norm = v0_norms_[static_cast<std::int64_t>(u)].item<double>();
  }
  const at::Tensor step = options_.absolute_step > 0 ? at::full_like(v0_norms_, options_.absolute_step)
                                                     : v0_norms_ * (options_.step / root);
  adam_.emplace(at::stack(starts), step, v0_norms_ * options_.clamp);
}

// One pass over the rows of the active units: residual stream plus alpha r, blocks above the layer, losses.
SearchBatch::Losses SearchBatch::losses(const std::vector<std::size_t>& active, const at::Tensor& r) {
  const at::Device device = v0_norms_.device();
  std::vector<std::int64_t> place(results_.size(), -1);  // of a unit in this step
  for (std::size_t i = 0; i < active.size(); ++i) place[active[i]] = static_cast<std::int64_t>(i);

  PassInput input;
  std::vector<at::Tensor> hidden, alpha;
  std::vector<std::int64_t> token_unit, labels, label_row, row_unit, drift_unit, drift_at;
  std::vector<double> label_share, row_weight;
  std::vector<bool> row_bare;
  std::vector<ActiveRow*> drift_rows;
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    ActiveRow& row = rows_[i];
    if (place[row.unit] < 0) continue;
    const std::int64_t length = row.hidden.size(0);
    input.ids.emplace_back(static_cast<std::size_t>(length),
                           0);  // only their number matters: the residual stream is given
    input.cache_row.push_back(static_cast<std::int64_t>(i));
    hidden.push_back(row.hidden);
    alpha.push_back(row.alpha);
    token_unit.insert(token_unit.end(), static_cast<std::size_t>(length), place[row.unit]);
    if (row.source->drift) {
      drift_at.push_back(tokens + static_cast<std::int64_t>(row.source->lookup) - row.begin);
      drift_unit.push_back(place[row.unit]);
      drift_rows.push_back(&row);
    } else {
      for (std::size_t j = 0; j < row.source->labels.size(); ++j) {
        input.logit_tokens.push_back(tokens + row.source->label_at[j] - row.begin);
        labels.push_back(row.source->labels[j]);
        label_row.push_back(static_cast<std::int64_t>(row_unit.size()));
        label_share.push_back(1.0 / static_cast<double>(row.source->labels.size()));
      }
      row_unit.push_back(place[row.unit]);
      row_weight.push_back(row.source->weight);
      row_bare.push_back(row.source->bare);
    }
    tokens += length;
  }
  const std::int64_t label_count = static_cast<std::int64_t>(labels.size());
  input.logit_tokens.insert(input.logit_tokens.end(), drift_at.begin(), drift_at.end());
  input.cache = &cache_;
  input.begin_block = layer_ + 1;
  input.hidden = (at::cat(hidden, 0) +
                  at::cat(alpha, 0).unsqueeze(1) * r.index_select(0, index_tensor(token_unit, device)))
                     .to(model_.options());
  const at::Tensor logprobs = at::log_softmax(model_.forward(std::move(input)).logits, 1);

  const auto count = static_cast<std::int64_t>(active.size());
  const auto floats = [&](const std::vector<double>& v) {
    return at::tensor(v, at::kDouble).to(device, at::kFloat);
  };
  const at::Tensor zeros = at::zeros({count}, v0_norms_.options());
  Losses result;
  const at::Tensor label_nll =
      -logprobs.narrow(0, 0, label_count).gather(1, index_tensor(labels, device).unsqueeze(1)).squeeze(1);
  const at::Tensor row_index = index_tensor(row_unit, device);
  const at::Tensor row_nll =
      at::zeros({static_cast<std::int64_t>(row_unit.size())}, zeros.options())
          .index_add(0, index_tensor(label_row, device), label_nll * floats(label_share));
  result.nll = zeros.index_add(0, row_index, row_nll * floats(row_weight));
  result.kl = zeros;
  if (!drift_rows.empty()) {
    const at::Tensor now = logprobs.narrow(0, label_count, static_cast<std::int64_t>(drift_rows.size()));
    std::vector<at::Tensor> before;
    for (std::size_t i = 0; i < drift_rows.size(); ++i) before.push_back(drift_rows[i]->initial);
    if (before.front().defined())
      result.kl = zeros.index_add(0, index_tensor(drift_unit, device),
                                  (now.exp() * (now - at::stack(before))).sum(1));
    else
      for (std::size_t i = 0; i < drift_rows.size(); ++i)
        drift_rows[i]->initial = now[static_cast<std::int64_t>(i)].detach();
  }
  result.total = result.nll + options_.kl_factor * result.kl;
  if (options_.decay > 0) {
    const at::Tensor v0 =
        v0_norms_.index_select(0, index_tensor({active.begin(), active.end()}, device)).squeeze(1);
    result.total = result.total + options_.decay * (r.square().sum(1) + 1e-30).sqrt() / v0.square();
  }
  result.row_nll = row_nll.detach();
  result.row_unit = std::move(row_unit);
  result.row_bare = std::move(row_bare);
  return result;
}

std::pair<std::vector<double>, std::vector<double>> SearchBatch::probabilities(const Losses& losses,
                                                                               std::size_t units) {
  std::vector<double> bare(units, 1), mean(units, 0), count(units, 0);
  const at::Tensor nll = losses.row_nll.to(at::kDouble).cpu();
  for (std::size_t i = 0; i < losses.row_unit.size(); ++i) {
    const auto unit = static_cast<std::size_t>(losses.row_unit[i]);
    const double p = std::exp(-nll.const_data_ptr<double>()[i]);
    if (losses.row_bare[i]) bare[unit] = std::min(bare[unit], p);
    mean[unit] += p;
    ++count[unit];
  }
  for (std::size_t u = 0; u < units; ++u) mean[u] /= count[u];
  return {bare, mean};
}

// Books one evaluation; true when the unit is done.
bool SearchBatch::note(std::size_t unit, double loss, double nll, double kl, double bare, double mean,
                       const at::Tensor& r, int evaluation) {
  SearchResult& result = results_[unit];
  result.losses.push_back(loss);
  if (evaluation == 0) result.first_loss = loss;
  const bool better = evaluation == 0 || !std::isfinite(result.loss) || loss < result.loss;
  if (std::isfinite(loss) && (better || !options_.keep_best)) {
    result.r = r.detach().clone();
    result.loss = loss;
    result.nll = nll;
    result.kl = kl;
    result.bare_probability = bare;
    result.mean_probability = mean;
  }
  result.steps = evaluation;
  const bool reached = options_.stop_loss > 0
                           ? loss < options_.stop_loss
                           : bare > options_.stop_probability && mean > options_.stop_probability;
  result.came_down = result.came_down || reached;
  return reached;
}

std::vector<SearchResult> SearchBatch::run(Progress& progress, std::int64_t already_done) {
  const at::Device device = v0_norms_.device();
  std::vector<std::size_t> active(results_.size());
  for (std::size_t u = 0; u < active.size(); ++u) active[u] = u;
  if (adam_->values().any().item<bool>()) {
    // The distributions before the edit, for the drift term. A search that begins
    // at 0 sees them in its first evaluation.
    const c10::NoGradGuard no_grad;
    losses(active, at::zeros_like(adam_->values()));
  }
  for (int evaluation = 0; !active.empty(); ++evaluation) {
    const at::Tensor index = index_tensor({active.begin(), active.end()}, device);
    at::Tensor r = adam_->values().index_select(0, index).set_requires_grad(true);
    const Losses loss = losses(active, r);
    const at::Tensor host = at::stack({loss.total, loss.nll, loss.kl}).detach().to(at::kDouble).cpu();
    const auto [bare, mean] = probabilities(loss, active.size());
    std::vector<std::int64_t> going;  // places in this step
    std::vector<std::size_t> still_active;
    for (std::size_t i = 0; i < active.size(); ++i) {
      const auto value = [&](int row) { return host[row][static_cast<std::int64_t>(i)].item<double>(); };
      const bool done = note(active[i], value(0), value(1), value(2), bare[i], mean[i],
                             r[static_cast<std::int64_t>(i)], evaluation);
      if (done || evaluation >= options_.max_steps) continue;
      going.push_back(static_cast<std::int64_t>(i));
      still_active.push_back(active[i]);
    }
    progress.update(already_done + static_cast<std::int64_t>(results_.size() - still_active.size()),
                    "step " + std::to_string(evaluation) + ", loss " +
                        std::to_string(loss.total.mean().item<double>()).substr(0, 6));
    if (!going.empty()) {
      const at::Tensor gradient = torch::autograd::grad({loss.total.sum()}, {r})[0];
      const at::Tensor places = index_tensor(going, device);
      adam_->update(index.index_select(0, places), gradient.index_select(0, places));
    }
    active = std::move(still_active);
  }
  for (SearchResult& result : results_) {
    result.finite = result.r.defined() && std::isfinite(result.loss);
    result.came_down =
        result.finite && (result.came_down || result.steps == 0 || result.loss < kFallen * result.first_loss);
    if (!result.finite) result.r = at::zeros({model_.config().d_model}, v0_norms_.options());
  }
  return std::move(results_);
}

// Tokens that a step of this unit runs, at most: from the lookup token on, in every row.
std::int64_t step_tokens(const SearchUnit& unit, const LayerTrace& trace) {
  std::int64_t tokens = 0;
  for (const SearchRow& row : unit.rows)
    tokens += trace.front_length(row.row.front) + static_cast<std::int64_t>(row.row.own.size() - row.lookup);
  return tokens;
}

}  // namespace

std::vector<SearchResult> search_values(const Model& model, const LayerTrace& trace,
                                        const std::vector<SearchUnit>& units, const SearchOptions& options,
                                        Progress& progress) {
  std::vector<SearchResult> results;
  for (std::size_t begin = 0; begin < units.size();) {
    std::size_t end = begin;
    for (std::int64_t tokens = 0; end < units.size(); ++end) {
      tokens += step_tokens(units[end], trace);
      if (end > begin && tokens > options.gradient_tokens) break;
    }
    SearchBatch batch(model, trace, units, begin, end, options);
    for (SearchResult& result : batch.run(progress, static_cast<std::int64_t>(results.size())))
      results.push_back(std::move(result));
    begin = end;
  }
  return results;
}

}  // namespace emend
