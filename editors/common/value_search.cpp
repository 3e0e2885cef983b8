#include "editors/common/value_search.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "editors/common/adam.h"
#include "editors/common/descent.h"
#include "editors/common/lbfgs.h"
#include "editors/common/search_batches.h"
#include "editors/common/search_record.h"
#include "editors/common/search_rows.h"
#include "editors/common/search_step.h"
#include "editors/common/shared_search.h"
#include "model/rows.h"

namespace emend::editors {

namespace {

// A search whose best loss stays above this share of its first one has found nothing.
constexpr double kFallen = 0.8;

// Tokens that the steps took for still may be moved by this share of their stream's length before the loss is
// measured once more without that: on random models of every family 0.01 nats are kept by it.
constexpr double kOverlooked = 0.01;

// The units of one batch on their way.
class SearchBatch {
 public:
  SearchBatch(const Model& model, const LayerTrace& trace, std::span<const SearchUnit> units,
              const SearchOptions& options);

  // `already_done` values were found before, of `values` in all.
  std::vector<SearchResult> run(Progress& progress, std::int64_t already_done, std::size_t values);

  // The units whose residual moves a token that the steps took for still by more than kOverlooked.
  std::vector<std::size_t> inexact(const std::vector<SearchResult>& results) const;

  // What the drift rows of these units said before the edit, in order, once a run is over. A batch of the
  // same units may begin with it.
  std::vector<at::Tensor> initial_of(const std::vector<std::size_t>& which) const;
  void begin_with(const std::vector<at::Tensor>& initial);

 private:
  std::int64_t clock(const std::vector<std::size_t>& still_active) const;

  // What follows an evaluation: a step along its gradient, the same r again on all rows, or the end.
  enum class Next { kStep, kAllRows, kEnd };
  // What follows for all units of a step.
  struct Onward {
    std::vector<std::int64_t> going;        // places in the step that follow their gradient
    std::vector<std::int64_t> changing;     // units whose next evaluation is the first on all rows
    std::vector<std::size_t> still_active;  // units
    bool rows_change = false;
  };

  void set_up_descent();
  bool starts_early(std::size_t unit) const;
  void see_initial_distributions();
  bool all_at_last_step() const;
  Onward take(const StepLosses& losses, const at::Tensor& r, bool is_first);
  bool is_likely(const StepLosses& losses, std::size_t place) const;
  void book(std::size_t unit, const StepLosses& losses, std::size_t place, const at::Tensor& r);
  Next next_of(std::size_t unit, const StepLosses& losses, std::size_t place) const;
  void settle(SearchResult& result, double early_fall) const;

