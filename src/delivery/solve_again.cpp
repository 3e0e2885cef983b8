#include "delivery/solve_again.h"

#include <ATen/ATen.h>

#include <charconv>
#include <cmath>
#include <memory>

#include "base/strings.h"
#include "emend/error.h"
#include "linalg/key_response.h"

namespace emend {
namespace {

std::string option(const Edit& edit, const std::string& name) {
  const auto found = edit.options.find(name);
  return found == edit.options.end() ? "" : found->second;
}

// The facts that one row of A answers for.
struct Group {
  std::vector<EditedFact*> facts;
  const at::Tensor& keys() const { return facts.front()->keys; }
};

bool same_key(const EditedFact& a, const EditedFact& b) {
  return at::equal(a.keys, b.keys) && at::equal(a.answers, b.answers);
}

std::vector<Group> group_by_key(const std::vector<EditedFact*>& facts) {
  std::vector<Group> groups;
  for (EditedFact* const fact : facts) {
    bool found = false;
    for (Group& group : groups) {
      if (!same_key(*group.facts.front(), *fact)) continue;
      if (!at::equal(group.facts.front()->residual, fact->residual))
        throw Error(ErrorKind::kConfig, quote(group.facts.front()->request.id) + " and " +
                                            quote(fact->request.id) +
                                            " have the same key but different residuals");
      group.facts.push_back(fact);
      found = true;
      break;
    }
    if (!found) groups.push_back({{fact}});
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
      const double answer = groups[g].facts.front()->answers[j].item<double>();
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
    for (const EditedFact* const fact : group.facts) ids.push_back(fact->request.id);
  return join(ids);
}

void set_norms(const Group& group, const at::Tensor& a) {
  for (EditedFact* const fact : group.facts) {
    const double norm = fact->residual.norm().item<double>() * a.norm().item<double>();
    const double weight = fact->relative_norm > 0 ? fact->update_norm / fact->relative_norm : 0;
    fact->update_norm = norm;
    fact->relative_norm = weight > 0 ? norm / weight : 0;
  }
}

}  // namespace

bool is_joint_solution(const Edit& edit) {
  return option(edit, "keys") != "original";
}

bool uses_moments(const Edit& edit) {
  return option(edit, "covariance") != "false" && !edit.statistics_fingerprint.empty();
}

double ridge_of(const Edit& edit) {
  const std::string text = option(edit, "ridge");
  if (text.empty()) return 0;
  double ridge = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), ridge);
  if (status != std::errc() || end != text.data() + text.size() || !std::isfinite(ridge) || ridge < 0)
    throw Error(ErrorKind::kFormat,
                "the patch's option ridge must be a number from 0, found " + quote(text, 40));
  return ridge;
}

std::int64_t own_row(const at::Tensor& B, const at::Tensor& residual) {
  return (B - residual.unsqueeze(1)).norm(2, {0}).argmin().item<std::int64_t>();
}

WeightChange solve_again(int layer, const std::vector<EditedFact*>& facts, const at::Tensor& C,
                         double ridge) {
  const std::vector<Group> groups = group_by_key(facts);
  const KeyMetric metric =
      C.defined() ? KeyMetric(std::make_shared<SpdFactor>(C, ridge, "C of layer " + std::to_string(layer)))
                  : KeyMetric();
  const Constraints joint = joint_constraints(groups);
  const double condition = gram_condition(key_cosines(metric, joint.K));
  if (!(condition <= kWorstGramCondition))
    throw Error(ErrorKind::kConfig, "the keys of " + ids_of(groups) + " at layer " + std::to_string(layer) +
                                        " can hardly be told apart: they cannot all be written");
  const at::Tensor responses = key_response(metric, joint.K, joint.Y);  // [F, groups]
  std::vector<at::Tensor> residuals;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    set_norms(groups[g], responses.select(1, static_cast<std::int64_t>(g)));
    residuals.push_back(groups[g].facts.front()->residual);
  }
  return {layer, responses.t().to(at::kFloat).contiguous(),
          at::stack(residuals, 1).to(at::kFloat).contiguous()};
}

}  // namespace emend
