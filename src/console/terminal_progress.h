// Progress on stderr, and where Ctrl-C takes effect.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>

#include "emend/progress.h"
#include "report/progress_line.h"

namespace emend {

// A bar that is redrawn at most ten times a second, or a line at the start, every ten seconds and at the end,
// or nothing.
class TerminalProgress : public Progress {
 public:
  enum class Style { kBar, kLines, kNothing };

  explicit TerminalProgress(Style style) : style_(style) {}
  ~TerminalProgress() override { end_line(); }
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;

  // All but note throw Error(kInterrupted) after Ctrl-C.
  void begin(std::string_view stage, std::int64_t total, std::string_view unit) override;
  void update(std::int64_t done, std::string_view note) override;
  void end() override;
  // A line of its own on stderr; kNothing: none.
  void note(std::string_view text) override;
  void poll() override;

  // Where stages and notes are written as lines, too, whatever the style; it must outlive this object's use.
  void log_to(std::ostream* log) { log_ = log; }

  // Ends a bar that stands unfinished, so that other text begins a line of its own.
  void end_line();

 private:
  using Clock = std::chrono::steady_clock;
  void draw();

  Style style_;
  ProgressState state_;
  Clock::time_point began_;
  Clock::time_point drawn_;
  bool line_open_ = false;
  std::ostream* log_ = nullptr;
};

}  // namespace emend
