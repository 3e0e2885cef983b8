#include "editors/rome/plan.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "base/strings.h"
#include "editors/common/context_rows.h"
#include "editors/common/metric.h"
#include "editors/rome/keys.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

constexpr double kLoudNeighbour = 0.3;  // share of the residual that reaches a neighbour

// C of the layer with its ridge, or the identity.
KeyMetric make_metric(const Model& model, const EditorContext& context, const RomeOptions& options) {
  const int layer = context.layers.at(0);
  require_layer(model, layer);
  if (!options.covariance) return {};
  return moment_metric(model, context, layer, options.relative_ridge, "rome");
}

// The first digits of a number, for people.
std::string digits(double number, std::size_t characters) {
  return fmt::format("{:f}", number).substr(0, characters);
}

// Takes the groups out whose keys are not numbers.
std::vector<KeyGroup> take_broken(std::vector<KeyGroup>& groups) {
  const auto bad = std::stable_partition(groups.begin(), groups.end(), has_finite_keys);
  std::vector<KeyGroup> broken(std::make_move_iterator(bad), std::make_move_iterator(groups.end()));
  groups.erase(bad, groups.end());
  return broken;
}

}  // namespace

RomePlan::RomePlan(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
                   const RomeOptions& options, Grouping grouping)
    : model_(model),
      requests_(requests),
      context_(context),
      options_(options),
      grouping_(grouping),
      metric_(make_metric(model, context, options)),
      rows_(model.tokenizer(), requests, {context.prefix, context.form},
            contexts_of(model, context, options.contexts)),
      trace_(model, {context.layers.at(0)}, rows_.fronts(), context.token_budget),
      groups_(group_requests(rows_, trace_, grouping)) {
  require_no_contradiction(groups_, rows_, requests_);
  if (options_.protect_sink) sink_key_ = sink_keys(rows_, trace_).front();
  if (context_.keep_going) broken_ = take_broken(groups_);
  require_finite_keys(groups_, {sink_key_}, trace_.layers(), requests_);
  learn_keys();
  for (std::size_t g = 0; g < groups_.size(); ++g)
    constraints_.push_back(
        choose_keys(groups_[g], rows_, metric_, options_.keys, ids(g), groups_[g].warnings));
  own_ = constraints_;
  protectable_.resize(groups_.size());
  bounds_.resize(groups_.size());
  protected_keys_.resize(groups_.size());
  if (context_.protection != nullptr && options_.keys != RomeKeys::kOriginal) protect();
  if (grouping == Grouping::kAlone || groups_.size() < 2) return;
  std::vector<at::Tensor> bare;
  bare.reserve(groups_.size());
  for (const KeyGroup& group : groups_) bare.push_back(group.keys.front().bare);
  const ParallelKeys parallel = find_parallel_keys(metric_, at::stack(bare, 1));
  warn_of(parallel);
  if (is_joint()) require_separable_keys(parallel);
}

// All keys that responses are made of, in one solve.
void RomePlan::learn_keys() {
  std::vector<at::Tensor> keys;
  for (const KeyGroup& group : groups_) {
    keys.push_back(group.keys.front().bare);
    if (group.keys.front().contexts.defined()) keys.push_back(group.keys.front().contexts);
  }
  if (sink_key_.defined()) keys.push_back(sink_key_);
  metric_.learn(keys);
}

void RomePlan::protect() {
  if (groups_.empty()) return;
  std::vector<KeyConstraint> with_sink;
  for (const KeyConstraint& constraint : own_) with_sink.push_back(with_protected(constraint, sink_key_));
  protectable_ = protectable_keys({model_, requests_, rows_, trace_, metric_, *context_.protection}, groups_,
                                  with_sink, grouping_);
  std::vector<std::vector<double>> bounds;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    bounds.emplace_back(protectable_[g].told.size(), options_.protected_share);
    groups_[g].warnings.insert(groups_[g].warnings.end(), protectable_[g].warnings.begin(),
                               protectable_[g].warnings.end());
  }
  hold_within(bounds);
}

