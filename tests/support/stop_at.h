// An interruption at a chosen moment.
#pragma once

#include <utility>

#include "base/search_stage.h"
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
class StopInSearch : public Progress, public SearchWatcher {
 public:
  explicit StopInSearch(int signs) : stop_(signs) {}
  void search_begins() override { is_next_ = true; }
  void begin(std::string_view, std::int64_t, std::string_view) override {
    searching_ = std::exchange(is_next_, false);
  }
  void update(std::int64_t, std::string_view) override {
    if (searching_ && seen_++ == stop_) throw Error(ErrorKind::kInterrupted, "stopped");
  }
  void end() override { searching_ = false; }
  int seen() const { return seen_; }

 private:
  int stop_, seen_ = 0;
  bool is_next_ = false, searching_ = false;
};

}  // namespace emend::test