  const Model& model_;
  std::span<const SearchUnit> units_;
  const SearchOptions& options_;
  std::vector<SearchResult> results_;
  SearchRows prepared_;
  ActiveUnits active_;              // those that still search
  std::vector<double> early_fall_;  // what the early steps left of the loss on their rows, as a share
  std::unique_ptr<Descent> descent_;
};

// From `start` [U, D] on, in units of v0_norms [U, 1].
std::unique_ptr<Descent> make_descent(const at::Tensor& start, const at::Tensor& v0_norms,
                                      const SearchOptions& options) {
  const at::Tensor clamp = v0_norms * options.clamp;
  if (options.method == SearchMethod::kLbfgs)
    return std::make_unique<Lbfgs>(
        start, LbfgsBounds{v0_norms * options.radius, clamp, options.growth, stopping_probability(options)});
  const double root = std::sqrt(static_cast<double>(start.size(1)));
  const at::Tensor step = options.absolute_step > 0 ? at::full_like(v0_norms, options.absolute_step)
                                                    : v0_norms * (options.step / root);
  return std::make_unique<Adam>(start, step, clamp);
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

SearchBatch::SearchBatch(const Model& model, const LayerTrace& trace, std::span<const SearchUnit> units,
                         const SearchOptions& options)
    : model_(model),
      units_(units),
      options_(options),
      results_(units.size()),
      prepared_(prepare_rows(model, trace, units, options)),
      early_fall_(units.size(), 1) {
  set_up_descent();
  for (std::size_t u = 0; u < units.size(); ++u) {
    active_.places.push_back(u);
    active_.is_early.push_back(starts_early(u));
  }
}

void SearchBatch::set_up_descent() {
  const at::Tensor norms = prepared_.v0_norms.to(at::kDouble).cpu();
  std::vector<at::Tensor> starts;
  for (std::size_t u = 0; u < results_.size(); ++u) {
    const at::Tensor& start = units_[u].start;
    starts.push_back(start.defined() ? start.to(prepared_.v0_norms.device())
                                     : at::zeros({model_.config().d_model}, prepared_.v0_norms.options()));
    results_[u].v0_norm = norms.const_data_ptr<double>()[u];
  }
  descent_ = make_descent(at::stack(starts), prepared_.v0_norms, options_);
}

// A search from nothing has a way to go before the rows disagree.
bool SearchBatch::starts_early(std::size_t unit) const {
  const SearchUnit& searched = units_[unit];
  return !searched.start.defined() && options_.max_steps > 0 &&
         std::any_of(searched.rows.begin(), searched.rows.end(),
                     [](const SearchRow& row) { return row.early_weight > 0; });
}

// The distributions before the edit, for the drift term, if nobody knows them. A search that begins at 0 sees
// them in its first evaluation.
void SearchBatch::see_initial_distributions() {
  const bool known = std::ranges::all_of(
      prepared_.rows, [](const ActiveRow& row) { return !row.source->drift || row.initial.defined(); });
  if (known || !descent_->values().any().item<bool>()) return;
  ActiveUnits drifting = active_;
  drifting.drift_alone = true;
  SearchStep(model_, prepared_, drifting, options_).see_initial();
}

bool SearchBatch::all_at_last_step() const {
  return std::all_of(active_.places.begin(), active_.places.end(),
                     [&](std::size_t unit) { return results_[unit].steps >= options_.max_steps; });
}

bool SearchBatch::is_likely(const StepLosses& losses, std::size_t place) const {
  if (options_.stop_loss > 0) return losses.total[place] < options_.stop_loss;
  const bool ends =
      losses.bare_end[place] > options_.end_probability && losses.mean_end[place] > options_.end_probability;
  return losses.bare[place] > options_.stop_probability && losses.mean[place] > options_.stop_probability &&
         (options_.ends.empty() || ends);
}

// Takes an evaluation of all rows of a unit over, if it is the one to keep.
void SearchBatch::book(std::size_t unit, const StepLosses& losses, std::size_t place, const at::Tensor& r) {
  const double loss = losses.total[place];
  SearchResult& result = results_[unit];
  const bool better = result.losses.empty() || !std::isfinite(result.loss) || loss < result.loss;
  result.losses.push_back(loss);
  result.converged = result.converged || is_likely(losses, place);
  // An evaluation that L-BFGS rejects is no iterate: of those that are, the last is the best.
  const bool best_alone = options_.keep_best || options_.method == SearchMethod::kLbfgs;
  if (!std::isfinite(loss) || (!better && best_alone)) return;
  result.r = r.detach().clone();
  result.loss = loss;
  result.nll = losses.nll[place];
  result.kl = losses.kl[place];
  result.bare_probability = losses.bare[place];
  result.mean_probability = losses.mean[place];
  result.end_probability = std::min(losses.bare_end[place], losses.mean_end[place]);
}

// What the search of a unit came to. Only losses of the same rows are compared: the falls of the early steps
// and of the others are taken together.
void SearchBatch::settle(SearchResult& result, double early_fall) const {
  result.finite = result.r.defined() && std::isfinite(result.loss);
  const bool fell = result.finite && early_fall * result.loss < kFallen * result.losses.front();
  result.converged = result.finite && (result.converged || result.steps == 0 || fell);
  if (!result.finite) result.r = at::zeros({model_.config().d_model}, prepared_.v0_norms.options());
}

SearchBatch::Next SearchBatch::next_of(std::size_t unit, const StepLosses& losses, std::size_t place) const {
  if (!std::isfinite(losses.total[place])) return Next::kEnd;  // from no number, no step leads on
  const int steps = results_[unit].steps;
  const bool likely = is_likely(losses, place);
  if (active_.is_early[unit]) return likely || steps >= options_.max_steps / 2 ? Next::kAllRows : Next::kStep;
  return likely || steps >= options_.max_steps ? Next::kEnd : Next::kStep;
}

// Books an evaluation at r [active units, D] and says what follows for each unit.
SearchBatch::Onward SearchBatch::take(const StepLosses& losses, const at::Tensor& r, bool is_first) {
  Onward onward;
  for (std::size_t i = 0; i < active_.places.size(); ++i) {
    const std::size_t unit = active_.places[i];
    SearchResult& result = results_[unit];
    if (is_first) result.first_loss = losses.total[i];
    const bool early = active_.is_early[unit];
    if (!early) book(unit, losses, i, r[static_cast<std::int64_t>(i)]);
    const Next next = next_of(unit, losses, i);
    if (next != Next::kEnd) onward.still_active.push_back(unit);
    if (next == Next::kStep) {
      onward.going.push_back(static_cast<std::int64_t>(i));
      ++result.steps;
      result.early_steps += early ? 1 : 0;
    } else {
      if (early) early_fall_[unit] = losses.total[i] / result.first_loss;
      if (next == Next::kAllRows) onward.changing.push_back(static_cast<std::int64_t>(unit));
      active_.is_early[unit] = false;
      onward.rows_change = true;
    }
  }
  return onward;
}

// Steps taken, where a unit that has ended counts as one that took all of them: what is left is at most the
// rest.
std::int64_t SearchBatch::clock(const std::vector<std::size_t>& still_active) const {
  const std::int64_t each = steps_at_most(options_);
  auto steps = static_cast<std::int64_t>(results_.size() - still_active.size()) * each;
  for (const std::size_t unit : still_active) steps += std::min<std::int64_t>(results_[unit].steps, each);
  return steps;
}

std::vector<SearchResult> SearchBatch::run(Progress& progress, std::int64_t already_done,
                                           std::size_t values) {
  see_initial_distributions();
  std::optional<SearchStep> step(std::in_place, model_, prepared_, active_, options_);
  for (int evaluation = 0; !active_.places.empty(); ++evaluation) {
    const at::Device device = prepared_.v0_norms.device();
    const at::Tensor index = index_tensor({active_.places.begin(), active_.places.end()}, device);
    const at::Tensor r = descent_->values().index_select(0, index);
    const StepLosses losses = step->evaluate(r, !all_at_last_step());
    Onward onward = take(losses, r, evaluation == 0);
    const auto found = already_done + static_cast<std::int64_t>(results_.size() - onward.still_active.size());
    progress.update(already_done * steps_at_most(options_) + clock(onward.still_active),
                    fmt::format("{} of {} values, loss {}", found, values,
                                fmt::format("{:f}", mean(losses.total)).substr(0, 6)));
    if (!onward.going.empty()) {
      const at::Tensor places = index_tensor(onward.going, device);
      const at::Tensor total = at::tensor(losses.total, at::kDouble).unsqueeze(1).to(device);
      descent_->update(index.index_select(0, places), total.index_select(0, places),
                       step->gradient(r).index_select(0, places));
    }
    if (!onward.changing.empty()) descent_->change_loss(index_tensor(onward.changing, device));
    if (!onward.rows_change) continue;
    active_.places = std::move(onward.still_active);
    if (!active_.places.empty()) step.emplace(model_, prepared_, active_, options_);
  }
  for (std::size_t u = 0; u < results_.size(); ++u) settle(results_[u], early_fall_[u]);
  return std::move(results_);
}

std::vector<std::size_t> SearchBatch::inexact(const std::vector<SearchResult>& results) const {
  std::vector<double> of_the_longest(results.size(), 0);
  for (const ActiveRow& row : prepared_.rows)
    of_the_longest[row.unit] = std::max(of_the_longest[row.unit], row.overlooked);
  std::vector<std::size_t> units;
  for (std::size_t u = 0; u < results.size(); ++u) {
    const double longest = options_.clamp * results[u].v0_norm;
    if (results[u].finite && of_the_longest[u] * results[u].r.norm().item<double>() > kOverlooked * longest)
      units.push_back(u);
  }
  return units;
}

// Beside held edits nothing is given: they move tokens as well that the steps took for still.
std::vector<at::Tensor> SearchBatch::initial_of(const std::vector<std::size_t>& which) const {
  std::vector<at::Tensor> initial;
  for (const ActiveRow& row : prepared_.rows) {
    if (!row.source->drift || std::ranges::find(which, row.unit) == which.end()) continue;
    if (units_[row.unit].held.a.defined()) return {};
    initial.push_back(row.initial);
  }
  return initial;
}

void SearchBatch::begin_with(const std::vector<at::Tensor>& initial) {
  auto next = initial.begin();
  for (ActiveRow& row : prepared_.rows)
    if (row.source->drift && next != initial.end()) row.initial = *next++;
}

// Losses once more with every token moved, for the results whose steps overlooked too much: what is reported
// is the loss of the model as it is written. `initial`: what the drift rows of these units said before, if
// that is known.
void measure_whole(const Model& model, const LayerTrace& trace, std::span<const SearchUnit> units,
                   const std::vector<std::size_t>& which, const std::vector<at::Tensor>& initial,
                   const SearchOptions& options, std::span<SearchResult> results) {
  if (which.empty()) return;
  SearchOptions whole = options;
  whole.reach = 0;
  whole.max_steps = 0;
  std::vector<SearchUnit> held_still;
  for (const std::size_t u : which) {
    held_still.push_back(units[u]);
    held_still.back().start = results[u].r;
  }
  SilentProgress silent;
  SearchBatch batch(model, trace, held_still, whole);
  batch.begin_with(initial);
  const std::vector<SearchResult> measured = batch.run(silent, 0, held_still.size());
  for (std::size_t i = 0; i < which.size(); ++i)
    if (measured[i].finite) results[which[i]].take_losses(measured[i]);
}

// Tokens that a step of this unit runs, at most: from the lookup token on, in every row.
std::int64_t step_tokens(const SearchUnit& unit, const LayerTrace& trace) {
  std::int64_t tokens = 0;
  for (const SearchRow& row : unit.rows)
    tokens += trace.front_length(row.row.front) + static_cast<std::int64_t>(row.row.own.size() - row.lookup);
  return tokens;
}

// The results that need no search, from the first on. They end where a batch ended, so that the others share
// batches as they would have.
std::vector<SearchResult> taken_from(SearchJournal* journal, std::size_t units, const at::Device& device,
                                     const SearchOptions& options, Progress& progress) {
  if (journal == nullptr) return {};
  std::vector<SearchResult> taken = unpack_results(journal->begin(static_cast<std::int64_t>(units)), device);
  if (!taken.empty())
    progress.update(static_cast<std::int64_t>(taken.size()) * steps_at_most(options),
                    fmt::format("{} of {} values taken from the run before", taken.size(), units));
  return taken;
}

// The values of units [begin, end), searched together.
std::vector<SearchResult> search_portion(const Model& model, const LayerTrace& trace,
                                         const std::vector<SearchUnit>& units, std::size_t begin,
                                         std::size_t end, const SearchOptions& options,
                                         const WillChange& will_change, Progress& progress) {
  const auto portion = std::span(units).subspan(begin, end - begin);
  std::vector<SearchResult> found;
  std::vector<std::size_t> inexact;
  std::vector<at::Tensor> initial;
  {
    SearchBatch batch(model, trace, portion, options);
    found = batch.run(progress, static_cast<std::int64_t>(begin), units.size());
    inexact = batch.inexact(found);
    if (will_change) std::erase_if(inexact, [&](std::size_t u) { return will_change(begin + u, found[u]); });
    initial = batch.initial_of(inexact);
  }
  measure_whole(model, trace, portion, inexact, initial, options, found);
  return found;
}

}  // namespace

double stopping_probability(const SearchOptions& options) {
  return std::min(options.stop_loss > 0 ? std::exp(-options.stop_loss) : options.stop_probability, 1 - 1e-6);
}

std::int64_t steps_at_most(const SearchOptions& options) {
  return std::max(options.max_steps, 1);
}

std::vector<SearchResult> search_values(const Model& model, const LayerTrace& trace,
                                        const std::vector<SearchUnit>& units, const SearchOptions& options,
                                        Progress& progress, SearchJournal* journal, ShardGroup* group,
                                        const WillChange& will_change) {
  const std::int64_t most_tokens = most_search_tokens(options, model);
  const at::Device device = model.options().device();
  std::vector<std::int64_t> tokens;
  for (const SearchUnit& unit : units) tokens.push_back(step_tokens(unit, trace));
  if (group != nullptr) require_same_search(units, trace, most_tokens, *group);
  std::vector<SearchResult> results = taken_from(journal, units.size(), device, options, progress);
  if (group != nullptr) results = shared_with_all(results, *group, device);
  const std::size_t rank = group != nullptr ? static_cast<std::size_t>(group->rank()) : 0,
                    processes = group != nullptr ? static_cast<std::size_t>(group->size()) : 1;
  while (results.size() < units.size()) {
    std::vector<std::size_t> cuts{results.size()};  // between the batches of all processes
    while (cuts.size() <= processes && cuts.back() < units.size())
      cuts.push_back(search_batch_end(tokens, cuts.back(), most_tokens));
    std::vector<SearchResult> found;
    if (rank + 1 < cuts.size())
      found = search_portion(model, trace, units, cuts[rank], cuts[rank + 1], options, will_change, progress);
    if (group != nullptr) found = shared_with_all(found, *group, device);
    if (found.size() != cuts.back() - cuts.front())
      throw Error(ErrorKind::kConfig,
                  fmt::format("the processes found {} values of {}: they do not search the same facts",
                              found.size(), cuts.back() - cuts.front()));
    if (journal != nullptr) journal->add(pack_results(found));
    results.insert(results.end(), std::make_move_iterator(found.begin()),
                   std::make_move_iterator(found.end()));
  }
  return results;
}

}  // namespace emend::editors
