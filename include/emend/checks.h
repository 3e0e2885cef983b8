// Does an edit hold, and does the rest of the model stay as it was? Facts measured on a model, and four
// checks: efficacy, paraphrase, neighbourhood and drift. Which fact holds is decided in judge.h.
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
  std::int64_t token_budget = 4096;  // tokens that one pass may hold, those that are generated included; >= 1
  std::int64_t completion_tokens = 8;  // of each greedy text, >= 1
};

// Fills `was` of requests and `answer` of neighbours where they are empty: with the first words of the
// model's greedy completion, as many as the target has. They stay empty if the completion has no words.
void fill_present_answers(const Model& model, std::vector<EditRequest>& requests,
                          const CheckOptions& options);

// Measures the model as it is now: the base, or with a ScopedEdit on it. All prompts of all requests run in
// batches of at most `token_budget` tokens, each prompt once, whatever is asked about it.
std::vector<FactState> measure_facts(const Model& model, const std::vector<EditRequest>& requests,
                                     const CheckOptions& options, Progress& progress = no_progress());

struct CheckResult {
  std::string name;             // efficacy, paraphrase, said, neighbourhood, drift, bleed
  std::optional<double> value;  // std::nullopt: not measured
  double threshold = 0;
  bool passed = false;  // false if not measured
  std::int64_t n = 0;
};

// The four checks, in this order: efficacy, paraphrase, neighbourhood, drift (docs/formats.md; Meng et al.
// 2022, section 3.2). The first three are shares of what judge() says of the facts. Facts that are `skipped`
// (already true before the edit) are left out of them. `drift` is the ratio of perplexities on held text,
// edited over base; std::nullopt if there is no held text. With a threshold for `said` a fifth one follows
// paraphrase: the share of paraphrases whose greedy continuation is the target.
std::vector<CheckResult> run_checks(const std::vector<EditRequest>& requests,
                                    const std::vector<FactState>& after, const std::vector<bool>& skipped,
                                    std::optional<double> drift, std::int64_t drift_tokens,
                                    const CheckThresholds& thresholds);

// Whether all checks that were measured passed.
bool all_passed(const std::vector<CheckResult>& checks);
// The names of those that did not, in their order.
std::vector<std::string> failed_checks(const std::vector<CheckResult>& checks);

}  // namespace emend
