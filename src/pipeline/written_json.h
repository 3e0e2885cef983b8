// What was written into a checkpoint, as the JSON of the contract (docs/formats.md).
#pragma once

#include "base/json.h"
#include "emend/write_back.h"

namespace emend {

// One record a tensor: what it was and is stored as, the share of the change that arrived, and rounding.
ResultJson written_tensors_json(const WritePlan& plan);

// One record a fact of this patch: what arrived at its keys.
ResultJson realised_json(const WritePlan& plan, std::size_t patch);

}  // namespace emend
