// Requests, measured states and check results as JSON, and back. What is broken is Error(kFormat) naming its
// path in the document (see JsonView). A number that is not finite is written as null and read as NaN.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "emend/checks.h"
#include "emend/edit.h"

namespace emend {

// A fact without its tensors: of its parts the weights, numbers of keys, rows and norms. What read_fact gives
// of an edited fact has parts whose `answers` have the right size and no memory.
Json fact_json(const FactRecord& fact);
FactRecord read_fact(const JsonView& view);
// The same of patches of format 1: one layer, and no states.
FactRecord read_format1_fact(const JsonView& view);

Json solve_json(const WeightSolve& solve);
WeightSolve read_solve(const JsonView& view);

// Whether a state holds as many paraphrases and neighbours as the request, and its id.
bool is_state_of(const FactState& state, const EditRequest& request);

// The keys that a state has in patches and in results alike; a neighbour's without its answer.
ResultJson prompt_json(const PromptState& state);
ResultJson neighbour_json(const FactState::NeighbourState& state);
ResultJson other_subject_json(const FactState::OtherSubjectState& state);  // without subject and answer

Json state_json(const FactState& state);
FactState read_state(const JsonView& view);

Json check_json(const CheckResult& check);
CheckResult read_check(const JsonView& view);

// That of bleed stands in patches with other subjects alone.
Json thresholds_json(const CheckThresholds& thresholds, bool with_bleed);
CheckThresholds read_thresholds(const JsonView& view);

}  // namespace emend
