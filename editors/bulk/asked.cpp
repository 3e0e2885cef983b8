#include "editors/bulk/asked.h"

#include <ATen/ATen.h>

#include <utility>

#include "editors/bulk/values.h"

namespace emend::editors {

namespace {

at::Tensor as_kept(const at::Tensor& keys) {
  return keys.to(at::kFloat).to(at::kDouble);
}

std::vector<std::size_t> edited_places(const std::vector<FactRecord>& facts) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < facts.size(); ++i)
    if (facts[i].is_edited() && !facts[i].parts.empty()) places.push_back(i);
  return places;
}

std::vector<EditRequest> requests_of(const std::vector<FactRecord>& facts,
                                     const std::vector<std::size_t>& places) {
  std::vector<EditRequest> requests;
  for (const std::size_t i : places) requests.push_back(facts[i].request);
  return requests;
}

// What the first layer was given, times the number of layers that share the displacement.
at::Tensor displacement_of(const FactRecord& fact, ValueStage values) {
  const double layers = values == ValueStage::kReplay ? 1 : static_cast<double>(fact.parts.size());
  return fact.parts.front().residual.to(at::kDouble) * layers;
}

}  // namespace

KeyConstraint constraint_of(const SubjectKeys& keys, bool at_sink, BulkKeys kind) {
  const bool both = keys.contexts.defined() && !at_sink;
  if (both && kind == BulkKeys::kContextAndBare)
    return {as_kept(at::stack({keys.bare, keys.contexts}, 1)), at::ones({2}, at::kDouble)};
  const at::Tensor key = both ? (keys.bare + keys.contexts) / 2 : at_sink ? keys.contexts : keys.bare;
  return {as_kept(key.unsqueeze(1)), at::ones({1}, at::kDouble)};
}

std::vector<KeyConstraint> read_constraints(const Model& model, int layer, const CallRows& rows,
                                            Grouping grouping, const Reading& reading) {
  const LayerTrace trace(model, {layer}, rows.fronts(), reading.token_budget);
  at::Tensor sink;
  if (reading.options.protect_sink) sink = sink_keys(rows, trace).front();
  if (sink.defined()) sink = as_kept(sink);
  std::vector<KeyConstraint> constraints;
  for (const KeyGroup& group : group_requests(rows, trace, grouping)) {
    const bool at_sink = rows.lies_at_sink(group.requests.front());
    constraints.push_back(
        with_protected(constraint_of(group.keys.front(), at_sink, reading.options.keys), sink));
  }
  return constraints;
}

CarriedSubjects::CarriedSubjects(const Model& model, const std::vector<FactRecord>& facts,
                                 const RowForm& form, const std::vector<TokenIds>& contexts,
                                 const Reading& reading)
    : edited_(edited_places(facts)), rows_(model.tokenizer(), requests_of(facts, edited_), form, contexts) {
  if (edited_.empty()) return;
  const LayerTrace trace(model, {reading.layers.front()}, rows_.fronts(), reading.token_budget);
  groups_ = group_requests(rows_, trace, Grouping::kShared);
  std::vector<at::Tensor> displacements;
  for (const KeyGroup& group : groups_) {
    facts_.emplace_back();
    for (const std::size_t request : group.requests) facts_.back().push_back(edited_[request]);
    displacements.push_back(displacement_of(facts[facts_.back().front()], reading.options.values));
  }
  displacements_ = at::stack(displacements);
}

void CarriedSubjects::ask_more(const at::Tensor& displacements, const at::Tensor& longest) {
  const at::Tensor more = displacements.to(displacements_.options()), asked = displacements_ + more;
  const at::Tensor bound = at::maximum(longest.to(displacements_.options()), displacements_.norm(2, 1));
  // A row that nothing was added to stays as it is, to the last digit.
  const at::Tensor share = at::clamp_max(bound / at::clamp_min(asked.norm(2, 1), 1e-30), 1.0);
  displacements_ = at::where(more.abs().amax(1, true) > 0, asked * share.unsqueeze(1), displacements_);
}

Asked::Asked(const Model& untouched, const CallRows& rows, const std::vector<KeyGroup>& groups,
             at::Tensor displacements, const Reading& reading)
    : rows_(rows), groups_(groups), reading_(reading), displacements_(std::move(displacements)) {
  const at::Tensor added = displacements_.to(at::kFloat);
  const std::vector<int>& layers = reading_.layers;
  if (reading_.options.values == ValueStage::kReplay && layers.size() > 1) {
    targets_ = seen_at_lookup(untouched, rows_, groups_, layers, reading_.token_budget, added);
    return;
  }
  targets_.assign(
      layers.size(),
      seen_at_lookup(untouched, rows_, groups_, {layers.back()}, reading_.token_budget)[0] + added);
}

at::Tensor Asked::of_layer(const Model& model, std::size_t place) const {
  const std::vector<int>& layers = reading_.layers;
  const bool replay = reading_.options.values == ValueStage::kReplay;
  const double shares = replay ? 1 : static_cast<double>(layers.size() - place);
  if (place == 0) return (displacements_ / shares).to(at::kFloat);
  const int measured = replay ? layers[place] : layers.back();
  const at::Tensor now = seen_at_lookup(model, rows_, groups_, {measured}, reading_.token_budget)[0];
  return (targets_[place] - now) / shares;
}

}  // namespace emend::editors
