// The CPU memory that tensors take while a scope lasts, as torch's allocator reports it.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

namespace emend::test {

// Tensors that this thread and torch's workers allocate in the scope count, and their peak is kept.
class TensorMemory {
 public:
  TensorMemory()
      : counter_(std::make_shared<Counter>()), guard_(c10::DebugInfoKind::PROFILER_STATE, counter_) {}

  std::int64_t peak() const { return counter_->peak; }
  std::int64_t held() const { return counter_->held; }

 private:
  struct Counter : c10::MemoryReportingInfoBase {
    std::atomic<std::int64_t> held = 0, peak = 0;
    void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t, c10::Device device) override {
      if (!device.is_cpu()) return;
      const std::int64_t now = held += bytes;
      std::int64_t before = peak;
      while (before < now && !peak.compare_exchange_weak(before, now)) {
      }
    }
    bool memoryProfilingEnabled() const override { return true; }
  };

  std::shared_ptr<Counter> counter_;
  c10::DebugInfoGuard guard_;
};

}  // namespace emend::test
