#include "emend/edit.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/strings.h"

namespace emend {
namespace {

template <typename Item>
const Item* at_weight(const std::vector<Item>& items, const WeightRef& weight) {
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.weight == weight; });
  return found == items.end() ? nullptr : &*found;
}

double root_of_squares(const std::vector<FactPart>& parts, double FactPart::*norm) {
  if (parts.size() == 1) return parts.front().*norm;
  double sum = 0;
  for (const FactPart& part : parts) sum += part.*norm * part.*norm;
  return std::sqrt(sum);
}

}  // namespace

std::string_view to_string(SolveRule rule) {
  switch (rule) {
    case SolveRule::kEquality:
      return "equality";
    case SolveRule::kEachAlone:
      return "each alone";
    case SolveRule::kLeastSquares:
      return "least squares";
    case SolveRule::kNullSpace:
      return "null space";
    case SolveRule::kTrained:
      return "trained";
  }
  return "";
}

std::string_view to_string(FactStatus status) {
  switch (status) {
    case FactStatus::kEdited:
      return "edited";
    case FactStatus::kAlreadyTrue:
      return "already true";
    case FactStatus::kFailed:
      return "failed";
  }
  return "";
}

std::string_view to_string(Objective objective) {
  switch (objective) {
    case Objective::kWritten:
      return "written";
    case Objective::kInjected:
      return "injected";
    case Objective::kNone:
      return "none";
    case Objective::kMixed:
      return "mixed";
  }
  return "";
}

const FactPart* FactRecord::part_at(const WeightRef& weight) const {
  return at_weight(parts, weight);
}

double FactRecord::update_norm() const {
  return root_of_squares(parts, &FactPart::update_norm);
}

double FactRecord::relative_norm() const {
  return root_of_squares(parts, &FactPart::relative_norm);
}

const WeightSolve* Edit::solve_of(const WeightRef& weight) const {
  return at_weight(solves, weight);
}

const WeightChange* Edit::change_of(const WeightRef& weight) const {
  return at_weight(changes, weight);
}

std::string Edit::statistics_fingerprint() const {
  std::set<std::string> different;
  for (const WeightSolve& solve : solves)
    if (!solve.statistics_fingerprint.empty()) different.insert(solve.statistics_fingerprint);
  return join({different.begin(), different.end()}, "+");
}

std::string Edit::statistics_fingerprint(const WeightRef& weight) const {
  const WeightSolve* const solve = solve_of(weight);
  return solve == nullptr ? "" : solve->statistics_fingerprint;
}

}  // namespace emend
