// Work that is done on a device if there is room for it.
#pragma once

#include <c10/core/Device.h>
#include <c10/util/Exception.h>

namespace emend {

// work(device), or work(CPU) where the memory of the device does not do.
template <typename Work>
auto where_it_fits(const at::Device& device, Work work) {
  if (!device.is_cpu()) {
    try {
      return work(device);
    } catch (const c10::OutOfMemoryError&) {
      // what was held there is free by now
    }
  }
  return work(at::Device(at::kCPU));
}

}  // namespace emend
