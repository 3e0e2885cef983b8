// How long each stage of a run took, told by the progress that passes through.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "emend/progress.h"

namespace emend {

class StageClock : public Progress {
 public:
  explicit StageClock(Progress& next) : next_(next) {}

  void begin(std::string_view stage, std::int64_t total, std::string_view unit) override {
    stage_ = stage;
    began_ = Clock::now();
    next_.begin(stage, total, unit);
  }
  void update(std::int64_t done, std::string_view note) override { next_.update(done, note); }
  void end() override {
    seconds_[stage_] += std::chrono::duration<double>(Clock::now() - began_).count();
    next_.end();
  }
  void note(std::string_view text) override { next_.note(text); }
  void poll() override { next_.poll(); }

  // Wall-clock seconds of the stages that have ended and whose name begins so.
  double seconds_of(std::string_view beginning) const {
    double total = 0;
    for (const auto& [stage, seconds] : seconds_)
      if (stage.compare(0, beginning.size(), beginning) == 0) total += seconds;
    return total;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Progress& next_;
  std::string stage_;
  Clock::time_point began_;
  std::map<std::string, double> seconds_;
};

}  // namespace emend
