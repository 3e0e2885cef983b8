// What a drift budget let in, as text and JSON.
#pragma once

#include <optional>
#include <string>

#include "emend/edit_run.h"
#include "pipeline/result_json.h"

namespace emend {

// Which facts a budget let in, which of them failed, and which it left out: one to three lines.
std::string budget_text(const BudgetOutcome& outcome);
// null without a budget
ResultJson budget_json(const std::optional<BudgetOutcome>& outcome);

}  // namespace emend
