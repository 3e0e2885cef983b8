// What was exported as an adapter (emend/adapter.h).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/adapter.h"

namespace emend {

// The label and the subjects, the first twelve of many, with a line feed.
std::string subjects_line(const std::string& label, const std::vector<std::string>& subjects);

std::string adapter_text(const AdapterOutcome& outcome, std::size_t columns);
ResultJson adapter_json(const AdapterOutcome& outcome, const Model& model);

}  // namespace emend
