#include "pipeline/patch_checks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/statistics_texts.h"
#include "emend/bleed.h"
#include "emend/edit_run.h"
#include "emend/generate.h"
#include "measure/drift.h"

namespace emend {
namespace {

// Which of them were true before the edit.
std::vector<bool> skipped_of(const Patch& patch) {
  std::vector<bool> skipped;
  for (const FactRecord& fact : patch.edit.facts) skipped.push_back(fact.status == FactStatus::kAlreadyTrue);
  return skipped;
}

std::vector<FactState> stored(const Patch& patch, std::optional<FactState> FactRecord::*when) {
  std::vector<FactState> states;
  for (const FactRecord& fact : patch.edit.facts) {
    if (!(fact.*when)) return {};
    states.push_back(*(fact.*when));
  }
  return states;
}

void set(std::vector<FactRecord>& facts, const std::vector<FactState>& states,
         std::optional<FactState> FactRecord::*when) {
  for (std::size_t i = 0; i < facts.size(); ++i) facts[i].*when = states.at(i);
}

// 0 if nothing is changed, and where a weight outside of the blocks is: the embedding reaches all of them,
// and those behind them are too rare to be worth another way.
int first_changed_block(const Edit& edit) {
  const auto first = std::ranges::min_element(edit.changes, {},
                                              [](const WeightChange& change) { return change.weight.block; });
  return first == edit.changes.end() ? 0 : std::max(first->weight.block, 0);
}

}  // namespace

std::vector<FactState> stored_before(const Patch& patch) {
  return stored(patch, &FactRecord::before);
}

std::vector<FactState> stored_after(const Patch& patch) {
  return stored(patch, &FactRecord::after);
}

void set_before(Edit& edit, const std::vector<FactState>& states) {
  set(edit.facts, states, &FactRecord::before);
}

void set_after(Edit& edit, const std::vector<FactState>& states) {
  set(edit.facts, states, &FactRecord::after);
}

std::vector<FactRecord> with_states(const Patch& patch, const std::vector<FactState>& before,
                                    const std::vector<FactState>& after) {
  std::vector<FactRecord> facts = patch.edit.facts;
  set(facts, before, &FactRecord::before);
  set(facts, after, &FactRecord::after);
  return facts;
}

std::vector<EditRequest> requests_of(const Patch& patch) {
  std::vector<EditRequest> requests;
  for (const FactRecord& fact : patch.edit.facts) requests.push_back(fact.request);
  return requests;
}

std::vector<FactState> measure_patch(const Model& model, const Patch& patch, std::int64_t token_budget,
                                     Progress& progress) {
  const CheckOptions how{.prefix = patch.prefix, .form = patch.form, .token_budget = token_budget};
  return measure_facts(model, requests_of(patch), how, progress);
}

std::optional<double> held_nll(const Model& model, const Patch& patch, std::int64_t token_budget) {
  if (patch.held_text.empty()) return std::nullopt;
  return mean_nll(model, patch.held_text, token_budget);
}

HeldText::HeldText(const Model& model, const Patch& patch, std::int64_t token_budget,
                   const std::filesystem::path& statistics) {
  if (patch.held_text.empty()) return;
  const StatisticsTexts kept(statistics);
  const int block = first_changed_block(patch.edit);
  const std::string identity = text_identity(model, patch.held_text, token_budget);
  if (const auto base = kept.load_base(block, identity, TextNll::tokens_of(patch.held_text, token_budget),
                                       model.config().d_model)) {
    text_.emplace(model, patch.held_text, block, token_budget, base->hidden);
    before_ = base->nll;
    return;
  }
  text_.emplace(model, patch.held_text, block, token_budget);
  before_ = text_->mean();
  if (block == 0 || StatisticsTexts::keeps(text_->tokens(), model.config().d_model))
    kept.save_base(block, identity, {*before_, text_->hidden()});
}

std::optional<double> HeldText::nll_now() const {
  return text_ ? std::optional(text_->mean()) : std::nullopt;
}

std::vector<CheckResult> checks_of(const Patch& patch, const std::vector<FactState>& before,
                                   const std::vector<FactState>& after,
                                   const std::optional<double>& nll_before,
                                   const std::optional<double>& nll_after) {
  std::optional<double> drift;
  if (nll_before && nll_after) drift = std::exp(*nll_after - *nll_before);
  const std::vector<EditRequest> requests = requests_of(patch);
  const std::vector<bool> skipped = skipped_of(patch);
  std::vector<CheckResult> checks =
      run_checks(requests, after, skipped, drift, measured_tokens(patch.held_text), patch.thresholds);
  if (const auto bleed = check_bleed(requests, before, after, skipped, patch.thresholds.bleed))
    checks.push_back(*bleed);
  return checks;
}

bool passes(const Edit& edit, const std::vector<CheckResult>& checks) {
  return all_passed(checks) && failed_ids(edit).empty();
}

std::optional<double> largest_difference(const std::vector<FactState>& stored,
                                         const std::vector<FactState>& now) {
  if (stored.empty()) return std::nullopt;
  double largest = 0;
  for (std::size_t i = 0; i < std::min(stored.size(), now.size()); ++i) {
    const double difference = std::abs(stored[i].prompt.p_target - now[i].prompt.p_target);
    largest =
        std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(largest, difference);
  }
  return largest;
}

}  // namespace emend
