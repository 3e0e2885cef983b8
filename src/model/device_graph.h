// Work of a GPU that is recorded once and then launched as a whole: small kernels cost more to launch one by
// one than to run.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

namespace emend {

// A CUDA graph. What it reads are the very tensors that `work` met: change their values, not the tensors.
// What it computes on its way lies in memory that all recordings of a device share, and is gone once another
// one runs; its results are the caller's.
class DeviceGraph {
 public:
  // Whether work on `device` can be recorded: a GPU, and CUDA's headers were there when emend was built.
  static bool can_record(const at::Device& device);

  // Records what `work` launches on `device`, which runs none of it, and then the copy of what it returns
  // into `results`, which were made before, one for each and of its size. The work must neither wait for the
  // device nor copy from the host. Results hold numbers after run() only. Throws what `work` and torch throw.
  DeviceGraph(const at::Device& device, const std::function<std::vector<at::Tensor>()>& work,
              std::vector<at::Tensor> results);
  ~DeviceGraph();
  DeviceGraph(DeviceGraph&&) noexcept;

  // Behind what was launched before, on the current stream.
  void run();

 private:
  struct Recording;
  std::unique_ptr<Recording> recording_;
};

}  // namespace emend