void RomePlan::hold_within(const std::vector<std::vector<double>>& bounds) {
  bounds_ = bounds;
  std::vector<ProtectedKeys> held;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    held.push_back(editors::hold_within(protectable_[g], bounds_[g]));
    protected_keys_[g] = held[g].told;
  }
  const auto hold = [&](const std::function<double(std::size_t)>& slack_of) {
    for (std::size_t g = 0; g < groups_.size(); ++g)
      constraints_[g] = held[g].K.defined()
                            ? with_protected(own_[g], held[g].K, held[g].slack.clamp_min(slack_of(g)))
                            : own_[g];
  };
  hold([](std::size_t) { return 0.0; });
  const bool alone = grouping_ == Grouping::kAlone;
  const std::int64_t F = own_.front().K.size(0),
                     together = alone ? 0 : joint_constraints(all_groups()).K.size(1);
  hold([&](std::size_t g) { return protected_slack(alone ? constraint(g).K.size(1) : together, F); });
}

std::int64_t RomePlan::protected_count(const std::vector<std::size_t>& groups) const {
  std::vector<KeyConstraint> own;
  for (const std::size_t g : groups) own.push_back(own_[g]);
  if (own.empty()) return 0;
  return joint_constraints(groups).K.size(1) - join_constraints(own, sink_key_).K.size(1);
}

double RomePlan::key_condition(const std::vector<std::size_t>& groups) const {
  if (protected_count(groups) == 0) return 0;
  const at::Tensor K = joint_constraints(groups).K;
  return K.size(1) > K.size(0) ? std::numeric_limits<double>::infinity()
                               : gram_condition(key_cosines(metric_, K));
}

std::vector<std::string> RomePlan::warnings() const {
  std::vector<std::string> all;
  for (const KeyGroup& group : groups_) all.insert(all.end(), group.warnings.begin(), group.warnings.end());
  for (const KeyGroup& group : broken_)
    all.push_back(fmt::format("{}: {}; left out", group.ids(requests_), kBrokenKeys));
  all.insert(all.end(), parallel_keys_.begin(), parallel_keys_.end());
  return all;
}

KeyConstraint RomePlan::constraint(std::size_t g) const {
  if (options_.keys == RomeKeys::kOriginal)  // its direction comes from the mean, but it answers the bare key
    return {groups_[g].keys.front().bare.unsqueeze(1), at::ones({1}, at::kDouble)};
  return with_protected(constraints_[g], sink_key_);
}

at::Tensor RomePlan::response(std::size_t g) const {
  if (options_.keys == RomeKeys::kOriginal) {
    const auto a = published_response(metric_, constraints_[g].K.squeeze(1), groups_[g].keys.front().bare);
    if (!a)
      throw Error(
          ErrorKind::kNumeric,
          fmt::format("edit {}: the bare key is orthogonal to the mean key; `keys: original` cannot write it",
                      ids(g)));
    return *a;
  }
  const KeyConstraint held = constraint(g);
  return key_response(metric_, held.K, held.y, held.slack);
}

JointConstraints RomePlan::joint_constraints(const std::vector<std::size_t>& groups) const {
  std::vector<KeyConstraint> chosen;
  chosen.reserve(groups.size());
  for (const std::size_t g : groups) chosen.push_back(constraints_[g]);
  return join_constraints(chosen, sink_key_);
}

