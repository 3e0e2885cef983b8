// An interruption at a chosen moment.
#pragma once

#include "base/stage_clock.h"
#include "emend/error.h"
#include "emend/progress.h"

namespace emend::test {

// Stops the run at the n-th sign of progress.
class StopAt : public Progress {
 public:
  explicit StopAt(int signs) : left_(signs) {}
  void begin(std::string_view, std::int64_t, std::string_view) override {}
  void update(std::int64_t, std::string_view) override {
    if (left_-- == 0) throw Error(ErrorKind::kInterrupted, "stopped");
  }
  void end() override {}

 private:
  int left_;
};

// Stops the run at the n-th sign of progress of its searches; -1: never, and only counts them.
class StopInSearch : public Progress {
 public:
  explicit StopInSearch(int signs) : stop_(signs) {}
  void begin(std::string_view stage, std::int64_t, std::string_view) override {
    searching_ = is_search_stage(stage);
  }
  void update(std::int64_t, std::string_view) override {
    if (searching_ && seen_++ == stop_) throw Error(ErrorKind::kInterrupted, "stopped");
  }
  void end() override { searching_ = false; }
  int seen() const { return seen_; }

 private:
  int stop_, seen_ = 0;
  bool searching_ = false;
};

}  // namespace emend::test
