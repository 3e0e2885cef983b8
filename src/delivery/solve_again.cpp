#include "delivery/solve_again.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/strings.h"
#include "emend/error.h"
#include "linalg/key_constraints.h"
#include "linalg/response_solver.h"

namespace emend {
namespace {

// What a fact holds of the weight that is solved.
struct Asked {
  FactRecord* fact;
  FactPart* part;
};

// The facts that one row of A answers for.
struct Group {
  std::vector<Asked> facts;
  KeyConstraint constraint;
  const FactPart& part() const { return *facts.front().part; }
};

KeyConstraint constraint_of(const FactPart& part) {
  KeyConstraint constraint{part.keys.t().to(at::kDouble), part.answers.to(at::kDouble)};
  if (part.slack.defined()) constraint.slack = part.slack.to(at::kDouble);
  return constraint;
}

void require_same_residual(const Asked& one, const Asked& other) {
  if (!at::equal(one.part->residual, other.part->residual))
    throw Error(ErrorKind::kConfig, fmt::format("{} and {} have the same key but different residuals",
                                                quote(one.fact->request.id), quote(other.fact->request.id)));
}

std::vector<Group> group_by_key(const std::vector<FactRecord*>& facts, const WeightRef& weight) {
  std::vector<Asked> asked;
  std::vector<KeyConstraint> constraints;
  for (FactRecord* const fact : facts) {
    asked.push_back({fact, &part_of(*fact, weight)});
    constraints.push_back(constraint_of(*asked.back().part));
  }
  std::vector<Group> groups;
  const std::vector<std::size_t> group_of = group_equal(constraints);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (group_of[i] == groups.size()) groups.push_back({{}, constraints[i]});
    Group& group = groups[group_of[i]];
    if (!group.facts.empty()) require_same_residual(group.facts.front(), asked[i]);
    group.facts.push_back(asked[i]);
  }
  return groups;
}

bool protects(const Group& group) {
  return !group.part().protected_keys.empty();
}

// Keys as unit columns.
at::Tensor unit_columns(const at::Tensor& K) {
  return K / K.norm(2, 0, /*keepdim=*/true);
}

// Which of the columns `keys` are nearly one of the columns `others`.
at::Tensor is_among(const at::Tensor& keys, const std::vector<at::Tensor>& others, double cosine) {
  const at::Tensor all = at::cat(others, 1);
  if (all.size(1) == 0) return at::zeros({keys.size(1)}, at::kBool);
  return std::get<0>(at::matmul(unit_columns(all).t(), unit_columns(keys)).max(0)) > cosine;
}

// Which columns of `own` group `theirs` holds at 0 as well, and no more softly; of the two that hold a key
// alike, the one that `keeps` does.
at::Tensor is_held_by(const KeyConstraint& own, const KeyConstraint& theirs, bool keeps) {
  constexpr double kOneKey = 1 - 1e-6;
  const auto slack_of = [](const KeyConstraint& constraint) {
    return constraint.slack.defined() ? constraint.slack : at::zeros_like(constraint.y);
  };
  const at::Tensor zeros = at::nonzero(theirs.y == 0).squeeze(1);
  if (zeros.size(0) == 0) return at::zeros({own.K.size(1)}, at::kBool);
  const at::Tensor cosines =
      at::matmul(unit_columns(theirs.K.index_select(1, zeros)).t(), unit_columns(own.K));
  const at::Tensor slack = slack_of(theirs).index_select(0, zeros).unsqueeze(1), ours = slack_of(own);
  const at::Tensor no_softer = keeps ? slack <= ours : slack < ours;
  return at::logical_and(cosines > kOneKey, no_softer).any(0);
}

// The constraint of group g, without keys of other subjects that another group answers (what answers a key
// protects it) or holds at 0 as well, at least as firmly: two runs give a key up to rounding, so the joint
// system would take the two for different keys.
KeyConstraint without_edited(const std::vector<Group>& groups, std::size_t g) {
  constexpr double kOneSubject = 0.99;
  const KeyConstraint& own = groups[g].constraint;
  if (!protects(groups[g]) || groups.size() == 1) return own;
  std::vector<at::Tensor> answered;
  at::Tensor elsewhere = at::zeros({own.K.size(1)}, at::kBool);
  for (std::size_t other = 0; other < groups.size(); ++other) {
    if (other == g) continue;
    const KeyConstraint& theirs = groups[other].constraint;
    answered.push_back(theirs.K.index_select(1, at::nonzero(theirs.y).squeeze(1)));
    const bool keeps_its_own = other < g || !protects(groups[other]);
    elsewhere = at::logical_or(elsewhere, is_held_by(own, theirs, keeps_its_own));
  }
  elsewhere = at::logical_or(elsewhere, is_among(own.K, answered, kOneSubject));
  const at::Tensor kept = at::nonzero(at::logical_or(own.y != 0, at::logical_not(elsewhere))).squeeze(1);
  KeyConstraint rest{own.K.index_select(1, kept), own.y.index_select(0, kept)};
  if (own.slack.defined()) rest.slack = own.slack.index_select(0, kept);
  return rest;
}

JointConstraints constraints_of(const std::vector<Group>& groups) {
  std::vector<KeyConstraint> each;
  each.reserve(groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) each.push_back(without_edited(groups, g));
  return join_constraints(each);
}

std::string ids_of(const std::vector<Group>& groups) {
  std::vector<std::string> ids;
  for (const Group& group : groups)
    for (const Asked& asked : group.facts) ids.push_back(asked.fact->request.id);
  return join(ids);
}

// The norms of a group's parts, and the row that carries them.
void book(const Group& group, std::size_t row, const at::Tensor& a) {
  for (const Asked& asked : group.facts) {
    FactPart& part = *asked.part;
    const double norm = rank_one_norm(part.residual, a);
    const double weight = part.relative_norm > 0 ? part.update_norm / part.relative_norm : 0;
    part.update_norm = norm;
    part.relative_norm = weight > 0 ? norm / weight : 0;
    part.rows = {static_cast<std::int64_t>(row)};
  }
}

// C with the ridge of the solve; the identity if C is undefined.
KeyMetric metric_of(const WeightSolve& solve, const at::Tensor& C) {
  if (!C.defined()) return {};
  const std::string name = fmt::format("C of layer {}", solve.weight.block);
  return {std::make_shared<SpdFactor>(C, solve.relative_ridge, name), C};
}

at::Tensor equality_responses(const WeightSolve& solve, const std::vector<Group>& groups,
                              const JointConstraints& joint, const at::Tensor& C) {
  const KeyMetric metric = metric_of(solve, C);
  const double condition = gram_condition(key_cosines(metric, joint.K));
  if (!(condition <= kWorstGramCondition))
    throw Error(ErrorKind::kConfig,
                fmt::format("the keys of {} at layer {} can hardly be told apart: they cannot all be written",
                            ids_of(groups), solve.weight.block));
  return key_response(metric, joint.K, joint.Y, joint.slack);
}

// [F, groups]
at::Tensor responses_of(const WeightSolve& solve, const std::vector<Group>& groups, const at::Tensor& C) {
  const JointConstraints joint = constraints_of(groups);
  if (solve.rule == SolveRule::kLeastSquares)
    return least_squares_response(metric_of(solve, C), joint.K, joint.Y, solve.lambda);
  if (solve.rule == SolveRule::kNullSpace) {
    const NullSpace space =
        null_space_of(C, solve.null_space_threshold, fmt::format("C of layer {}", solve.weight.block));
    return null_space_response(space, joint.K, joint.Y, solve.lambda);
  }
  return equality_responses(solve, groups, joint, C);
}

}  // namespace

