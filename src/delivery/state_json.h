// Requests, measured states and check results as JSON, and back. What is broken is Error(kFormat) naming its
// path in the document (see JsonView). A number that is not finite is written as null and read as NaN.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "emend/checks.h"
#include "emend/edit.h"

namespace emend {

// A fact without its tensors.
Json fact_json(const EditedFact& fact);
EditedFact read_fact(const JsonView& view);

// The keys that a state has in patches and in results alike; a neighbour's without its answer.
ResultJson prompt_json(const PromptState& state);
ResultJson neighbour_json(const FactState::NeighbourState& state);

Json state_json(const FactState& state);
FactState read_state(const JsonView& view);

Json check_json(const CheckResult& check);
CheckResult read_check(const JsonView& view);

Json thresholds_json(const CheckThresholds& thresholds);
CheckThresholds read_thresholds(const JsonView& view);

}  // namespace emend
