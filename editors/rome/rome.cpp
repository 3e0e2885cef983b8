// One run, as in the paper: contexts, keys and response (plan.h), the search of the residual (search.h), and
// here the closed form of both together as an Edit.
#include "editors/rome/rome.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "editors/common/edit_parts.h"
#include "editors/rome/options.h"
#include "editors/rome/plan.h"
#include "editors/rome/protection_by_need.h"
#include "editors/rome/search.h"

namespace emend::editors {

namespace {

// How the responses of the plan were found.
WeightSolve solve_record(const RomePlan& plan, const std::vector<std::size_t>& groups) {
  WeightSolve solve;
  solve.weight = plan.weight();
  solve.rule = plan.options().keys == RomeKeys::kOriginal ? SolveRule::kEachAlone : SolveRule::kEquality;
  solve.protected_keys = plan.protected_count(groups);
  solve.key_condition = plan.key_condition(groups);
  if (!plan.options().covariance) return solve;
  solve.relative_ridge = plan.options().relative_ridge;
  solve.statistics_fingerprint = plan.context().statistics->fingerprint({plan.layer()});
  if (const SpdInfo* info = plan.solved_with()) {
    solve.ridge = info->ridge;
    solve.condition = info->condition;
    solve.condition_of_moments = info->condition_of_moment;
  }
  return solve;
}

// A request that cannot be edited, with where it would have been written.
FactRecord broken_fact(const RomePlan& plan, const KeyGroup& group, std::size_t request) {
  FactRecord fact;
  fact.request = plan.requests()[request];
  fact.status = FactStatus::kFailed;
  fact.reason = kBrokenKeys;
  const KeyConstraint at{group.keys.front().bare.unsqueeze(1), at::ones({1}, at::kDouble)};
  const at::Tensor none = at::zeros({plan.model().config().d_model}, at::kFloat);
  fact.parts = {fact_part(plan.weight(), at, at::zeros({at.K.size(0)}, at::kDouble), none, 1)};
  return fact;
}

// The closed form of those of `groups` that converged, with the facts of all of them and of the broken ones.
Edit write_edit(const RomePlan& plan, const RomeSolution& solution, const std::vector<std::size_t>& groups,
                const std::vector<const KeyGroup*>& broken) {
  const double norm = weight_norm(plan.model(), plan.weight());
  Edit edit;
  std::vector<std::pair<std::size_t, FactRecord>> facts;
  std::vector<at::Tensor> responses, residuals;
  for (const std::size_t g : groups) {
    const SearchResult& result = solution.results[g];
    FactPart part = fact_part(plan.weight(), plan.constraint(g), solution.responses[g], result.r, norm);
    part.protected_keys = plan.protected_keys(g);
    if (result.converged) {
      part.rows = {static_cast<std::int64_t>(responses.size())};
      responses.push_back(solution.responses[g]);
      residuals.push_back(part.residual);
    }
    for (const std::size_t i : plan.groups()[g].requests)
      facts.emplace_back(i, searched_fact(plan.requests()[i], result, {part}));
  }
  for (const KeyGroup* const group : broken)
    for (const std::size_t i : group->requests) facts.emplace_back(i, broken_fact(plan, *group, i));
  edit.facts = in_request_order(std::move(facts));
  if (!responses.empty()) {
    edit.changes.push_back(closed_form_change(plan.weight(), responses, residuals));
    edit.solves.push_back(solve_record(plan, groups));
  }
  edit.context_ids = plan.rows().contexts();
  return edit;
}

std::vector<at::Tensor> own_responses(const RomePlan& plan) {
  std::vector<at::Tensor> responses;
  for (const std::size_t g : plan.all_groups()) responses.push_back(plan.response(g));
  return responses;
}

RomeSolution search_with(const RomePlan& plan, ProtectionByNeed& protection, Progress& progress) {
  return search_alone(plan, own_responses(plan), progress,
                      [&](std::size_t g, const at::Tensor& a, const SearchResult& found) {
                        return protection.will_be_held(g, a, found);
                      });
}

// Throws for searches that did not converge, unless the caller goes on without them.
void require_all_converged(const RomePlan& plan, const RomeSolution& solution) {
  if (!plan.context().keep_going)
    require_converged(plan.groups(), solution.results, plan.requests(), plan.layer());
}

// What is to be told of the ends that `groups` were to teach.
void add_missed_ends(const RomePlan& plan, const RomeSolution& solution,
                     const std::vector<std::size_t>& groups, std::vector<std::string>& warnings) {
  for (const std::size_t g : groups)
    if (const auto told = missed_end(solution.results[g], plan.options().search.end_probability,
                                     plan.groups()[g].ids(plan.requests())))
      warnings.push_back(*told);
}

Edit edit_together(RomePlan& plan, Progress& progress) {
  ProtectionByNeed protection(plan);
  RomeSolution solution = search_with(plan, protection, progress);
  require_all_converged(plan, solution);
  protection.protect(solution, progress);
  require_all_converged(plan, solution);
  std::vector<std::string> warnings = plan.warnings();
  for (const std::size_t g : plan.all_groups()) plan.neighbour_alpha(g, solution.responses[g], warnings);
  if (plan.is_joint()) {
    const RomeSolution alone = solution;
    settle_jointly(plan, solution, progress);
    require_all_converged(plan, solution);
    for (std::string& told : warn_of_rises(plan, alone, solution, progress))
      warnings.push_back(std::move(told));
  }
  add_missed_ends(plan, solution, plan.all_groups(), warnings);
  std::vector<const KeyGroup*> broken;
  for (const KeyGroup& group : plan.broken()) broken.push_back(&group);
  Edit edit = write_edit(plan, solution, plan.all_groups(), broken);
  edit.warnings = std::move(warnings);
  return edit;
}

std::vector<Edit> edit_alone(RomePlan& plan, Progress& progress) {
  ProtectionByNeed protection(plan);
  RomeSolution solution = search_with(plan, protection, progress);
  require_all_converged(plan, solution);
  protection.protect(solution, progress);
  require_all_converged(plan, solution);
  std::vector<Edit> edits(plan.requests().size());
  for (const std::size_t g : plan.all_groups()) {
    std::vector<std::string> warnings = plan.groups()[g].warnings;
    plan.neighbour_alpha(g, solution.responses[g], warnings);
    add_missed_ends(plan, solution, {g}, warnings);
    Edit& edit = edits[plan.groups()[g].requests.front()];
    edit = write_edit(plan, solution, {g}, {});
    edit.warnings = std::move(warnings);
  }
  for (const KeyGroup& group : plan.broken())
    edits[group.requests.front()] = write_edit(plan, solution, {}, {&group});
  return edits;
}

class Rome : public Editor {
 public:
  explicit Rome(const std::map<std::string, OptionText>& given)
      : table_(given), names_and_values_(option_values(table_.bindings())) {}

