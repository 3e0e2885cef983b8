#include "console/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "base/atomic_file.h"
#include "console/hints.h"
#include "console/interrupt.h"
#include "emend/error.h"
#include "report/display_text.h"

namespace emend {

namespace {

TerminalProgress::Style progress_style(bool quiet) {
  if (quiet) return TerminalProgress::Style::kNothing;
  return isatty(STDERR_FILENO) != 0 ? TerminalProgress::Style::kBar : TerminalProgress::Style::kLines;
}

// It may be a pipe, which no file can take the place of.
bool is_stdout(const std::string& file) {
  return file == "-" || file == "/dev/stdout";
}

}  // namespace

std::size_t terminal_columns(int descriptor) {
  winsize size{};
  if (isatty(descriptor) == 0 || ioctl(descriptor, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

Console::Console(const CommonOptions& options)
    : json_(is_stdout(options.json) ? "" : options.json), progress_(progress_style(options.quiet)) {
  if (!json_.empty()) require_writable_file(json_);
  if (is_stdout(options.json)) stdout_ = std::cout.rdbuf(std::cerr.rdbuf());
}

Console::~Console() {
  if (stdout_ != nullptr) std::cout.rdbuf(stdout_);
}

void Console::keep_json_apart(const OtherFiles& others) const {
  require_output_apart("--json", json_, others);
}

void Console::note(const std::string& text) {
  progress_.note(text);
}

void Console::warn(const std::string& text) {
  progress_.end_line();
  std::cerr << "warning: " << one_line(with_hints(text)) << std::endl;
}

std::size_t Console::columns() const {
  return terminal_columns(stdout_ == nullptr ? STDOUT_FILENO : STDERR_FILENO);
}

void Console::write_json(const std::string& result) const {
  throw_if_interrupted();
  if (!json_.empty()) write_file_atomically(json_, result + "\n");
  if (stdout_ == nullptr) return;
  std::ostream out(stdout_);
  out << result << std::endl;
  if (!out) throw Error(ErrorKind::kIo, "cannot write to the standard output");
}

void Console::check_result_file(const std::string& option, const std::string& file,
                                const OtherFiles& others) const {
  if (file.empty()) return;
  require_writable_file(file);
  OtherFiles all = others;
  all.files.emplace_back(json_);
  require_output_apart(option, file, all);
}

void Console::write_result_file(const std::string& file, const std::string& text) const {
  throw_if_interrupted();
  write_file_atomically(file, text);
}

}  // namespace emend
