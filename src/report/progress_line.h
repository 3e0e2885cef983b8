// One line that says how far a stage of the work is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace emend {

struct ProgressState {
  std::string stage;
  std::string unit;  // plural: "tokens"
  std::string note;  // may be empty
  std::int64_t done = 0;
  std::int64_t total = 0;  // 0: nobody knows
  double seconds = 0;      // since the stage began
};

// "search  [#####.....]  50 %  15/30 steps  3.10 steps/s  4.84 s left  loss 0.31", in at most `columns`.
std::string progress_bar(const ProgressState& state, std::size_t columns);

// "search: 30 steps", and "search: started" without a total.
std::string progress_begin(const ProgressState& state);

// "search: 15/30 steps, 3.10 steps/s, 4.84 s left, loss 0.31".
std::string progress_text(const ProgressState& state);

// "search: 30 steps in 9.68 s".
std::string progress_end(const ProgressState& state);

}  // namespace emend
