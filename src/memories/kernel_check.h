// Do the kernels of a device give what those of the CPU give? They are translated by a compiler that this
// program's tests do not reach, so a few invented tokens are swept both ways before a result relies on them.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>

#include "memories/layer_state.h"

namespace emend {

// What differs between two states of a layer, sums by more than float32 explains: "the histogram"; or
// nothing.
std::string difference(const LayerState& one, const LayerState& other);

// Sweeps invented coefficients of that type, with and without a gate, on the device and on the CPU. Empty if
// they agree, otherwise what does not. The device must have kernels (DeviceKernels::of).
std::string kernel_fault(const at::Device& device, at::ScalarType type);

}  // namespace emend