  std::string name() const override { return "rome"; }
  bool needs_statistics() const override { return table_.value().covariance; }
  std::map<std::string, std::string> options() const override { return names_and_values_; }
  Objective objective() const override { return table_.value().search.objective; }
  bool keeps_values() const override { return true; }
  bool protects() const override { return table_.value().keys != RomeKeys::kOriginal; }

  bool teaches_end() const override { return table_.value().search.end_weight > 0; }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                const EditorContext& context) const override {
    const c10::NoGradGuard no_grad;
    return RomePlan(model, requests, context, table_.value(), Grouping::kShared).summary();
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress& progress) const override {
    RomePlan plan(model, requests, context, table_.value(), Grouping::kShared);
    Edit edit = edit_together(plan, progress);
    finish(edit, model);
    return edit;
  }

  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    EditorContext alone = context;
    alone.journal = nullptr;  // that of a run of `edit`
    RomePlan plan(model, requests, alone, table_.value(), Grouping::kAlone);
    std::vector<Edit> edits = edit_alone(plan, progress);
    for (Edit& edit : edits) finish(edit, model);
    return edits;
  }

 private:
  void finish(Edit& edit, const Model& model) const {
    sign(edit, *this, model);
    if (!table_.value().covariance)
      edit.warnings.push_back(
          "covariance: false: the update's direction is the raw key (C = I); neighbours move more than with "
          "ROME");
  }

  RomeOptionTable table_;
  std::map<std::string, std::string> names_and_values_;
};

}  // namespace

EditorHelp rome_help() {
  RomeOptionTable defaults;
  return {"rome",
          "rank-one update of one feed-forward layer in closed form (Meng et al. 2022), searched on the "
          "written model",
          true, option_help(defaults.bindings())};
}

std::unique_ptr<Editor> make_rome(const std::map<std::string, OptionText>& options) {
  return std::make_unique<Rome>(options);
}

}  // namespace emend::editors
