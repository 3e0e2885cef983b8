// Shares of verdicts over all requests, against their thresholds.
#include "emend/checks.h"

#include <algorithm>
#include <cmath>

#include "emend/judge.h"

namespace emend {

std::vector<CheckResult> run_checks(const std::vector<EditRequest>& requests,
                                    const std::vector<FactState>& after, const std::vector<bool>& skipped,
                                    std::optional<double> drift, std::int64_t drift_tokens,
                                    const CheckThresholds& thresholds) {
  struct Share {
    std::int64_t good = 0, n = 0;
    void count(bool success) {
      good += success ? 1 : 0;
      ++n;
    }
  } efficacy, paraphrase, said, neighbourhood;
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (i < skipped.size() && skipped[i]) continue;
    const FactVerdict verdict = judge(requests[i], after[i]);
    efficacy.count(verdict.holds);
    for (const bool holds : verdict.paraphrases) paraphrase.count(holds);
    for (const PromptState& state : after[i].paraphrases) said.count(state.argmax_target);
    for (const std::optional<bool> kept : verdict.neighbours)
      if (kept) neighbourhood.count(*kept);
  }
  const auto share = [](const std::string& name, const Share& counted, double threshold) {
    CheckResult result{name, std::nullopt, threshold, false, counted.n};
    if (counted.n > 0) {
      result.value = static_cast<double>(counted.good) / static_cast<double>(counted.n);
      result.passed = *result.value >= threshold;
    }
    return result;
  };
  CheckResult held{"drift", drift, thresholds.drift, false, drift_tokens};
  held.passed = drift && std::isfinite(*drift) && *drift <= thresholds.drift;
  std::vector<CheckResult> checks = {share("efficacy", efficacy, thresholds.efficacy),
                                     share("paraphrase", paraphrase, thresholds.paraphrase),
                                     share("neighbourhood", neighbourhood, thresholds.neighbourhood), held};
  if (thresholds.said) checks.insert(checks.begin() + 2, share("said", said, *thresholds.said));
  return checks;
}

bool all_passed(const std::vector<CheckResult>& checks) {
  return failed_checks(checks).empty();
}

std::vector<std::string> failed_checks(const std::vector<CheckResult>& checks) {
  std::vector<std::string> names;
  for (const CheckResult& check : checks)
    if (check.value && !check.passed) names.push_back(check.name);
  return names;
}

}  // namespace emend
