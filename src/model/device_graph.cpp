#include "model/device_graph.h"

#include <fmt/format.h>

#ifdef EMEND_CUDA_GRAPHS
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/GradMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>
#include <mutex>
#include <utility>
#endif

#include "emend/error.h"

namespace emend {

#ifdef EMEND_CUDA_GRAPHS

namespace {

// What all recordings of a device share: the stream that CUDA records on, whose workspaces are made once, and
// the memory of what they leave behind. A pool of its own for each would be given back to nobody. Launched on
// one stream, one recording after the other may use the same memory: each computes all that it reads there
// anew. Nothing stays there from one run to the next, not even results: a recording that was made before they
// were writes over them whenever it runs, and with two threads it runs before they are read.
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

  // Graphs come and go one at a time: torch keeps lists of them, which have no lock.
  void drop(std::unique_ptr<at::cuda::CUDAGraph> graph) {
    const std::lock_guard lock(recording_);
    graph.reset();
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
  explicit Recording(Recorder& of) : recorder(of) {}
  ~Recording() { recorder.drop(std::move(graph)); }

  Recorder& recorder;
  std::unique_ptr<at::cuda::CUDAGraph> graph = std::make_unique<at::cuda::CUDAGraph>();
  std::vector<at::Tensor> results;
};

bool DeviceGraph::can_record(const at::Device& device) {
  return device.is_cuda();
}

DeviceGraph::DeviceGraph(const at::Device& device, const std::function<std::vector<at::Tensor>()>& work,
                         std::vector<at::Tensor> results) {
  const at::Device numbered(device.type(), device.has_index() ? device.index() : at::DeviceIndex{0});
  Recorder& recorder = Recorder::of(numbered);
  recording_ = std::make_unique<Recording>(recorder);
  recording_->results = std::move(results);
  recorder.record(*recording_->graph, [&] {
    const std::vector<at::Tensor> made = work();
    const c10::NoGradGuard no_grad;
    for (std::size_t i = 0; i < made.size(); ++i) recording_->results.at(i).copy_(made[i]);
  });
}

void DeviceGraph::run() {
  recording_->graph->replay();
}

#else

struct DeviceGraph::Recording {};

bool DeviceGraph::can_record(const at::Device&) {
  return false;
}

DeviceGraph::DeviceGraph(const at::Device& device, const std::function<std::vector<at::Tensor>()>&,
                         std::vector<at::Tensor>) {
  throw Error(
      ErrorKind::kConfig,
      fmt::format("emend was built without CUDA's headers: work on {} cannot be recorded", device.str()));
}

void DeviceGraph::run() {}

#endif

DeviceGraph::~DeviceGraph() = default;
DeviceGraph::DeviceGraph(DeviceGraph&&) noexcept = default;

}  // namespace emend
