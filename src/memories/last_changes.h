// What the last layer makes of the stream's favourite (emend/memory_aggregate.h, LastLayerChanges).
#pragma once

#include <cstdint>
#include <vector>

#include "emend/memory_aggregate.h"
#include "memories/aggregate_state.h"

namespace emend {

// `examples`: the model's last layer, one a position.
LastLayerChanges last_changes_of(const Model& model, const std::vector<ExampleLayer>& examples,
                                 std::uint64_t seed);

}  // namespace emend
