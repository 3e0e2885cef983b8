// A first edit file that was written (pipeline/first_edit.h).
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"
#include "pipeline/first_edit.h"

namespace emend {

// "edits/first.yaml: The Eiffel Tower is located in the city of Paris", one line.
std::string first_edit_line(const FirstEdit& first, const std::filesystem::path& file);
ResultJson first_edit_json(const FirstEdit& first, const std::filesystem::path& file);

// What the user has to hear where the model knows none of the facts.
std::string unknown_facts_remark(const FirstEdit& first, const std::filesystem::path& file);

}  // namespace emend
