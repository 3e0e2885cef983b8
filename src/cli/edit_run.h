// The work of `emend edit`: measure, skip what is true already, edit, check.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/edit_prepare.h"
#include "emend/checks.h"
#include "emend/editor.h"
#include "emend/patch.h"
#include "linalg/spd_factor.h"

namespace emend {

struct EditSeconds {
  double load = 0, statistics = 0, search = 0, solve = 0, check = 0;
};

// What was done, for the report and the JSON.
struct EditOutcome {
  Patch patch;  // checks, states and facts of all requests, in the file's order
  std::string statistics_source;
  std::int64_t statistics_tokens = 0;
  std::optional<double> condition;  // of C; nothing: not positive definite, or no statistics were used
  std::optional<double>
      relative_ridge;  // the method's option, in units of trace(C) / d_ff; nothing: it has none
  std::optional<SpdInfo>
      solved;  // the ridge that was added to C, and the condition with it; nothing as above
  EditSeconds seconds;
  bool nothing_to_do = false;  // every request was already true
};

// Throws what the library throws; the model is as before in any case.
EditOutcome run_edit(const EditJob& job, Console& console);

// The ids of facts whose search failed (only with keep_going).
std::vector<std::string> failed_ids(const Edit& edit);

}  // namespace emend