std::vector<std::size_t> RomePlan::all_groups() const {
  std::vector<std::size_t> all(groups_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

at::Tensor RomePlan::joint_responses(const std::vector<std::size_t>& groups) const {
  const JointConstraints joint = joint_constraints(groups);
  return key_response(metric_, joint.K, joint.Y, joint.slack);
}

void RomePlan::warn_of(const ParallelKeys& parallel) {
  for (const KeyPair& pair : parallel.near)
    parallel_keys_.push_back(fmt::format(
        "edits {} and {} have nearly the same key (cosine {}): telling them apart makes the update about {} "
        "times larger",
        ids(pair.one), ids(pair.other), digits(pair.cosine, 6),
        digits(std::sqrt(1 / (1 - pair.cosine * pair.cosine)), 5)));
  if (parallel.untold > 0)
    parallel_keys_.push_back(fmt::format("{} more pairs of edits have nearly the same key", parallel.untold));
}

// Keys of more edits than their elements can tell apart are dependent, which needs no eigenvalues.
double RomePlan::joint_condition() const {
  const JointConstraints joint = joint_constraints(all_groups());
  if (joint.contested || joint.K.size(1) > joint.K.size(0)) return std::numeric_limits<double>::infinity();
  return gram_condition(key_cosines(metric_, joint.K));
}

void RomePlan::require_separable_keys(const ParallelKeys& parallel) const {
  const double condition = joint_condition();
  if (condition <= kWorstGramCondition) return;
  std::vector<std::string> closest;
  if (parallel.closest) closest = {ids(parallel.closest->one), ids(parallel.closest->other)};
  throw Error(
      ErrorKind::kConfig,
      fmt::format("the keys of edits {} can hardly be told apart (the Gram matrix of all keys has condition "
                  "{:f}); put them into separate files or drop one",
                  join(closest, " and "), condition));
}

double RomePlan::neighbour_alpha(std::size_t g, const at::Tensor& a, std::vector<std::string>& loud) const {
  double largest = 0;
  for (std::size_t i : groups_[g].requests) {
    const std::vector<Neighbour>& neighbours = requests_[i].neighbours;
    if (neighbours.empty()) continue;
    std::vector<TraceRow> prompts;
    prompts.reserve(neighbours.size());
    for (const Neighbour& neighbour : neighbours)
      prompts.push_back(rows_.behind_prefix(prompt_ids(model_.tokenizer(), neighbour.prompt, rows_.form())));
    const std::vector<at::Tensor> keys = trace_.own_keys(prompts).front();
    for (std::size_t n = 0; n < keys.size(); ++n) {
      const double alpha = at::matmul(keys[n].to(at::kCPU, at::kDouble), a).abs().max().item<double>();
      largest = std::max(largest, alpha);
      if (alpha > kLoudNeighbour)
        loud.push_back(fmt::format("edit {}: its neighbour {} receives {} of the residual", requests_[i].id,
                                   quote(neighbours[n].prompt, 60), digits(alpha, 4)));
    }
  }
  return largest;
}

// One column for each group.
at::Tensor RomePlan::all_responses() const {
  if (is_joint()) return joint_responses(all_groups());
  std::vector<at::Tensor> alone;
  for (const std::size_t g : all_groups()) alone.push_back(response(g));
  return at::stack(alone, 1);
}

// One entry for each request of the group, whose response has this norm.
std::vector<EditPlan::Entry> RomePlan::entries_of(const KeyGroup& group, double norm, double largest_alpha,
                                                  double text_share) const {
  std::vector<EditPlan::Entry> entries;
  for (const std::size_t i : group.requests) {
    EditPlan::Entry entry;
    entry.id = requests_[i].id;
    entry.layers = trace_.layers();
    entry.target_tokens = static_cast<std::int64_t>(rows_[i].target.size());
    entry.rows = static_cast<std::int64_t>(rows_[i].prompts.size());
    entry.merged_with = others_of(group, i, requests_);
    entry.predicted_norm = norm;
    entry.largest_neighbour_alpha = largest_alpha;
    entry.text_share = text_share;
    entries.push_back(std::move(entry));
  }
  return entries;
}

EditPlan RomePlan::summary() const {
  EditPlan plan;
  plan.warnings = warnings();
  const at::Tensor responses = groups_.empty() ? at::Tensor() : all_responses();
  const at::Tensor of_text = groups_.empty() ? at::Tensor() : shares_of_text(metric_, responses);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto place = static_cast<std::int64_t>(g);
    const at::Tensor a = responses.select(1, place);
    const double alpha = neighbour_alpha(g, a, plan.warnings);
    const double share = of_text.defined() ? of_text[place].item<double>() : 0;
    for (EditPlan::Entry& entry : entries_of(groups_[g], a.norm().item<double>(), alpha, share))
      plan.entries.push_back(std::move(entry));
  }
  for (const KeyGroup& group : broken_)
    for (EditPlan::Entry& entry : entries_of(group, 0, 0, 0)) plan.entries.push_back(std::move(entry));
  return plan;
}

}  // namespace emend::editors
