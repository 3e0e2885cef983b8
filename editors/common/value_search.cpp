#include "editors/common/value_search.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "editors/common/adam.h"
#include "editors/common/search_step.h"
#include "emend/error.h"
#include "emend/model.h"
#include "model/rows.h"

namespace emend {

namespace {

constexpr double kFallen =
    0.8;  // a search whose best loss stays above this share of its first one has found nothing

constexpr std::int64_t kCpuGradientTokens = 768, kGpuGradientTokens = 6144;
constexpr std::int64_t kFewTokens = 1024;  // a pass over fewer leaves a GPU waiting for its kernels

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
  at::Tensor bare_value_norms(const std::vector<TracedRow>& traced) const;
  void cut_rows(const std::vector<std::int64_t>& first);
  std::vector<std::int64_t> first_moving(const at::Tensor& reached) const;
  void set_up_adam();
  bool starts_early(std::size_t unit) const;
  bool is_likely(const StepLosses& losses, std::size_t place) const;
  void book(std::size_t unit, const StepLosses& losses, std::size_t place, const at::Tensor& r);

  const Model& model_;
  int layer_;
  const std::vector<SearchUnit>& units_;
  std::size_t first_;
  const SearchOptions& options_;
  std::vector<SearchResult> results_;
  std::vector<ActiveRow> rows_;
  KvCache cache_;
  at::Tensor v0_norms_;         // [units, 1]
  std::vector<bool> is_early_;  // the unit runs its early rows
  std::optional<Adam> adam_;
};

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// alpha of every token of a unit's rows [N], given their keys one after another.
at::Tensor unit_alpha(const SearchUnit& unit, const at::Tensor& keys,
                      const std::vector<std::int64_t>& lengths, Objective objective) {
  if (objective == Objective::kWritten) return at::matmul(keys, unit.a);
  std::vector<std::int64_t> lookups;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    lookups.push_back(first + static_cast<std::int64_t>(unit.rows[i].lookup));
    first += lengths[i];
  }
  return at::zeros({keys.size(0)}, keys.options()).index_fill_(0, index_tensor(lookups, keys.device()), 1.0);
}

// Values W k + b at the lookup token of each unit's first bare row, their lengths: [units, 1].
at::Tensor SearchBatch::bare_value_norms(const std::vector<TracedRow>& traced) const {
  const BlockWeights& block = model_.weights().blocks[static_cast<std::size_t>(layer_)];
  std::vector<at::Tensor> keys;
  std::size_t row = 0;
  for (std::size_t u = 0; u < results_.size(); ++u) {
    const std::vector<SearchRow>& rows = units_[first_ + u].rows;
    const auto bare = std::find_if(rows.begin(), rows.end(), [](const SearchRow& r) { return r.bare; });
    keys.push_back(traced[row + static_cast<std::size_t>(bare - rows.begin())].keys.select(
        0, static_cast<std::int64_t>(bare->lookup)));
    row += rows.size();
  }
  const at::Tensor bias = block.mlp_down_bias.defined() ? block.mlp_down_bias.to(at::kFloat) : at::Tensor();
  return at::linear(at::stack(keys), block.mlp_down.to(at::kFloat), bias).norm(2, 1, true);
}

// Where each row's tokens begin to move, no later than its lookup token.
std::vector<std::int64_t> SearchBatch::first_moving(const at::Tensor& reached) const {
  const bool* is_reached = reached.const_data_ptr<bool>();
  std::vector<std::int64_t> first;
  for (const ActiveRow& row : rows_) {
    const std::int64_t length = row.hidden.size(0);
    const auto found =
        static_cast<std::int64_t>(std::find(is_reached, is_reached + length, true) - is_reached);
    first.push_back(std::min(found, static_cast<std::int64_t>(row.source->lookup)));
    is_reached += length;
  }
  return first;
}

// The rows from their first moving tokens on. A small batch on a GPU is bound by the number of kernels, and
// rows of one width need fewest: there every row begins as early as the widest one, and is filled up behind
// its end when it is too short for that. What is added receives nothing of the residual, so the result is the
// same.
void SearchBatch::cut_rows(const std::vector<std::int64_t>& first) {
  std::int64_t width = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) width = std::max(width, rows_[i].hidden.size(0) - first[i]);
  const bool even = v0_norms_.is_cuda() && width * static_cast<std::int64_t>(rows_.size()) <= kFewTokens;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    ActiveRow& row = rows_[i];
    const std::int64_t length = row.hidden.size(0);
    row.begin = even ? std::clamp<std::int64_t>(length - width, 0, first[i]) : first[i];
    const std::int64_t missing = even ? width - (length - row.begin) : 0;
    row.hidden = row.hidden.slice(0, row.begin);
    if (missing > 0) row.hidden = at::cat({row.hidden, row.hidden.slice(0, -1).expand({missing, -1})}, 0);
    row.alpha = at::constant_pad_nd(row.alpha.slice(0, first[i]), {first[i] - row.begin, missing}, 0.0);
  }
}

