#include "editors/bulk/run.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/read_notes.h"
#include "editors/bulk/values.h"
#include "editors/common/context_rows.h"
#include "editors/common/edit_parts.h"
#include "editors/common/metric.h"
#include "emend/error.h"
#include "model/value_path.h"
#include "model/weight_change.h"

namespace emend::editors {

namespace {

// What layers add to a stream behind a norm or a multiplier does not add up: a share of it is no share of the
// value.
void require_direct_paths(const Model& model, const std::vector<int>& layers, const std::string& method) {
  if (layers.size() < 2) return;
  for (const int layer : layers)
    if (!ValuePath(model, layer).is_direct())
      throw Error(
          ErrorKind::kConfig,
          fmt::format("{}: block {} of this model puts a norm or a multiplier behind its MLP, where a "
                      "value cannot be shared by several layers; give one layer, or `values: last`",
                      method, layer));
}

std::vector<TokenIds> chosen_contexts(const Model& model, const EditorContext& context,
                                      const BulkOptions& options) {
  std::vector<TokenIds> all = contexts_of(model, context, options.contexts);
  if (options.short_contexts) return all;
  return {all.begin() + options.contexts, all.end()};  // the short ones come first
}

// The weight without the change that is on it, in its dtype.
at::Tensor untouched(const Model& model, const WeightRef& weight, const Edit* earlier) {
  const at::Tensor now = model.weight(weight);
  const WeightChange* const change = earlier == nullptr ? nullptr : earlier->change_of(weight);
  if (change == nullptr) return now;
  const at::Tensor wide = now.to(at::kFloat);
  return (wide - change->delta(wide.options())).to(now.scalar_type());
}

// The change of an earlier edit is that of the carried facts where these are all that it wrote.
WeightChange known_change(const BulkCall& call, const CarriedFacts& carried, const WeightRef& weight) {
  const bool is_theirs = call.earlier() != nullptr && !carried.stale_removed;
  const WeightChange* const change = is_theirs ? call.earlier()->change_of(weight) : nullptr;
  return change == nullptr ? WeightChange{} : *change;
}

std::vector<LayerSystem> make_systems(const BulkCall& call, const CarriedFacts& carried) {
  std::vector<LayerSystem> systems;
  for (const Preserve& preserve : call.preserve) {
    const WeightRef weight = preserve.record(1).weight;
    systems.emplace_back(preserve, untouched(call.model, weight, call.earlier()),
                         carried_groups(carried.facts, weight), known_change(call, carried, weight));
  }
  return systems;
}

std::vector<at::Tensor> untouched_weights(const std::vector<LayerSystem>& systems) {
  std::vector<at::Tensor> weights;
  for (const LayerSystem& system : systems) weights.push_back(system.untouched());
  return weights;
}

bool has_moved(const std::vector<SearchResult>& results) {
  return std::any_of(results.begin(), results.end(), [](const auto& result) { return result.steps > 0; });
}

std::vector<EditRequest> joined(std::vector<EditRequest> requests, const std::vector<EditRequest>& more) {
  requests.insert(requests.end(), more.begin(), more.end());
  return requests;
}

}  // namespace

BulkCall::BulkCall(const Model& its_model, const EditorContext& its_context, const BulkOptions& its_options,
                   const std::string& its_method)
    : model(its_model),
      context(its_context),
      options(its_options),
      method(its_method),
      layers(written_layers(its_context, its_options)) {
  for (const int layer : layers) require_layer(model, layer);
  require_direct_paths(model, layers, method);
  for (const int layer : layers) preserve.emplace_back(model, context, layer, options, method);
  require_carriable(earlier(), preserve, method);
  // A key is read behind the same texts as before.
  const bool known = reads_anew() && earlier() != nullptr && !earlier()->context_ids.empty();
  contexts = known ? earlier()->context_ids : chosen_contexts(model, context, options);
}

BulkRun::BulkRun(const BulkCall& call, const std::vector<EditRequest>& requests, CarriedFacts carried,
                 Grouping grouping)
    : call_(call),
      requests_(joined(requests, carried.again)),
      own_requests_(requests.size()),
      carried_(std::move(carried)),
      grouping_(grouping),
      model_(call.model.share()),
      rows_(model_.tokenizer(), requests_, {call.context.prefix, call.context.form}, call.contexts),
      systems_(make_systems(call, carried_)),
      filter_({}, {}, {}) {
  const c10::NoGradGuard no_grad;
  if (carried_.stale_removed)
    for (std::size_t place = 0; place < systems_.size(); ++place) {
      systems_[place].solve();
      lay(place);
    }
  const LayerTrace trace(model_, call_.layers, rows_.fronts(), call_.context.token_budget);
  groups_ = group_requests(rows_, trace, grouping_);
  require_no_contradiction(groups_, rows_, requests_);
  std::ranges::transform(groups_, std::back_inserter(sound_), has_finite_keys);
  require_keys(trace);
  for (std::size_t i = 0; i < requests_.size(); ++i)
    if (rows_.lies_at_sink(i) && rows_.contexts().empty())
      throw Error(ErrorKind::kConfig,
                  fmt::format("edit {}: the subject is one token at position 0 with nothing in front, where "
                              "the model keeps no fact; give a BOS (option bos) or context rows (option "
                              "contexts)",
                              requests_[i].id));
  if (call_.reads_anew())
    held_.emplace(model_, carried_.facts, rows_.form(), rows_.contexts(), call_.reading());
  if (held_ && held_->groups().empty()) held_.reset();
  if (held_) {
    take_off();
    if (searches_carried()) longest_ = longest_carried();
  }
  if (call_.options.filter == FilterStage::kNone) return;
  // The unedited model's streams are the measure of the anchor.
  Model clean = model_.share();
  for (const LayerSystem& system : systems_) clean.exchange_weight(system.weight(), system.untouched());
  filter_ =
      Filter(call_.options, untouched_weights(systems_),
             seen_at_lookup(clean, rows_, groups_, {call_.layers.back()}, call_.context.token_budget)[0]);
}

void BulkRun::require_keys(const LayerTrace& trace) const {
  const std::vector<at::Tensor> sinks =
      call_.options.protect_sink ? sink_keys(rows_, trace) : std::vector<at::Tensor>(call_.layers.size());
  std::vector<KeyGroup> sound;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    if (sound_[g]) sound.push_back(groups_[g]);
  require_finite_keys(call_.context.keep_going ? sound : groups_, sinks, call_.layers, requests_);
}

void BulkRun::take_off() {
  for (const LayerSystem& system : systems_) model_.exchange_weight(system.weight(), system.untouched());
}

void BulkRun::lay(std::size_t place) {
  model_.exchange_weight(systems_[place].weight(), systems_[place].changed());
}

// Of the groups that are written.
std::vector<KeyConstraint> BulkRun::constraints_at(int layer) const {
  const std::vector<KeyConstraint> all = read_constraints(model_, layer, rows_, grouping_, call_.reading());
  std::vector<KeyConstraint> constraints;
  for (const std::size_t g : written_) constraints.push_back(all[g]);
  return constraints;
}

at::Tensor BulkRun::residuals_of_written(const at::Tensor& wanted) const {
  std::vector<at::Tensor> rows;
  for (const std::size_t g : written_) rows.push_back(wanted[static_cast<std::int64_t>(g)]);
  return at::stack(rows);
}

std::vector<SearchResult> BulkRun::search(Progress& progress) const {
  const LayerTrace trace(model_, {searched_layer(call_.layers, call_.options.values)}, rows_.fronts(),
                         call_.context.token_budget);
  return search_values_of(model_, trace, rows_, groups_, call_.options, call_.context, progress);
}

// Books the results of a round. What the first one did not find is not written.
void BulkRun::take(std::vector<SearchResult> results, int round) {
  if (round > 1) {
    for (std::size_t g = 0; g < results.size(); ++g) {
      const int steps = results_[g].steps + results[g].steps;
      const bool converged = results_[g].converged;
      if (results[g].finite)
        results_[g] = std::move(results[g]);
      else
        results_[g].r = at::zeros_like(results_[g].r);
      results_[g].steps = steps;
      results_[g].converged = converged;
    }
    return;
  }
  results_ = std::move(results);
  for (std::size_t g = 0; g < results_.size(); ++g)
    results_[g].converged = results_[g].converged && sound_[g];
  if (!call_.context.keep_going)
    require_converged(groups_, results_, requests_, searched_layer(call_.layers, call_.options.values));
  for (std::size_t g = 0; g < results_.size(); ++g)
    if (results_[g].converged) written_.push_back(g);
}

// [groups, D] float32; 0 for groups that are not written.
at::Tensor BulkRun::deltas_of(const std::vector<SearchResult>& results) const {
  std::vector<at::Tensor> deltas;
  for (const SearchResult& result : results)
    deltas.push_back(result.converged ? result.r.to(at::kCPU, at::kFloat)
                                      : at::zeros_like(result.r, at::kCPU).to(at::kFloat));
  return at::stack(deltas);
}

void BulkRun::write_round(const at::Tensor& deltas, Progress& progress) {
  const std::vector<int>& layers = call_.layers;
  const auto seen = [&](const std::vector<int>& at, const at::Tensor& added = {}) {
    return seen_at_lookup(model_, rows_, groups_, at, call_.context.token_budget, added);
  };
  std::vector<at::Tensor> targets;  // of each layer
  if (call_.options.values == ValueStage::kReplay)
    targets = layers.size() > 1 ? seen(layers, deltas) : std::vector{seen(layers)[0] + deltas};
  else
    targets.assign(layers.size(), seen({layers.back()})[0] + deltas);
  for (at::Tensor& target : targets) target = filter_.targets(target);
  for (std::size_t place = 0; place < layers.size(); ++place) {
    const bool replay = call_.options.values == ValueStage::kReplay;
    const at::Tensor missing = targets[place] - seen({replay ? layers[place] : layers.back()})[0];
    const double shares = replay ? 1 : static_cast<double>(layers.size() - place);
    write_layer(place, filter_.residuals(missing / shares, place), progress);
  }
}

void BulkRun::write_layer(std::size_t place, const at::Tensor& wanted, Progress& progress) {
  systems_[place].add(constraints_at(call_.layers[place]), residuals_of_written(wanted));
  lay(place);
  note(place, progress);
}

void BulkRun::note(std::size_t place, Progress& progress) const {
  if (!reads_notes(progress)) return;
  const std::size_t keys = systems_[place].groups();
  const RealisedShare share = systems_[place].realised();
  const std::optional<double> energy = call_.preserve[place].kept_energy();
  progress.note(fmt::format(
      "layer {}: {} key{} solved together (facts of one key count once); of what is asked for, {:.3f} is "
      "realised in the mean (least {:.3f}), {:.3f} is missing, {:.3f} at all keys{}",
      call_.layers[place], keys, keys == 1 ? "" : "s", share.mean, share.least, share.missing,
      share.missing_at_all_keys, energy ? fmt::format(", tr(PCP)/tr(C) {:.3f}", *energy) : ""));
}

Edit BulkRun::edit(std::optional<std::vector<SearchResult>> first, Progress& progress) {
  for (int round = 1; round <= call_.options.rounds; ++round) {
    std::vector<SearchResult> found = round == 1 && first ? std::move(*first) : search(progress);
    bool moved = has_moved(found);
    if (round > 1 && searches_carried()) {
      const std::vector<SearchResult> weak = search_carried(progress);
      moved = moved || has_moved(weak);
      const c10::NoGradGuard no_grad;
      held_->ask_more(displacements_of(held_->rows(), held_->groups(), deltas_of(weak)), longest_);
    }
    take(std::move(found), round);
    const c10::NoGradGuard no_grad;
    if (written_.empty() || (round > 1 && !moved)) break;
    held_ ? write_anew(deltas_of(results_), progress) : write_round(deltas_of(results_), progress);
  }
  if (written_.empty())
    for (LayerSystem& system : systems_) system.solve();
  return collect();
}

}  // namespace emend::editors
