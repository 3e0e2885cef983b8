// What a GPU did, for a trace viewer.
#pragma once

#include <torch/csrc/autograd/profiler_kineto.h>

#include <functional>
#include <set>
#include <string>

namespace emend::bench {

// Runs the work under torch's profiler; the file receives its trace.
inline void profile(const std::string& file, const std::function<void()>& work) {
  using namespace torch::autograd::profiler;
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  const std::set<torch::profiler::impl::ActivityType> activities = {
      torch::profiler::impl::ActivityType::CPU, torch::profiler::impl::ActivityType::CUDA};
  prepareProfiler(config, activities);
  enableProfiler(config, activities);
  work();
  disableProfiler()->save(file);
}

}  // namespace emend::bench
