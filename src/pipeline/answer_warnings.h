// Warnings about the answers that an edit is judged by: those that the model does not give, and those that
// look like no answer.
#pragma once

#include <string>
#include <vector>

#include "emend/fact_state.h"
#include "emend/records.h"

namespace emend {

// `given` are the requests as they were asked for, `filled` the same with present answers
// (fill_present_answers), `before` what the base says to them, in one order. Requests that are `skipped`
// (already true) are not looked at. Told are:
// - `was`, or the answer of a neighbour, that was given and is not what the base says;
// - one that was found and is empty, a function word ("the"), or the beginning of a longer name.
// Each text begins with "edit ID: ". Of more than 20 texts the others are counted in one.
std::vector<std::string> answer_warnings(const std::vector<EditRequest>& given,
                                         const std::vector<EditRequest>& filled,
                                         const std::vector<FactState>& before,
                                         const std::vector<bool>& skipped);

}  // namespace emend
