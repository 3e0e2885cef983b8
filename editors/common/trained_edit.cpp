#include "editors/common/trained_edit.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "base/search_stage.h"
#include "base/strings.h"
#include "editors/common/edit_parts.h"
#include "editors/common/metric.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

std::vector<int> layers_of(const Model& model, const EditorContext& context) {
  const std::vector<int>& layers = context.layers;
  for (const int layer : layers) require_layer(model, layer);
  if (std::ranges::adjacent_find(layers, std::greater_equal()) != layers.end())
    throw Error(ErrorKind::kConfig, fmt::format("training layers {}: each is to be above the one before it",
                                                fmt::join(layers, ", ")));
  return layers;
}

WeightRef weight_of(int layer) {
  return {layer, Role::kMlpDown};
}

// Where `marked` is `value`.
std::vector<std::size_t> indices_of(const std::vector<bool>& marked, bool value) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < marked.size(); ++i)
    if (marked[i] == value) indices.push_back(i);
  return indices;
}

void begin_training(std::size_t facts, std::int64_t steps, std::string_view unit, Progress& progress) {
  begin_search(progress, fmt::format("training {} {}", facts, facts == 1 ? "fact" : "facts"), steps, unit);
}

}  // namespace

TrainedEdit::TrainedEdit(const Model& model, const std::vector<EditRequest>& requests,
                         const EditorContext& context, const TrainingOptions& options)
    : model_(model),
      requests_(requests),
      context_(context),
      options_(options),
      layers_(layers_of(model, context)),
      rows_(model.tokenizer(), requests, {context.prefix, context.form}, {}),
      trace_(model, {layers_.front()}, rows_.fronts(), context.token_budget),
      training_(training_rows(rows_, model.tokenizer(), options)) {
  const std::vector<KeyGroup> groups = find_keys();
  require_no_contradiction(groups, rows_, requests_);
  require_finite_keys(groups, {}, layers_, requests_);
  keys_.resize(requests_.size());
  for (const KeyGroup& group : groups)
    for (const std::size_t i : group.requests)
      for (const auto& of_layer : group.keys) keys_[i].push_back(of_layer.bare.to(at::kCPU, at::kFloat));
}

std::vector<KeyGroup> TrainedEdit::find_keys() {
  if (layers_.size() == 1) return group_requests(rows_, trace_, Grouping::kShared);
  const LayerTrace all(model_, layers_, rows_.fronts(), context_.token_budget);
  return group_requests(rows_, all, Grouping::kShared);
}

EditPlan TrainedEdit::plan() const {
  EditPlan plan;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const auto tokens = static_cast<std::int64_t>(training_[i].labels.size());
    plan.entries.push_back({requests_[i].id, layers_, tokens, 1, {}, 0, 0});
  }
  plan.warnings = warnings();
  return plan;
}

Edit TrainedEdit::edit(const std::vector<StepFilter>& filters, const EpochSeen& seen) const {
  const std::int64_t tokens = tokens_of_a_gradient(options_, model_.options().device().is_cuda());
  const TrainingRows rows(model_, trace_, training_, tokens, {layers_.begin() + 1, layers_.end()});
  std::vector<at::Tensor> weights;
  for (const int layer : layers_) weights.push_back(model_.weight(weight_of(layer)));
  Training made = train(rows, weights, options_, filters, context_.seed, seen);
  if (made.finite) return collect(made, {});
  const std::vector<bool> broken = broken_rows(rows, weights);
  const std::vector<std::size_t> whole = indices_of(broken, false);
  if (whole.size() == requests_.size()) {
    if (!context_.keep_going) refuse_divergence(made);
    return collect(made, broken);
  }
  if (!context_.keep_going) refuse_broken(indices_of(broken, true));
  if (whole.empty()) return collect(made, broken);
  std::vector<SearchRow> others;
  for (const std::size_t i : whole) others.push_back(training_[i]);
  const TrainingRows without(model_, trace_, std::move(others), tokens, {layers_.begin() + 1, layers_.end()});
  return collect(of_all(train(without, weights, options_, filters, context_.seed, seen), whole), broken);
}

