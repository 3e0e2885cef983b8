// How long-running work reports its progress to the caller. The library never prints: the command line tool
// draws the bar.
#pragma once

#include <cstdint>
#include <string_view>

namespace emend {

// Called from the thread that does the work, never concurrently. An implementation may throw
// Error(ErrorKind::kInterrupted) from any of these to stop the work: no half-written file stays behind.
class Progress {
 public:
  virtual ~Progress() = default;
  // A stage begins: `total` units of work, e.g. 15360 "tokens". Stages do not nest.
  virtual void begin(std::string_view stage, std::int64_t total, std::string_view unit) = 0;
  // `done` units of the stage are finished; `note` is a short remark such as "loss 0.31", or empty.
  virtual void update(std::int64_t done, std::string_view note) = 0;
  virtual void end() = 0;
  // A remark between stages, for people: "No statistics of layer 4 in ...".
  virtual void note(std::string_view /*text*/) {}
  // Called outside of stages, before something is written. Throws if the work should stop.
  virtual void poll() {}
};

// Ignores everything. It has no state, so any number of threads may share one object.
class SilentProgress : public Progress {
 public:
  void begin(std::string_view, std::int64_t, std::string_view) override {}
  void update(std::int64_t, std::string_view) override {}
  void end() override {}
};

// For callers who do not follow the work: the default of functions that report progress.
inline Progress& no_progress() {
  static SilentProgress silent;
  return silent;
}

}  // namespace emend
