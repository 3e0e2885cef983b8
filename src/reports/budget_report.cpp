#include "reports/budget_report.h"

#include <cstddef>
#include <vector>

#include "base/first_names.h"
#include "pipeline/drift_budget.h"

namespace emend {
namespace {

const char* unit_of(const DriftBudget& budget) {
  return budget.measure == DriftBudget::Measure::kKl ? "KL in nats" : "perplexity, edited over base";
}

constexpr std::size_t kMostIds = 20;

}  // namespace

std::string budget_text(const BudgetOutcome& outcome) {
  const std::size_t all = outcome.in + outcome.failed.size() + outcome.left_out.size();
  std::vector<double> drifts = {outcome.drift};
  if (outcome.exceeded) drifts.push_back(*outcome.exceeded);
  const std::vector<std::string> told = drift_texts(outcome.budget, drifts);
  std::string text = "Drift budget " + told[0] + " (" + unit_of(outcome.budget) +
                     "): " + std::to_string(outcome.in) + " of " + std::to_string(all) +
                     " facts are in, at " + told[1] + ".\n";
  if (!outcome.failed.empty())
    text += "Failed, and not in: " + first_names(outcome.failed, kMostIds) + " (their search).\n";
  if (outcome.left_out.empty()) return text;
  text += "Left out: " + first_names(outcome.left_out, kMostIds);
  if (outcome.exceeded) text += " (the next ones would have taken it to " + told[2] + ")";
  return text + ".\n";
}

ResultJson budget_json(const std::optional<BudgetOutcome>& outcome) {
  if (!outcome) return nullptr;
  const bool kl = outcome->budget.measure == DriftBudget::Measure::kKl;
  return {
      {"measure", kl ? "kl" : "perplexity"},   {"limit", outcome->budget.limit}, {"in", outcome->in},
      {"left_out", outcome->left_out},         {"failed", outcome->failed},      {"drift", outcome->drift},
      {"exceeded", or_null(outcome->exceeded)}};
}

}  // namespace emend
