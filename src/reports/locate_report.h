// What emend locate found (emend/locate_run.h): on a terminal, as JSON, as a page with pictures.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/locate_run.h"
#include "reports/locate_page.h"
#include "reports/locate_text.h"

namespace emend {

// Traces, averages, ranking, trial and decision.
std::string locate_text(const LocateOutcome& outcome, TextColour colour, std::size_t columns);

ResultJson locate_json(const LocateOutcome& outcome, const Model& model);

// What the page shows. The references in it are those of `outcome`.
LocateReport locate_report(const LocateOutcome& outcome, const LocateOptions& options, const Model& model);

}  // namespace emend