WeightSolve solve_for(WeightSolve solve, std::size_t groups) {
  if (!(solve.lambda_of_several > 0)) return solve;
  solve.rule = groups == 1 ? SolveRule::kEquality : SolveRule::kLeastSquares;
  solve.lambda = groups == 1 ? 0 : solve.lambda_of_several;
  return solve;
}

std::vector<FactRecord*> edited_at(Edit& edit, const WeightRef& weight) {
  std::vector<FactRecord*> facts;
  for (FactRecord& fact : edit.facts)
    if (fact.is_edited() && fact.part_at(weight) != nullptr) facts.push_back(&fact);
  return facts;
}

std::vector<const FactRecord*> edited_at(const Edit& edit, const WeightRef& weight) {
  std::vector<const FactRecord*> facts;
  for (const FactRecord& fact : edit.facts)
    if (fact.is_edited() && fact.part_at(weight) != nullptr) facts.push_back(&fact);
  return facts;
}

void require_solvable(const WeightSolve& solve) {
  if (solve.rule == SolveRule::kEquality || solve.rule == SolveRule::kEachAlone) return;
  if (solve.rule == SolveRule::kTrained)
    throw Error(ErrorKind::kModel,
                fmt::format("the change of the {} was trained for all its facts together: no fact can be "
                            "taken out or added; edit again instead",
                            weight_name(solve.weight)));
  const bool in_null_space = solve.rule == SolveRule::kNullSpace;
  const char* missing = nullptr;
  if (!(solve.lambda > 0))
    missing = "its lambda";
  else if (in_null_space && !(solve.null_space_threshold > 0))
    missing = "the largest eigenvalue of that space (null_space_threshold)";
  else if (in_null_space && solve.statistics_fingerprint.empty())
    missing = "the fingerprint of the statistics that have this null space";
  if (missing != nullptr)
    throw Error(ErrorKind::kModel,
                fmt::format("the {} was solved by the rule {}, but the patch does not hold {}: it cannot be "
                            "solved again; edit again instead",
                            weight_name(solve.weight), quote(to_string(solve.rule)), missing));
}

FactPart& part_of(FactRecord& fact, const WeightRef& weight) {
  return *std::ranges::find(fact.parts, weight, &FactPart::weight);
}

WeightChange solve_again(WeightSolve& solve, const std::vector<FactRecord*>& facts, const at::Tensor& C) {
  require_solvable(solve);
  const std::vector<Group> groups = group_by_key(facts, solve.weight);
  solve = solve_for(solve, groups.size());
  const at::Tensor responses = responses_of(solve, groups, C);
  std::vector<at::Tensor> residuals;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    book(groups[g], g, responses.select(1, static_cast<std::int64_t>(g)));
    residuals.push_back(groups[g].part().residual);
  }
  return WeightChange::low_rank(solve.weight, responses.t().to(at::kFloat).contiguous(),
                                at::stack(residuals, 1).to(at::kFloat).contiguous());
}

WeightChange solve_again(WeightSolve& solve, const std::vector<FactRecord*>& facts,
                         const std::map<int, at::Tensor>& moments) {
  if (!needs_moments(solve)) return solve_again(solve, facts, at::Tensor());
  const auto found = moments.find(solve.weight.block);
  if (found == moments.end())
    throw Error(ErrorKind::kConfig,
                fmt::format("the statistics of layer {0} are needed: layer_{0}.safetensors of those with the "
                            "fingerprint {1}",
                            solve.weight.block, solve.statistics_fingerprint));
  return solve_again(solve, facts, found->second);
}

}  // namespace emend
