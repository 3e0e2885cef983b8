#include "model/device_graph.h"

#include <fmt/format.h>

#ifdef EMEND_CUDA_GRAPHS
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>
#include <mutex>
#endif

#include "emend/error.h"

namespace emend {

#ifdef EMEND_CUDA_GRAPHS

namespace {

// What all recordings of a device share: the stream that CUDA records on, whose workspaces are made once, and
// the memory of what they leave behind. A pool of its own for each would be given back to nobody. Launched on
// one stream, one recording after the other may use the same memory: each computes all that it reads there
// anew, and results that somebody holds are not taken.
class Recorder {
 public:
  static Recorder& of(const at::Device& device) {
    static std::mutex mutex;
    static auto& known =
        *new std::map<at::DeviceIndex, Recorder>;  // never deleted: the driver ends before static objects do
    const std::lock_guard lock(mutex);
    return known.try_emplace(device.index(), device).first->second;
  }

  explicit Recorder(const at::Device& device)
      : device_(device),
        stream_(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device)),
        pool_(at::cuda::graph_pool_handle()) {
    record(holder_, [&] { at::zeros({1}, at::TensorOptions(device_)); });
  }

  // One at a time, and nothing that other threads do meanwhile disturbs it.
  void record(at::cuda::CUDAGraph& graph, const std::function<void()>& work) {
    const std::lock_guard lock(recording_);
    at::accelerator::synchronizeDevice(device_.index());
    const c10::StreamGuard guard(stream_);
    graph.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph.capture_end();
      } catch (const c10::Error&) {  // the first error says more
      }
      throw;
    }
    graph.capture_end();
  }

 private:
  at::Device device_;
  c10::Stream stream_;
  c10::MempoolId_t pool_;
  std::mutex recording_;
  at::cuda::CUDAGraph holder_;  // the pool lives as long as a graph of it does
};

}  // namespace

struct DeviceGraph::Recording {
  at::cuda::CUDAGraph graph;
};

bool DeviceGraph::can_record(const at::Device& device) {
  return device.is_cuda();
}

DeviceGraph::DeviceGraph(const at::Device& device, const std::function<void()>& work)
    : recording_(std::make_unique<Recording>()) {
  const at::Device numbered(device.type(), device.has_index() ? device.index() : at::DeviceIndex{0});
  Recorder::of(numbered).record(recording_->graph, work);
}

void DeviceGraph::run() {
  recording_->graph.replay();
}

#else

struct DeviceGraph::Recording {};

bool DeviceGraph::can_record(const at::Device&) {
  return false;
}

DeviceGraph::DeviceGraph(const at::Device& device, const std::function<void()>&) {
  throw Error(
      ErrorKind::kConfig,
      fmt::format("emend was built without CUDA's headers: work on {} cannot be recorded", device.str()));
}

void DeviceGraph::run() {}

#endif

DeviceGraph::~DeviceGraph() = default;
DeviceGraph::DeviceGraph(DeviceGraph&&) noexcept = default;

}  // namespace emend
