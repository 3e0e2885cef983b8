#include "delivery/solve_again.h"

#include <ATen/ATen.h>

#include <memory>

#include "base/strings.h"
#include "emend/error.h"
#include "linalg/key_response.h"

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
  const FactPart& part() const { return *facts.front().part; }
  const at::Tensor& keys() const { return part().keys; }
};

bool same_key(const FactPart& a, const FactPart& b) {
  return at::equal(a.keys, b.keys) && at::equal(a.answers, b.answers);
}

std::vector<Group> group_by_key(const std::vector<FactRecord*>& facts, const WeightRef& weight) {
  std::vector<Group> groups;
  for (FactRecord* const fact : facts) {
    const Asked asked{fact, const_cast<FactPart*>(fact->part_at(weight))};
    bool found = false;
    for (Group& group : groups) {
      if (!same_key(group.part(), *asked.part)) continue;
      if (!at::equal(group.part().residual, asked.part->residual))
        throw Error(ErrorKind::kConfig, quote(group.facts.front().fact->request.id) + " and " +
                                            quote(fact->request.id) +
                                            " have the same key but different residuals");
      group.facts.push_back(asked);
      found = true;
      break;
    }
    if (!found) groups.push_back({{asked}});
  }
  return groups;
}

// Distinct keys [F, n] and what each group answers there [n, groups]. A protected key that several groups
// hold is one column.
struct Constraints {
  at::Tensor K, Y;
};

Constraints joint_constraints(const std::vector<Group>& groups) {
  std::vector<at::Tensor> columns;
  std::vector<std::vector<double>> answers;
  for (std::size_t g = 0; g < groups.size(); ++g)
    for (std::int64_t j = 0; j < groups[g].keys().size(0); ++j) {
      const at::Tensor key = groups[g].keys()[j];
      std::size_t place = 0;
      while (place < columns.size() && !at::equal(columns[place], key)) ++place;
      if (place == columns.size()) {
        columns.push_back(key);
        answers.emplace_back(groups.size(), 0.0);
      }
      const double answer = groups[g].part().answers[j].item<double>();
      if (answer != 0) answers[place][g] = answer;
    }
  std::vector<at::Tensor> rows;
  rows.reserve(answers.size());
  for (const auto& row : answers) rows.push_back(at::tensor(row, at::kDouble));
  return {at::stack(columns, 1).to(at::kDouble), at::stack(rows, 0)};
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
    const double norm = part.residual.norm().item<double>() * a.norm().item<double>();
    const double weight = part.relative_norm > 0 ? part.update_norm / part.relative_norm : 0;
    part.update_norm = norm;
    part.relative_norm = weight > 0 ? norm / weight : 0;
    part.rows = {static_cast<std::int64_t>(row)};
  }
}

}  // namespace

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

WeightChange solve_again(const WeightSolve& solve, const std::vector<FactRecord*>& facts, const at::Tensor& C) {
  if (solve.rule != SolveRule::kEquality)
    throw Error(ErrorKind::kModel, "the " + weight_name(solve.weight) + " was solved by the rule " +
                                       quote(to_string(solve.rule)) + ", which this version cannot solve again from a patch");
  const std::vector<Group> groups = group_by_key(facts, solve.weight);
  const std::string layer = std::to_string(solve.weight.block);
  const KeyMetric metric =
      C.defined() ? KeyMetric(std::make_shared<SpdFactor>(C, solve.relative_ridge, "C of layer " + layer))
                  : KeyMetric();
  const Constraints joint = joint_constraints(groups);
  const double condition = gram_condition(key_cosines(metric, joint.K));
  if (!(condition <= kWorstGramCondition))
    throw Error(ErrorKind::kConfig, "the keys of " + ids_of(groups) + " at layer " + layer +
                                        " can hardly be told apart: they cannot all be written");
  const at::Tensor responses = key_response(metric, joint.K, joint.Y);  // [F, groups]
  std::vector<at::Tensor> residuals;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    book(groups[g], g, responses.select(1, static_cast<std::int64_t>(g)));
    residuals.push_back(groups[g].part().residual);
  }
  return WeightChange::low_rank(solve.weight, responses.t().to(at::kFloat).contiguous(),
                                at::stack(residuals, 1).to(at::kFloat).contiguous());
}

WeightChange solve_again(const WeightSolve& solve, const std::vector<FactRecord*>& facts,
                         const std::map<int, at::Tensor>& moments) {
  if (!needs_moments(solve)) return solve_again(solve, facts, at::Tensor());
  const auto found = moments.find(solve.weight.block);
  if (found == moments.end())
    throw Error(ErrorKind::kConfig, "the statistics of layer " + std::to_string(solve.weight.block) + " are needed");
  return solve_again(solve, facts, found->second);
}

}  // namespace emend
