// What work costs: how long its stages take, told by the progress that passes through, and the memory held.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/read_notes.h"
#include "base/search_stage.h"
#include "emend/progress.h"

namespace emend {

// Hands all calls on to `next`, which must outlive the clock.
class StageClock : public Progress, public SearchWatcher, public NoteReader {
 public:
  explicit StageClock(Progress& next) : next_(next), began_(Clock::now()) {}

  void search_begins() override {
    is_next_search_ = true;
    tell_search_begins(next_);
  }
  void begin(std::string_view stage, std::int64_t total, std::string_view unit) override {
    is_search_ = std::exchange(is_next_search_, false);
    stage_ = stage;
    stage_began_ = Clock::now();
    next_.begin(stage, total, unit);
  }
  void update(std::int64_t done, std::string_view note) override { next_.update(done, note); }
  void end() override {
    const double seconds = since(stage_began_);
    seconds_[stage_] += seconds;
    if (is_search_) search_seconds_ += seconds;
    next_.end();
  }
  void note(std::string_view text) override { next_.note(text); }
  bool reads_notes() const override { return emend::reads_notes(next_); }
  void poll() override { next_.poll(); }

  // Wall-clock seconds of each stage that has ended, by name.
  const std::map<std::string, double>& seconds() const { return seconds_; }
  // Of the stages in which values were searched or trained (search_stage.h).
  double search_seconds() const { return search_seconds_; }
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
  double search_seconds_ = 0;
  bool is_next_search_ = false, is_search_ = false;
};

// Bytes of the largest resident set of this process so far.
inline std::int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  constexpr std::int64_t kUnit = 1024;  // Linux counts kilobytes
  return usage.ru_maxrss * kUnit;
}

}  // namespace emend