std::vector<bool> TrainedEdit::broken_rows(const TrainingRows& rows,
                                           const std::vector<at::Tensor>& weights) const {
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> none;
  for (const at::Tensor& weight : weights) none.push_back(at::zeros_like(weight, at::kFloat));
  std::vector<std::size_t> all(requests_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const std::vector<double> together = rows.losses(all, none, nullptr);
  std::vector<bool> broken(all.size(), false);
  for (const std::size_t i : all)  // one that is not finite may have spoiled the others of its pass
    broken[i] = !std::isfinite(together[i]) && !std::isfinite(rows.losses({i}, none, nullptr).front());
  return broken;
}

Training TrainedEdit::of_all(Training made, const std::vector<std::size_t>& which) const {
  std::vector<int> steps(requests_.size(), 0);
  std::vector<double> losses(requests_.size(), std::nan(""));
  for (std::size_t j = 0; j < which.size(); ++j) {
    steps[which[j]] = made.steps[j];
    losses[which[j]] = made.losses[j];
  }
  made.steps = std::move(steps);
  made.losses = std::move(losses);
  return made;
}

std::vector<std::string> TrainedEdit::warnings() const {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < rows_.size(); ++i)
    all.insert(all.end(), rows_[i].warnings.begin(), rows_[i].warnings.end());
  return all;
}

void TrainedEdit::refuse_divergence(const Training& made) const {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < requests_.size(); ++i)
    if (!std::isfinite(made.losses[i])) ids.push_back(requests_[i].id);
  throw Error(ErrorKind::kNumeric,
              fmt::format("training layer{} {}: the loss of {} is not a number; give a smaller learning_rate "
                          "or relative_rate, or another layer",
                          layers_.size() == 1 ? "" : "s", fmt::join(layers_, ", "), join(ids)));
}

void TrainedEdit::refuse_broken(const std::vector<std::size_t>& which) const {
  std::vector<std::string> ids;
  for (const std::size_t i : which) ids.push_back(requests_[i].id);
  throw Error(
      ErrorKind::kNumeric,
      fmt::format("training layer{} {}: the loss of {} is not a number before any step; leave {} out of "
                  "the edits, or go on without {} by the option keep-going",
                  layers_.size() == 1 ? "" : "s", fmt::join(layers_, ", "), join(ids),
                  ids.size() == 1 ? "it" : "them", ids.size() == 1 ? "it" : "them"));
}

Edit TrainedEdit::collect(const Training& made, const std::vector<bool>& broken) const {
  Edit edit;
  std::vector<std::vector<FactPart>> parts(requests_.size());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const WeightRef weight = weight_of(layers_[l]);
    const at::Tensor change = made.changes[l].cpu();
    const double norm = change.norm().item<double>();
    const double of_weight = weight_norm(model_, weight);
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      FactPart part;
      part.weight = weight;
      part.keys = keys_[i][l].unsqueeze(0);
      part.answers = at::ones({1}, at::kFloat);
      part.residual = at::mv(change, keys_[i][l]);
      part.update_norm = norm;
      part.relative_norm = norm / of_weight;
      parts[i].push_back(std::move(part));
    }
    if (!made.finite) continue;
    edit.changes.push_back(WeightChange::dense(weight, change));
    WeightSolve solve;
    solve.weight = weight;
    solve.rule = SolveRule::kTrained;
    edit.solves.push_back(std::move(solve));
  }
  for (std::size_t i = 0; i < requests_.size(); ++i)
    edit.facts.push_back(fact_of(i, made, std::move(parts[i])));
  for (std::size_t i = 0; i < broken.size(); ++i) {
    if (!broken[i]) continue;
    edit.facts[i].status = FactStatus::kFailed;
    edit.facts[i].reason = "its loss is not a number before any step of the training; left out";
  }
  edit.warnings = warnings();
  return edit;
}

FactRecord TrainedEdit::fact_of(std::size_t i, const Training& made, std::vector<FactPart> parts) const {
  FactRecord fact;
  fact.request = requests_[i];
  fact.parts = std::move(parts);
  fact.steps = made.steps[i];
  fact.loss = made.losses[i];
  if (made.finite) return fact;
  fact.status = FactStatus::kFailed;
  fact.reason = "the training of all facts together ended in a loss that is not a number";
  return fact;
}

Edit train_together(const std::vector<EditRequest>& requests, int epochs, const TrainOnce& once,
                    Progress& progress) {
  begin_training(requests.size(), epochs, "epochs", progress);
  Edit edit = once(requests,
                   [&](int epoch, double loss) { progress.update(epoch, fmt::format("loss {:.4f}", loss)); });
  progress.end();
  return edit;
}

std::vector<Edit> train_each(const std::vector<EditRequest>& requests, const TrainOnce& once,
                             Progress& progress) {
  begin_training(requests.size(), static_cast<std::int64_t>(requests.size()), "facts", progress);
  std::vector<Edit> edits;
  for (const EditRequest& request : requests)
    edits.push_back(once({request}, [&](int epoch, double loss) {
      progress.update(static_cast<std::int64_t>(edits.size()),
                      fmt::format("epoch {}, loss {:.4f}", epoch, loss));
    }));
  progress.end();
  return edits;
}

}  // namespace emend::editors
