// An interruption at a chosen moment.
#pragma once

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

}  // namespace emend::test
