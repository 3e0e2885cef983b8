// Bleed: how far an edit reaches subjects that it is not about. The edit's prompt is asked about other
// subjects of the same kind, which have other answers (unlike the neighbourhood of Meng et al. 2022, section
// 3.2, whose subjects share the old answer). Measured are the rise of p(target) there and the fall of the
// probability of the subject's own answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emend/checks.h"
#include "emend/edit.h"
#include "emend/fact_state.h"
#include "emend/records.h"

namespace emend {

// One other subject of one edit, before and after.
struct SubjectBleed {
  std::string id;       // of the edit
  std::string subject;  // the other one
  std::string answer;   // its own
  double rise = 0;      // of p(target): after - before, of the whole answer; negative: it fell
  // Of p(answer): before - after. std::nullopt if it has no meaning: the base does not say the answer, or
  // the prompt is itself edited.
  std::optional<double> fall;
  bool answers = false;    // the base says the answer
  std::string completion;  // the edited model's
};

// One entry for each other subject of the facts that were measured before and after the edit and were not
// true already.
std::vector<SubjectBleed> bleed_of(const std::vector<FactRecord>& facts);

struct BleedSummary {
  std::int64_t n = 0;        // other subjects
  std::int64_t unknown = 0;  // those whose answer the base does not say
  double mean = 0;           // of the rises, each at least 0
  double worst = 0;          // the largest rise; NaN if one is not a number
  const SubjectBleed* worst_at = nullptr;
  double mean_fall = 0;  // of the falls that have a meaning, each at least 0
  double worst_fall = 0;
  const SubjectBleed* worst_fall_at = nullptr;
};
// Points into `bleeds`, which outlives it.
BleedSummary summarise(const std::vector<SubjectBleed>& bleeds);

// The check `bleed`: the largest rise of p(target) at another subject must not exceed the threshold.
// Returns std::nullopt if the edits name no other subjects; then there are the other four checks only.
std::optional<CheckResult> check_bleed(const std::vector<EditRequest>& requests,
                                       const std::vector<FactState>& before,
                                       const std::vector<FactState>& after, const std::vector<bool>& skipped,
                                       double threshold);

}  // namespace emend
