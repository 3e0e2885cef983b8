#include "delivery/patch_format1.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <set>

#include "delivery/state_json.h"
#include "delivery/tensor_reader.h"

namespace emend {
namespace {

std::string option(const Edit& edit, const std::string& name) {
  const auto found = edit.options.find(name);
  return found == edit.options.end() ? "" : found->second;
}

// The option `ridge` of ROME; 0 where there is none.
double ridge_of(const PatchFields& fields, const Edit& edit) {
  const std::string text = option(edit, "ridge");
  if (text.empty()) return 0;
  double ridge = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), ridge);
  if (status != std::errc() || end != text.data() + text.size() || !std::isfinite(ridge) || ridge < 0)
    throw Error(ErrorKind::kFormat, fmt::format("{}: its option ridge must be a number from 0, found {}",
                                                fields.source("options"), quote(text, 40)));
  return ridge;
}

// Fingerprints of layers that had statistics of their own, in a merged patch.
std::map<int, std::string> layer_statistics(const PatchFields& fields) {
  if (!fields.has("layer_statistics")) return {};
  const Json document = fields.json("layer_statistics");
  const JsonView view(document, fields.source("layer_statistics"));
  std::map<int, std::string> layers;
  for (const std::string& key : view.keys()) {
    int layer = 0;
    const auto [end, status] = std::from_chars(key.data(), key.data() + key.size(), layer);
    if (status != std::errc() || end != key.data() + key.size() || layer < 0)
      fields.refuse("layer_statistics", "layers as keys, not " + quote(key, 40));
    layers[layer] = view.string(key);
    if (layers[layer].find_first_not_of("0123456789abcdef") != std::string::npos)
      view.at(key).refuse("hexadecimal digits");
  }
  return layers;
}

// One for each layer that a fact was edited at.
void add_solves(const PatchFields& fields, Edit& edit) {
  const std::string shared = fields.fingerprint("statistics_fingerprint");
  const std::map<int, std::string> own = layer_statistics(fields);
  const bool uses_moments = option(edit, "covariance") != "false";
  std::set<WeightRef> weights;
  for (const FactRecord& fact : edit.facts)
    if (fact.is_edited()) weights.insert(fact.parts.front().weight);
  for (const WeightRef& weight : weights) {
    WeightSolve solve;
    solve.weight = weight;
    solve.rule = option(edit, "keys") == "original" ? SolveRule::kEachAlone : SolveRule::kEquality;
    solve.relative_ridge = ridge_of(fields, edit);
    const auto found = own.find(weight.block);
    if (uses_moments) solve.statistics_fingerprint = found == own.end() ? shared : found->second;
    edit.solves.push_back(std::move(solve));
  }
}

// What was measured has to be about the facts of this patch, in their order.
void check_states(const PatchFields& fields, const std::string& key, const std::vector<FactState>& states,
                  const std::vector<FactRecord>& facts) {
  if (states.empty()) return;
  if (states.size() != facts.size())
    fields.refuse(key, fmt::format("a state for each of the {} facts, or none", facts.size()));
  for (std::size_t i = 0; i < facts.size(); ++i)
    if (!is_state_of(states[i], facts[i].request))
      fields.refuse(
          key, "the states of the facts in \"emend.facts\", which differ at " + quote(facts[i].request.id));
}

std::string tensor_name(std::size_t fact, const std::string& part) {
  return fmt::format("edits.{}.{}", fact, part);
}

// Format 1 does not say which row carries a fact: the column of B that is nearest to its residual.
std::int64_t nearest_column(const at::Tensor& B, const at::Tensor& residual) {
  return (B - residual.unsqueeze(1)).norm(2, {0}).argmin().item<std::int64_t>();
}

}  // namespace

void read_format1_facts(const PatchFields& fields, Edit& edit) {
  edit.facts = fields.list("facts", read_format1_fact);
  add_solves(fields, edit);
  for (const char* const key : {"before", "after"}) {
    std::vector<FactState> states = fields.list(key, read_state);
    check_states(fields, key, states, edit.facts);
    for (std::size_t i = 0; i < states.size(); ++i)
      (std::string(key) == "before" ? edit.facts[i].before : edit.facts[i].after) = std::move(states[i]);
  }
}

void read_format1_tensors(TensorReader& reader, Edit& edit) {
  for (std::size_t i = 0; i < edit.facts.size(); ++i) {
    FactRecord& fact = edit.facts[i];
    if (!fact.is_edited()) continue;
    FactPart& part = fact.parts.front();
    const WeightChange* const change = edit.change_of(part.weight);
    if (change == nullptr)
      reader.fail(
          patch_tensors::of(part.weight, "A"),
          fmt::format("it is missing, but {} was edited at layer {}", quote(fact.request.id), fact.layer()));
    if (change->is_dense())
      reader.fail(patch_tensors::of(part.weight, "D"),
                  "a patch of format 1 changes weights by A and B alone");
    part.keys = reader.floats(tensor_name(i, "keys"), {kAnySize, change->inputs()});
    part.answers = reader.floats(tensor_name(i, "answers"), {part.keys.size(0)});
    part.residual = reader.floats(tensor_name(i, "residual"), {change->outputs()});
    part.rows = {nearest_column(change->B, part.residual)};
  }
}

}  // namespace emend
