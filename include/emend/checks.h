// Does the edit hold, and does the rest still stand? Efficacy, paraphrase, neighbourhood and drift against
// the frozen base.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "emend/fact_state.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

struct CheckOptions {
  std::vector<std::int64_t> prefix;  // BOS ids that begin every row
  PromptForm form = PromptForm::kRaw;
  std::int64_t token_budget = 4096;
  std::int64_t completion_tokens = 8;
};

// Present answers of requests that name none: the first words of the greedy completion, as many as the target
// has. Fills `was` of requests and `answer` of neighbours that are empty.
void fill_present_answers(const Model& model, std::vector<EditRequest>& requests,
                          const CheckOptions& options);

// Measures the model as it is now (base, or with a ScopedEdit laid on): two batched passes for all requests.
std::vector<FactState> measure_facts(const Model& model, const std::vector<EditRequest>& requests,
                                     const CheckOptions& options, Progress& progress);

struct CheckResult {
  std::string name;             // efficacy, paraphrase, neighbourhood, drift
  std::optional<double> value;  // nothing: not measured
  double threshold = 0;
  bool passed = false;  // never true for what was not measured
  std::int64_t n = 0;
};

// The four checks (definitions: docs/formats.md and Meng et al. 2022, section 3.2). `skipped` facts (already
// true) are left out of efficacy and paraphrase. `drift` is the ratio of perplexities on held text, edited
// over base, or nothing.
std::vector<CheckResult> run_checks(const std::vector<EditRequest>& requests,
                                    const std::vector<FactState>& after, const std::vector<bool>& skipped,
                                    std::optional<double> drift, std::int64_t drift_tokens,
                                    const CheckThresholds& thresholds);

// All checks that were measured hold. Unmeasured ones do not fail an edit, but are listed.
bool all_passed(const std::vector<CheckResult>& checks);

}  // namespace emend
