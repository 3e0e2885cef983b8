// The state of a layer as whole numbers, as processes send it to each other.
#pragma once

#include <cstdint>
#include <vector>

#include "memories/layer_state.h"

namespace emend {

std::vector<std::uint64_t> numbers_of(const LayerState& state);
// One or more states of that shape, one after another, added up. They come from numbers_of.
LayerState state_of(const std::vector<std::uint64_t>& numbers, const StateShape& shape);

}  // namespace emend
