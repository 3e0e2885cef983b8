// The kernels of sweep_kernels.inc on the device where coefficients are: on the CPU compiled with the rest,
// on a GPU by the compiler that comes with libtorch's CUDA (NVRTC), once a process and device. No CUDA header
// and no toolkit is needed.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

namespace emend {

namespace sweep_kernels {
struct SweepArguments;
}

class DeviceKernels {
 public:
  enum class Step {
    kSweep,       // sweep_row, one cell a thread; grid: cells, rows
    kSweepPairs,  // the same, two cells of 16 bits a thread
    kMerge,       // merge_rows; grid: cells, 2 ends
    kDraw,        // draw_examples; grid: cells
    kBins,        // take_bins_of; grid: cells
  };

  virtual ~DeviceKernels() = default;

  // Starts a step over `across` cells (or pairs of cells) and `down` rows or ends; on a GPU on the stream of
  // torch, without waiting. `type`: float, bfloat16 or half, of the coefficients. Throws Error(kModel).
  virtual void launch(Step step, at::ScalarType type, std::int64_t across, std::int64_t down,
                      const sweep_kernels::SweepArguments& arguments) const = 0;

  // Those of a device, which stay until the process ends. Null where there are none; `why_not`, if given,
  // then receives the reason.
  static const DeviceKernels* of(const at::Device& device, std::string* why_not = nullptr);
};

}  // namespace emend
