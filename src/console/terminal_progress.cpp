#include "console/terminal_progress.h"

#include <unistd.h>

#include <iostream>

#include "console/console.h"
#include "console/hints.h"
#include "console/interrupt.h"

namespace emend {
namespace {

constexpr std::chrono::milliseconds kBetweenDrawings{100};
constexpr std::chrono::seconds kBetweenLines{10};
constexpr std::size_t kUnknownColumns = 80;

}  // namespace

void TerminalProgress::begin(std::string_view stage, std::int64_t total, std::string_view unit) {
  throw_if_interrupted();
  state_ = {std::string(stage), std::string(unit), "", 0, total, 0};
  began_ = drawn_ = Clock::now();
  if (style_ == Style::kLines) std::cerr << progress_begin(state_) << std::endl;
  if (log_ != nullptr) *log_ << progress_begin(state_) << std::endl;
  if (style_ == Style::kBar) draw();
}

void TerminalProgress::update(std::int64_t done, std::string_view note) {
  throw_if_interrupted();
  state_.done = done;
  state_.note = note;
  const auto now = Clock::now();
  state_.seconds = std::chrono::duration<double>(now - began_).count();
  if (style_ == Style::kNothing ||
      now - drawn_ < (style_ == Style::kBar ? Clock::duration(kBetweenDrawings) : kBetweenLines))
    return;
  drawn_ = now;
  draw();
}

void TerminalProgress::end() {
  throw_if_interrupted();
  state_.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  state_.note.clear();
  if (style_ == Style::kBar) {
    draw();
    end_line();
  }
  if (style_ == Style::kLines) std::cerr << progress_end(state_) << std::endl;
  if (log_ != nullptr) *log_ << progress_end(state_) << std::endl;
}

void TerminalProgress::note(std::string_view text) {
  end_line();
  if (style_ != Style::kNothing) std::cerr << with_hints(text) << std::endl;
  if (log_ != nullptr) *log_ << with_hints(text) << std::endl;
}

void TerminalProgress::poll() {
  throw_if_interrupted();
}

void TerminalProgress::draw() {
  if (style_ == Style::kLines) {
    std::cerr << progress_text(state_) << std::endl;
    return;
  }
  const std::size_t columns = terminal_columns(STDERR_FILENO);
  // One less than there are: a full line would wrap on some terminals.
  std::cerr << "\r" << progress_bar(state_, (columns > 1 ? columns : kUnknownColumns) - 1) << "\x1B[K"
            << std::flush;
  line_open_ = true;
}

void TerminalProgress::end_line() {
  if (line_open_) std::cerr << std::endl;
  line_open_ = false;
}

}  // namespace emend
