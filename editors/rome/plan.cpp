#include "editors/rome/plan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/strings.h"
#include "editors/common/context_rows.h"
#include "editors/rome/keys.h"
#include "emend/error.h"

namespace emend {

namespace {

constexpr double kNearParallel = 0.95;  // C^-1-cosine of two edits' keys that is worth a warning
constexpr double kLoudNeighbour = 0.3;  // share of the residual that reaches a neighbour

// C of the layer with its ridge, or the identity.
KeyMetric make_metric(const Model& model, const EditorContext& context, const RomeOptions& options) {
  const std::string layer = std::to_string(context.layers.at(0));
  if (context.layers[0] < 0 || context.layers[0] >= model.config().layers)
    throw Error(ErrorKind::kConfig, "layer " + layer + " is out of range; the model has layers 0 to " +
                                        std::to_string(model.config().layers - 1));
  if (!options.covariance) return {};
  if (!context.statistics || !context.statistics->layers.contains(context.layers.at(0)))
    throw Error(ErrorKind::kConfig, "rome: the statistics of layer " + layer + " are missing");
  EditorCache none_kept;
  KeyFactors& factors = (context.cache ? *context.cache : none_kept).factors();
  const std::string& made_from = context.statistics->fingerprint;
  return KeyMetric(factors.get(made_from.empty() ? "" : made_from + " " + layer,
                               context.statistics->layers.at(context.layers.at(0)).C, options.relative_ridge,
                               model.options().device(), "C of layer " + layer));
}

std::vector<TokenIds> make_contexts(const Model& model, const EditorContext& context,
                                    const RomeOptions& options) {
  if (options.contexts == 0) return {};
  const auto sample = [&] { return sample_contexts(model, context.prefix, options.contexts, context.seed); };
  if (!context.cache) return sample();
  std::string identity = model.fingerprint() + " " +
                         c10::toString(at::typeMetaToScalarType(model.options().dtype())) + " " +
                         model.devices() + " " + std::to_string(options.contexts) + " " +
                         std::to_string(context.seed);
  for (const std::int64_t id : context.prefix) identity += " " + std::to_string(id);
  return context.cache->contexts(identity, sample);
}

// The first digits of a number, for people.
std::string digits(double number, std::size_t characters) {
  return std::to_string(number).substr(0, characters);
}

// C^-1 cosines of the groups' bare keys.
struct Cosines {
  Cosines(const KeyMetric& metric, const std::vector<KeyGroup>& groups) : size(groups.size()) {
    std::vector<at::Tensor> bare;
    bare.reserve(groups.size());
    for (const KeyGroup& group : groups) bare.push_back(group.bare_key);
    matrix = key_cosines(metric, at::stack(bare, 1));
  }
  // Calls visit(i, j, cosine) for i < j.
  template <typename Visit>
  void each_pair(Visit visit) const {
    const auto* cosines = matrix.const_data_ptr<double>();
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t j = i + 1; j < size; ++j) visit(i, j, cosines[i * size + j]);
  }

  std::size_t size;
  at::Tensor matrix;  // [groups, groups]
};

}  // namespace

RomePlan::RomePlan(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
                   const RomeOptions& options, Grouping grouping)
    : model_(model),
      requests_(requests),
      context_(context),
      options_(options),
      metric_(make_metric(model, context, options)),
      rows_(model.tokenizer(), requests, {context.prefix, context.form},
            make_contexts(model, context, options)),
      trace_(model, context.layers.at(0), rows_.fronts(), context.token_budget),
      groups_(group_by_key(rows_, trace_, grouping)) {
  require_no_contradiction(groups_, rows_, requests_);
  if (options_.protect_sink) sink_key_ = sink_key(rows_, trace_);
  require_finite_keys(groups_, sink_key_, context.layers.at(0), requests_);
  for (KeyGroup& group : groups_)
    group.constraint = choose_keys(group, rows_, metric_, options_.keys, ids(group), group.warnings);
  if (grouping == Grouping::kAlone || groups_.size() < 2) return;
  warn_of_parallel_keys();
  if (is_joint()) require_separable_keys();
}

std::vector<std::string> RomePlan::warnings() const {
  std::vector<std::string> all;
  for (const KeyGroup& group : groups_) all.insert(all.end(), group.warnings.begin(), group.warnings.end());
  all.insert(all.end(), parallel_keys_.begin(), parallel_keys_.end());
  return all;
}

KeyConstraint RomePlan::constraint(const KeyGroup& group) const {
  if (options_.keys == RomeKeys::kOriginal)  // its direction comes from the mean, but it answers the bare key
    return {group.bare_key.unsqueeze(1), at::ones({1}, at::kDouble)};
  return with_protected(group.constraint, sink_key_);
}

