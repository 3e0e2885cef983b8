// What emend locate found (emend/locate_run.h): on a terminal, as JSON, as a page with pictures.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/locate_run.h"
#include "reports/locate_page.h"

namespace emend {

enum class TextColour { kNone, kAnsi256 };

// Traces, averages, ranking, trial and decision. A heat map of one trace has tokens as rows and layers as
// columns; a cell is darker the more of high - low it brings back (shares below 0 count as 0). `columns`: of
// the terminal, 0: no limit.
std::string locate_text(const LocateOutcome& outcome, TextColour colour, std::size_t columns);

ResultJson locate_json(const LocateOutcome& outcome, const Model& model);

// What the page shows. The references in it are those of `outcome`.
LocateReport locate_report(const LocateOutcome& outcome, const LocateOptions& options, const Model& model);

}  // namespace emend
