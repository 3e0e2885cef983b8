#include "model/device_graph.h"

#ifdef EMEND_CUDA_GRAPHS
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

// CUDA records on a stream of its own. One a device for all recordings: its workspaces are made once.
c10::Stream recording_stream(const at::Device& device) {
  static std::mutex mutex;
  static std::map<at::DeviceIndex, c10::Stream> known;
  const std::lock_guard lock(mutex);
  const auto found = known.find(device.index());
  if (found != known.end()) return found->second;
  const c10::impl::VirtualGuardImpl driver(device.type());
  return known.emplace(device.index(), driver.getStreamFromGlobalPool(device)).first->second;
}

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
  at::accelerator::synchronizeDevice(numbered.index());
  const c10::StreamGuard recording(recording_stream(numbered));
  recording_->graph.capture_begin();
  try {
    work();
  } catch (...) {
    try {
      recording_->graph.capture_end();
    } catch (const c10::Error&) {  // the first error says more
    }
    throw;
  }
  recording_->graph.capture_end();
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
  throw Error(ErrorKind::kConfig,
              "emend was built without CUDA's headers: work on " + device.str() + " cannot be recorded");
}

void DeviceGraph::run() {}

#endif

DeviceGraph::~DeviceGraph() = default;
DeviceGraph::DeviceGraph(DeviceGraph&&) noexcept = default;

}  // namespace emend