at::Tensor RomePlan::response(const KeyGroup& group) const {
  if (options_.keys == RomeKeys::kOriginal) {
    const auto a = published_response(metric_, group.constraint.K.squeeze(1), group.bare_key);
    if (!a)
      throw Error(ErrorKind::kNumeric,
                  "edit " + ids(group) +
                      ": the bare key is orthogonal to the mean key; `keys: original` cannot write it");
    return *a;
  }
  const KeyConstraint held = constraint(group);
  return key_response(metric_, held.K, held.y);
}

std::vector<KeyConstraint> RomePlan::constraints(const std::vector<std::size_t>& groups) const {
  std::vector<KeyConstraint> chosen;
  chosen.reserve(groups.size());
  for (std::size_t g : groups) chosen.push_back(groups_[g].constraint);
  return chosen;
}

std::vector<std::size_t> RomePlan::all_groups() const {
  std::vector<std::size_t> all(groups_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

at::Tensor RomePlan::joint_responses(const std::vector<std::size_t>& groups) const {
  return joint_key_response(metric_, constraints(groups), sink_key_);
}

void RomePlan::warn_of_parallel_keys() {
  Cosines(metric_, groups_).each_pair([&](std::size_t i, std::size_t j, double cosine) {
    if (cosine > kNearParallel)
      parallel_keys_.push_back("edits " + ids(groups_[i]) + " and " + ids(groups_[j]) +
                               " have nearly the same key (cosine " + digits(cosine, 6) +
                               "): telling them apart makes the update about " +
                               digits(std::sqrt(1 / (1 - cosine * cosine)), 5) + " times larger");
  });
}

void RomePlan::require_separable_keys() const {
  const double condition =
      gram_condition(key_cosines(metric_, joint_keys(constraints(all_groups()), sink_key_)));
  if (condition <= kWorstGramCondition) return;
  std::vector<std::string> closest;
  double highest = 0;
  Cosines(metric_, groups_).each_pair([&](std::size_t i, std::size_t j, double cosine) {
    if (std::abs(cosine) <= highest) return;
    highest = std::abs(cosine);
    closest = {ids(groups_[i]), ids(groups_[j])};
  });
  throw Error(ErrorKind::kConfig,
              "the keys of edits " + join(closest, " and ") +
                  " can hardly be told apart (the Gram matrix of all keys has condition " +
                  std::to_string(condition) + "); put them into separate files or drop one");
}

double RomePlan::neighbour_alpha(const KeyGroup& group, const at::Tensor& a,
                                 std::vector<std::string>& loud) const {
  double largest = 0;
  for (std::size_t i : group.requests) {
    const std::vector<Neighbour>& neighbours = requests_[i].neighbours;
    if (neighbours.empty()) continue;
    std::vector<TraceRow> prompts;
    prompts.reserve(neighbours.size());
    for (const Neighbour& neighbour : neighbours)
      prompts.push_back(rows_.behind_prefix(prompt_ids(model_.tokenizer(), neighbour.prompt, rows_.form())));
    const std::vector<at::Tensor> keys = trace_.own_keys(prompts);
    for (std::size_t n = 0; n < keys.size(); ++n) {
      const double alpha = at::matmul(keys[n].to(at::kCPU, at::kDouble), a).abs().max().item<double>();
      largest = std::max(largest, alpha);
      if (alpha > kLoudNeighbour)
        loud.push_back("edit " + requests_[i].id + ": its neighbour " + quote(neighbours[n].prompt, 60) +
                       " receives " + digits(alpha, 4) + " of the residual");
    }
  }
  return largest;
}

EditPlan RomePlan::summary() const {
  EditPlan plan;
  plan.warnings = warnings();
  const at::Tensor joint = is_joint() ? joint_responses(all_groups()) : at::Tensor();
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const KeyGroup& group = groups_[g];
    const at::Tensor a = joint.defined() ? joint.select(1, static_cast<std::int64_t>(g)) : response(group);
    const double alpha = neighbour_alpha(group, a, plan.warnings);
    for (std::size_t i : group.requests) {
      EditPlan::Entry entry;
      entry.id = requests_[i].id;
      entry.layers = context_.layers;
      entry.target_tokens = static_cast<std::int64_t>(rows_[i].target.size());
      entry.rows = static_cast<std::int64_t>(rows_[i].prompts.size());
      for (std::size_t j : group.requests)
        if (j != i) entry.merged_with.push_back(requests_[j].id);
      entry.predicted_norm = a.norm().item<double>();
      entry.largest_neighbour_alpha = alpha;
      plan.entries.push_back(std::move(entry));
    }
  }
  return plan;
}

}  // namespace emend
