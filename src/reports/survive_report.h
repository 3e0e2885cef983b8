// What is left of an edit (emend/survive_run.h): on a terminal, as JSON and as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/model.h"
#include "emend/survive_run.h"

namespace emend {

std::string survive_text(const SurviveOutcome& outcome, std::size_t columns);
ResultJson survive_json(const SurviveOutcome& outcome, const Model& model);
std::string survive_page(const SurviveOutcome& outcome, const Model& model);

}  // namespace emend
