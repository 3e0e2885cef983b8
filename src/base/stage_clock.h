// What work costs: how long its stages take, told by the progress that passes through, and the memory held.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "emend/progress.h"

namespace emend {

// Whether this is a stage in which an editor looks for its values, whatever its method calls that: "searching
// 12 values", "training 3 facts". All else that an editor does is its solve.
inline bool is_search_stage(std::string_view stage) {
  return stage.starts_with("searching ") || stage.starts_with("training ");
}

// Hands all calls on to `next`, which must outlive the clock.
class StageClock : public Progress {
 public:
  explicit StageClock(Progress& next) : next_(next), began_(Clock::now()) {}

  void begin(std::string_view stage, std::int64_t total, std::string_view unit) override {
    stage_ = stage;
    stage_began_ = Clock::now();
    next_.begin(stage, total, unit);
  }
  void update(std::int64_t done, std::string_view note) override { next_.update(done, note); }
  void end() override {
    seconds_[stage_] += since(stage_began_);
    next_.end();
  }
  void note(std::string_view text) override { next_.note(text); }
  void poll() override { next_.poll(); }

  // Wall-clock seconds of each stage that has ended, by name.
  const std::map<std::string, double>& seconds() const { return seconds_; }
  // Of the stages in which values were searched or trained.
  double search_seconds() const {
    double total = 0;
    for (const auto& [stage, seconds] : seconds_)
      if (is_search_stage(stage)) total += seconds;
    return total;
  }
  // Of the rest of this object's life so far: what an editor does besides its search.
  double other_seconds() const { return since(began_) - search_seconds(); }

 private:
  using Clock = std::chrono::steady_clock;
  static double since(Clock::time_point began) {
    return std::chrono::duration<double>(Clock::now() - began).count();
  }

  Progress& next_;
  Clock::time_point began_, stage_began_;
  std::string stage_;
  std::map<std::string, double> seconds_;
};

// Bytes of the largest resident set of this process so far.
inline std::int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  constexpr std::int64_t kUnit = 1024;  // Linux counts kilobytes
  return usage.ru_maxrss * kUnit;
}

}  // namespace emend
