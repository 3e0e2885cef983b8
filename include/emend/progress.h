// How long work tells its caller where it stands. The library never prints: the command line tool draws the bar.
#pragma once

#include <cstdint>
#include <string_view>

namespace emend {

// Called from the thread that does the work, never concurrently. An implementation may throw
// Error(ErrorKind::kInterrupted) from any of these to stop the work: nothing half-written stays behind.
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
  // Asked outside of stages, before something is written: shall the work go on? An answer of no is thrown.
  virtual void poll() {}
};

// Takes everything and says nothing.
class SilentProgress : public Progress {
 public:
  void begin(std::string_view, std::int64_t, std::string_view) override {}
  void update(std::int64_t, std::string_view) override {}
  void end() override {}
};

}  // namespace emend
