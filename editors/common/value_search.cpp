#include "editors/common/value_search.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>

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

// The units of one batch on their way.
class SearchBatch {
 public:
  SearchBatch(const Model& model, const LayerTrace& trace, std::span<const SearchUnit> units,
              const SearchOptions& options)
      : model_(model),
        layer_(trace.layer()),
        units_(units),
        options_(options),
        results_(units.size()),
        prepared_(prepare_rows(model, trace, units, options)) {
    set_up_adam();
  }

  std::vector<SearchResult> run(Progress& progress, std::int64_t already_done);

 private:
  void set_up_adam();
  bool starts_early(std::size_t unit) const;
  bool is_likely(const StepLosses& losses, std::size_t place) const;
  void book(std::size_t unit, const StepLosses& losses, std::size_t place, const at::Tensor& r);
  // What follows an evaluation: a step along its gradient, the same r again on all rows, or the end.
  enum class Next { kStep, kAllRows, kEnd };
  Next next_of(std::size_t unit, const StepLosses& losses, std::size_t place) const;
  void settle(SearchResult& result, double early_fall) const;

  const Model& model_;
  int layer_;
  std::span<const SearchUnit> units_;
  const SearchOptions& options_;
  std::vector<SearchResult> results_;
  SearchRows prepared_;
  std::vector<bool> is_early_;      // the unit runs its early rows
  std::vector<double> early_fall_;  // what the early steps left of the loss on their rows, as a share
  std::optional<Adam> adam_;
};

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void SearchBatch::set_up_adam() {
  const double root = std::sqrt(static_cast<double>(model_.config().d_model));
  const at::Tensor norms = prepared_.v0_norms.to(at::kDouble).cpu();
  std::vector<at::Tensor> starts;
  for (std::size_t u = 0; u < results_.size(); ++u) {
    const at::Tensor& start = units_[u].start;
    starts.push_back(start.defined() ? start.to(prepared_.v0_norms.device())
                                     : at::zeros({model_.config().d_model}, prepared_.v0_norms.options()));
    results_[u].v0_norm = norms.const_data_ptr<double>()[u];
  }
  const at::Tensor step = options_.absolute_step > 0
                              ? at::full_like(prepared_.v0_norms, options_.absolute_step)
                              : prepared_.v0_norms * (options_.step / root);
  adam_.emplace(at::stack(starts), step, prepared_.v0_norms * options_.clamp);
}

// A search from nothing has a way to go before the rows disagree.
bool SearchBatch::starts_early(std::size_t unit) const {
  const SearchUnit& searched = units_[unit];
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

// What the search of a unit came to. Only losses of the same rows are compared: the falls of the early steps
// and of the others are taken together.
void SearchBatch::settle(SearchResult& result, double early_fall) const {
  result.finite = result.r.defined() && std::isfinite(result.loss);
  const bool fell = result.finite && early_fall * result.loss < kFallen * result.losses.front();
  result.came_down = result.finite && (result.came_down || result.steps == 0 || fell);
  if (!result.finite) result.r = at::zeros({model_.config().d_model}, prepared_.v0_norms.options());
}

SearchBatch::Next SearchBatch::next_of(std::size_t unit, const StepLosses& losses, std::size_t place) const {
  if (!std::isfinite(losses.total[place])) return Next::kEnd;  // from no number, no step leads on
  const int steps = results_[unit].steps;
  const bool likely = is_likely(losses, place);
  if (is_early_[unit]) return likely || steps >= options_.max_steps / 2 ? Next::kAllRows : Next::kStep;
  return likely || steps >= options_.max_steps ? Next::kEnd : Next::kStep;
}

std::vector<SearchResult> SearchBatch::run(Progress& progress, std::int64_t already_done) {
  std::vector<std::size_t> active(results_.size());
  std::iota(active.begin(), active.end(), std::size_t{0});
  is_early_.resize(results_.size());
  early_fall_.resize(results_.size(), 1);
  for (std::size_t u = 0; u < results_.size(); ++u) is_early_[u] = starts_early(u);
  const auto step_of = [&] {
    return SearchStep(model_, layer_, prepared_.cache, prepared_.rows, active, is_early_, prepared_.v0_norms,
                      options_);
  };
  // The distributions before the edit, for the drift term. A search that begins at 0 sees them in its first
  // evaluation.
  if (adam_->values().any().item<bool>()) step_of().evaluate(at::zeros_like(adam_->values()), false);
  std::optional<SearchStep> step(step_of());
  for (int evaluation = 0; !active.empty(); ++evaluation) {
    const auto is_last = [&](std::size_t unit) { return results_[unit].steps >= options_.max_steps; };
    const at::Tensor index = index_tensor({active.begin(), active.end()}, prepared_.v0_norms.device());
    const at::Tensor r = adam_->values().index_select(0, index);
    const StepLosses losses = step->evaluate(r, !std::all_of(active.begin(), active.end(), is_last));
    std::vector<std::int64_t> going;  // places in this step that follow their gradient
    std::vector<std::size_t> still_active;
    bool rows_change = false;
    for (std::size_t i = 0; i < active.size(); ++i) {
      const std::size_t unit = active[i];
      SearchResult& result = results_[unit];
      if (evaluation == 0) result.first_loss = losses.total[i];
      if (!is_early_[unit]) book(unit, losses, i, r[static_cast<std::int64_t>(i)]);
      const Next next = next_of(unit, losses, i);
      if (next != Next::kEnd) still_active.push_back(unit);
      if (next == Next::kStep) {
        going.push_back(static_cast<std::int64_t>(i));
        ++result.steps;
        result.early_steps += is_early_[unit] ? 1 : 0;
      } else {
        if (is_early_[unit]) early_fall_[unit] = losses.total[i] / result.first_loss;
        is_early_[unit] = false;
        rows_change = true;
      }
    }
    progress.update(
        already_done + static_cast<std::int64_t>(results_.size() - still_active.size()),
        "step " + std::to_string(evaluation) + ", loss " + std::to_string(mean(losses.total)).substr(0, 6));
    if (!going.empty()) {
      const at::Tensor places = index_tensor(going, prepared_.v0_norms.device());
      adam_->update(index.index_select(0, places), step->gradient(r).index_select(0, places));
    }
    if (!rows_change) continue;
    active = std::move(still_active);
    if (!active.empty()) step.emplace(step_of());
  }
  for (std::size_t u = 0; u < results_.size(); ++u) settle(results_[u], early_fall_[u]);
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
    SearchBatch batch(model, trace, std::span(units).subspan(begin, end - begin), options);
    for (SearchResult& result : batch.run(progress, static_cast<std::int64_t>(results.size())))
      results.push_back(std::move(result));
    begin = end;
  }
  return results;
}

}  // namespace emend
