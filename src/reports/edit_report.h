// What `emend edit` tells of its work, for people and as JSON.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/edit_run.h"
#include "emend/editor.h"
#include "pipeline/result_json.h"

namespace emend {

// Tables of facts, losses, checks and costs.
std::string edit_report(const EditOutcome& outcome, std::size_t columns);

// The methods, one a line; and one of them with its options.
std::string methods_text(const std::vector<EditorHelp>& methods);
std::string method_text(const EditorHelp& method);

// "Method rome, objective written.", with "C = I" where no statistics were used.
std::string method_line(const std::string& method, Objective objective, bool uses_statistics);

// "4", or "4, 5" of a fact that is written to several layers.
std::string layers_text(const FactRecord& fact);

ResultJson edit_json(const EditOutcome& outcome, const Model& model,
                     const std::vector<std::filesystem::path>& outputs);

// The plan of --dry-run; without statistics the edits and their layers alone.
std::string plan_report(const PlanOutcome& outcome, std::size_t columns);
ResultJson plan_json(const PlanOutcome& outcome, const Model& model);

}  // namespace emend
