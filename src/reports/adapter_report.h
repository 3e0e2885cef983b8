// What was exported as an adapter (emend/adapter.h).
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/adapter.h"

namespace emend {

std::string adapter_text(const AdapterOutcome& outcome, std::size_t columns);
ResultJson adapter_json(const AdapterOutcome& outcome, const Model& model);

}  // namespace emend