void SearchBatch::prepare(const LayerTrace& trace, std::size_t end) {
  const c10::NoGradGuard no_grad;
  std::vector<TraceRow> trace_rows;
  for (std::size_t u = first_; u < end; ++u)
    for (const SearchRow& row : units_[u].rows) trace_rows.push_back(row.row);
  const std::vector<TracedRow> traced = trace.trace(trace_rows);
  v0_norms_ = bare_value_norms(traced);

  // Which tokens r can move: |alpha| clamp ||v0|| against the length of the residual stream there.
  std::vector<at::Tensor> hidden, reached;
  std::size_t row = 0;
  for (std::size_t u = 0; u < results_.size(); ++u) {
    const SearchUnit& unit = units_[first_ + u];
    std::vector<at::Tensor> keys, streams;
    std::vector<std::int64_t> lengths;
    for (std::size_t i = 0; i < unit.rows.size(); ++i) {
      keys.push_back(traced[row + i].keys);
      streams.push_back(traced[row + i].hidden);
      lengths.push_back(keys.back().size(0));
    }
    const at::Tensor all_keys = at::cat(keys, 0), before = at::cat(streams, 0);
    const at::Tensor alpha = unit_alpha(unit, all_keys, lengths, options_.objective);
    at::Tensor moved = alpha.abs() * (options_.clamp * v0_norms_[static_cast<std::int64_t>(u)]), h = before;
    if (unit.others_a.defined()) {
      const at::Tensor others = at::matmul(all_keys, unit.others_a.t());  // [N, n]
      moved = at::maximum(moved, at::matmul(others.abs(), unit.others_r.norm(2, 1)));
      h = h + at::matmul(others, unit.others_r);
    }
    reached.push_back(moved / before.norm(2, 1) >= options_.reach);
    const auto hidden_rows = h.split_with_sizes(lengths, 0), alpha_rows = alpha.split_with_sizes(lengths, 0);
    for (std::size_t i = 0; i < unit.rows.size(); ++i)
      rows_.push_back({u, &unit.rows[i], 0, hidden_rows[i], alpha_rows[i], {}});
    hidden.insert(hidden.end(), hidden_rows.begin(), hidden_rows.end());
    row += unit.rows.size();
  }

  cut_rows(first_moving(at::cat(reached, 0).cpu()));
  std::vector<std::int64_t> begins;
  for (const ActiveRow& active : rows_) begins.push_back(active.begin);
  cache_ = trace.upper_cache(trace_rows, hidden, begins);
  set_up_adam();
}

void SearchBatch::set_up_adam() {
  const double root = std::sqrt(static_cast<double>(model_.config().d_model));
  const at::Tensor norms = v0_norms_.to(at::kDouble).cpu();
  std::vector<at::Tensor> starts;
  for (std::size_t u = 0; u < results_.size(); ++u) {
    const at::Tensor& start = units_[first_ + u].start;
    starts.push_back(start.defined() ? start.to(v0_norms_.device())
                                     : at::zeros({model_.config().d_model}, v0_norms_.options()));
    results_[u].v0_norm = norms.const_data_ptr<double>()[u];
  }
  const at::Tensor step = options_.absolute_step > 0 ? at::full_like(v0_norms_, options_.absolute_step)
                                                     : v0_norms_ * (options_.step / root);
  adam_.emplace(at::stack(starts), step, v0_norms_ * options_.clamp);
}

// A search from nothing has a way to go before the rows disagree.
bool SearchBatch::starts_early(std::size_t unit) const {
  const SearchUnit& searched = units_[first_ + unit];
  return !searched.start.defined() && options_.max_steps > 0 &&
         std::any_of(searched.rows.begin(), searched.rows.end(),
                     [](const SearchRow& row) { return row.early_weight > 0; });
}

bool SearchBatch::is_likely(const StepLosses& losses, std::size_t place) const {
  if (options_.stop_loss > 0) return losses.total[place] < options_.stop_loss;
  return losses.bare[place] > options_.stop_probability && losses.mean[place] > options_.stop_probability;
}

