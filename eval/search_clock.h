// An editor's progress inside a run, and how long it searches.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "emend/progress.h"

namespace emend {

// Editors speak of their own stages; here they are part of one, and what they say becomes its remark. Time
// within stages called "searching ..." is search; the rest of this object's life (contexts, keys, closed
// form) is not.
class SearchClock : public Progress {
 public:
  SearchClock(Progress& outer, std::int64_t done, std::string label)
      : outer_(outer), done_(done), label_(std::move(label)), began_(Clock::now()) {}

  void begin(std::string_view stage, std::int64_t, std::string_view) override {
    stage_began_ = Clock::now();
    searching_ = stage.starts_with("search");
    outer_.update(done_, label_);
  }
  void update(std::int64_t, std::string_view) override { outer_.update(done_, label_); }
  void end() override {
    if (searching_) search_seconds_ += seconds_since(stage_began_);
    searching_ = false;
  }

  double search_seconds() const { return search_seconds_; }
  double other_seconds() const { return seconds_since(began_) - search_seconds_; }

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point began) {
    return std::chrono::duration<double>(Clock::now() - began).count();
  }

  Progress& outer_;
  std::int64_t done_;
  std::string label_;
  Clock::time_point began_, stage_began_;
  bool searching_ = false;
  double search_seconds_ = 0;
};

}  // namespace emend
