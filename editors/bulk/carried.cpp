#include "editors/bulk/carried.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "emend/error.h"

namespace emend::editors {

namespace {

// What the subject's last token sees.
std::string seen_text(const EditRequest& request) {
  return request.prompt.substr(0, request.subject_begin + request.subject.size());
}

bool nearly(double a, double b) {
  return std::abs(a - b) <= 1e-9 * std::max(std::abs(a), std::abs(b));
}

// What differs in how two edits solve a weight; empty if nothing does.
std::string difference(const WeightSolve& there, const WeightSolve& now) {
  const auto numbers = [](const char* name, double a, double b) {
    return nearly(a, b) ? "" : fmt::format("{} {:.9g} there, {:.9g} now", name, a, b);
  };
  const bool by_number = there.lambda_of_several > 0 && now.lambda_of_several > 0;  // of facts: rule, lambda
  if (!by_number && there.rule != now.rule)
    return fmt::format("the rule \"{}\" there, \"{}\" now", to_string(there.rule), to_string(now.rule));
  if (there.statistics_fingerprint != now.statistics_fingerprint) return "other statistics";
  for (const std::string& found :
       {numbers("ridge", there.relative_ridge, now.relative_ridge),
        by_number ? numbers("lambda", there.lambda_of_several, now.lambda_of_several)
                  : numbers("lambda", there.lambda, now.lambda),
        numbers("null space threshold", there.null_space_threshold, now.null_space_threshold)})
    if (!found.empty()) return found;
  return "";
}

}  // namespace

CarriedFacts carry_facts(const Edit* earlier, const std::vector<EditRequest>& requests) {
  CarriedFacts carried;
  if (earlier == nullptr) return carried;
  std::set<std::string> ids, prompts, seen;
  for (const EditRequest& request : requests) {
    ids.insert(request.id);
    prompts.insert(request.prompt);
    seen.insert(seen_text(request));
  }
  const auto is_replaced = [&](const FactRecord& fact) {
    return ids.contains(fact.request.id) || prompts.contains(fact.request.prompt);
  };
  // What shared its residual with a fact that goes keeps nothing of it.
  for (const FactRecord& fact : earlier->facts)
    if (fact.is_edited() && is_replaced(fact)) seen.insert(seen_text(fact.request));
  for (const FactRecord& fact : earlier->facts) {
    const bool replaced = is_replaced(fact);
    const bool shares_key = seen.contains(seen_text(fact.request));
    if (!replaced && !(shares_key && fact.is_edited())) {
      carried.facts.push_back(fact);
      continue;
    }
    if (!replaced) carried.again.push_back(fact.request);
    carried.stale_removed = carried.stale_removed || fact.is_edited();
  }
  return carried;
}

void require_carriable(const Edit* earlier, const std::vector<Preserve>& preserve,
                       const std::string& method) {
  if (earlier == nullptr) return;
  for (const WeightSolve& solve : earlier->solves) {
    const auto facts = carried_groups(earlier->facts, solve.weight).size();
    std::string found = "it is not among the layers of this edit";
    for (const Preserve& layer : preserve) {
      const WeightSolve now = layer.record(static_cast<std::int64_t>(facts));
      if (now.weight == solve.weight) found = difference(solve, now);
    }
    if (!found.empty())
      throw Error(
          ErrorKind::kConfig,
          fmt::format("{}: the edit that is on the model already changed the {}, and cannot be solved "
                      "again with this one: {}; give the same method, layers, options and statistics",
                      method, weight_name(solve.weight), found));
  }
}

std::vector<CarriedGroup> carried_groups(const std::vector<FactRecord>& facts, const WeightRef& weight) {
  std::vector<KeyConstraint> constraints;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const FactPart* const part = facts[i].is_edited() ? facts[i].part_at(weight) : nullptr;
    if (part == nullptr) continue;
    places.push_back(i);
    constraints.push_back({part->keys.t().to(at::kDouble), part->answers.to(at::kDouble)});
  }
  const std::vector<std::size_t> group_of = group_equal(constraints);
  std::vector<CarriedGroup> groups;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (group_of[i] == groups.size())
      groups.push_back({{}, constraints[i], facts[places[i]].part_at(weight)->residual});
    groups[group_of[i]].facts.push_back(places[i]);
  }
  return groups;
}

}  // namespace emend::editors