// Takes an evaluation of all rows of a unit over, if it is the one to keep.
void SearchBatch::book(std::size_t unit, const StepLosses& losses, std::size_t place, const at::Tensor& r) {
  const double loss = losses.total[place];
  SearchResult& result = results_[unit];
  const bool better = result.losses.empty() || !std::isfinite(result.loss) || loss < result.loss;
  result.losses.push_back(loss);
  result.came_down = result.came_down || is_likely(losses, place);
  if (!std::isfinite(loss) || (!better && options_.keep_best)) return;
  result.r = r.detach().clone();
  result.loss = loss;
  result.nll = losses.nll[place];
  result.kl = losses.kl[place];
  result.bare_probability = losses.bare[place];
  result.mean_probability = losses.mean[place];
}

std::vector<SearchResult> SearchBatch::run(Progress& progress, std::int64_t already_done) {
  std::vector<std::size_t> active(results_.size());
  std::iota(active.begin(), active.end(), std::size_t{0});
  is_early_.resize(results_.size());
  for (std::size_t u = 0; u < results_.size(); ++u) is_early_[u] = starts_early(u);
  const auto step_of = [&] {
    return SearchStep(model_, layer_, cache_, rows_, active, is_early_, v0_norms_, options_);
  };
  // The distributions before the edit, for the drift term. A search that begins at 0 sees them in its first
  // evaluation.
  if (adam_->values().any().item<bool>()) step_of().evaluate(at::zeros_like(adam_->values()), false);
  std::optional<SearchStep> step(step_of());
  for (int evaluation = 0; !active.empty(); ++evaluation) {
    const auto is_last = [&](std::size_t unit) { return results_[unit].steps >= options_.max_steps; };
    const at::Tensor index = index_tensor({active.begin(), active.end()}, v0_norms_.device());
    const at::Tensor r = adam_->values().index_select(0, index);
    const StepLosses losses = step->evaluate(r, !std::all_of(active.begin(), active.end(), is_last));
    std::vector<std::int64_t> going;  // places in this step that follow their gradient
    std::vector<std::size_t> still_active;
    bool rows_change = false;
    for (std::size_t i = 0; i < active.size(); ++i) {
      const std::size_t unit = active[i];
      SearchResult& result = results_[unit];
      const double loss = losses.total[i];
      if (evaluation == 0) result.first_loss = loss;
      const bool is_early = is_early_[unit], likely = is_likely(losses, i);
      if (!is_early) book(unit, losses, i, r[static_cast<std::int64_t>(i)]);
      // From where there is no number, no step leads on.
      const bool done = !std::isfinite(loss) || (!is_early && (likely || is_last(unit)));
      rows_change = rows_change || done;
      if (done) continue;
      still_active.push_back(unit);
      if (is_early && (likely || result.steps >= options_.max_steps / 2)) {
        is_early_[unit] = false;  // the same r again, on all rows
        rows_change = true;
        continue;
      }
      going.push_back(static_cast<std::int64_t>(i));
      ++result.steps;
      result.early_steps += is_early ? 1 : 0;
    }
    progress.update(
        already_done + static_cast<std::int64_t>(results_.size() - still_active.size()),
        "step " + std::to_string(evaluation) + ", loss " + std::to_string(mean(losses.total)).substr(0, 6));
    if (!going.empty()) {
      const at::Tensor places = index_tensor(going, v0_norms_.device());
      adam_->update(index.index_select(0, places), step->gradient(r).index_select(0, places));
    }
    if (!rows_change) continue;
    active = std::move(still_active);
    if (!active.empty()) step.emplace(step_of());
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
  std::int64_t most_tokens = options.gradient_tokens;
  if (most_tokens == 0)
    most_tokens = model.options().device().is_cuda() ? kGpuGradientTokens : kCpuGradientTokens;
  std::vector<SearchResult> results;
  for (std::size_t begin = 0; begin < units.size();) {
    std::size_t end = begin;
    for (std::int64_t tokens = 0; end < units.size(); ++end) {
      tokens += step_tokens(units[end], trace);
      if (end > begin && tokens > most_tokens) break;
    }
    SearchBatch batch(model, trace, units, begin, end, options);
    for (SearchResult& result : batch.run(progress, static_cast<std::int64_t>(results.size())))
      results.push_back(std::move(result));
    begin = end;
  }
  return results;
}

}  // namespace emend
