#include "console/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string_view>

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

// The >(command) of a shell is one, by a name of /dev/fd.
bool is_pipe(const std::string& file) {
  std::error_code failed;
  return std::filesystem::is_fifo(file, failed);
}

void write_into_pipe(const std::string& pipe, const std::string& text) {
  std::ofstream out(pipe, std::ios::binary);
  out << text << std::flush;
  if (!out) throw Error(ErrorKind::kIo, "cannot write into the pipe " + pipe);
}

// Behind the code that colours text and begins at `at`; `at` itself where none begins.
std::size_t end_of_colour_code(const std::string& text, std::size_t at) {
  if (text.compare(at, 2, "\x1B[") != 0) return at;
  const std::size_t end = text.find_first_not_of("0123456789;", at + 2);
  return end != std::string::npos && text[end] == 'm' ? end + 1 : at;
}

}  // namespace

std::string with_coloured_verdicts(const std::string& text) {
  std::string coloured;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line(text.data() + begin, end - begin);
    const auto cell = [&](std::string_view word, const char* colour) {
      if (!line.ends_with(word)) return false;
      const std::string_view before = line.substr(0, line.size() - word.size());
      if (!before.empty() && !before.ends_with("  ")) return false;
      coloured.append(before).append(colour).append(word).append("\x1B[0m");
      return true;
    };
    if (!cell("passed", "\x1B[32m") && !cell("FAILED", "\x1B[1;31m") && !cell("failed", "\x1B[1;31m") &&
        !cell("not measured", "\x1B[33m"))
      coloured.append(line);
    if (end < text.size()) coloured += '\n';
    begin = end + 1;
  }
  return coloured;
}

std::string without_colours(const std::string& text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of_colour_code(text, at);
    if (end == at)
      plain += text[at++];
    else
      at = end;
  }
  return plain;
}

std::size_t terminal_columns(int descriptor) {
  winsize size{};
  if (isatty(descriptor) == 0 || ioctl(descriptor, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

Console::Console(const CommonOptions& options)
    : log_file_(options.log),
      color_(options.color),
      json_(is_stdout(options.json) ? "" : options.json),
      progress_(progress_style(options.quiet)) {
  if (!json_.empty() && !is_pipe(json_)) require_writable_file(json_);
  if (!log_file_.empty()) require_writable_file(log_file_);
  if (is_stdout(options.json)) stdout_ = std::cout.rdbuf(std::cerr.rdbuf());
}

Console::~Console() {
  if (stdout_ != nullptr) std::cout.rdbuf(stdout_);
}

void Console::keep_json_apart(const OtherFiles& others) const {
  require_output_apart("--json", json_, others);
  OtherFiles all = others;
  all.files.emplace_back(json_);
  require_output_apart("--log", log_file_, all);
}

void Console::begin_log() {
  if (log_file_.empty()) return;
  log_ = &kept_;
  progress_.log_to(log_);
}

void Console::open_log() {
  if (log_ != &kept_) return;
  log_stream_.open(log_file_, std::ios::binary | std::ios::trunc);
  if (!log_stream_) throw Error(ErrorKind::kIo, "cannot write " + log_file_);
  log_stream_ << kept_.str() << std::flush;
  log_ = &log_stream_;
  progress_.log_to(log_);
}

void Console::log_error(const std::string& message) {
  if (log_ != nullptr) *log_ << "emend: " << with_hints(message) << std::endl;
}

bool Console::colours() const {
  if (color_ != "auto") return color_ == "always";
  const char* const term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  return stdout_ == nullptr && isatty(STDOUT_FILENO) != 0 && !dumb && std::getenv("NO_COLOR") == nullptr;
}

void Console::print(const std::string& text) {
  if (log_ != nullptr) *log_ << without_colours(text) << std::flush;
  std::cout << (colours() ? with_coloured_verdicts(text) : text);
}

void Console::print_plain(const std::string& text) {
  if (log_ != nullptr) *log_ << text << std::flush;
  std::cout << text;
}

void Console::note(const std::string& text) {
  progress_.note(text);
}

void Console::warn(const std::string& text) {
  progress_.end_line();
  const std::string line = "warning: " + one_line(with_hints(text));
  std::cerr << line << std::endl;
  if (log_ != nullptr) *log_ << line << std::endl;
}

std::size_t Console::columns() const {
  return terminal_columns(stdout_ == nullptr ? STDOUT_FILENO : STDERR_FILENO);
}

void Console::write_json(const std::string& result) const {
  throw_if_interrupted();
  if (is_pipe(json_))
    write_into_pipe(json_, result + "\n");
  else if (!json_.empty())
    write_file_atomically(json_, result + "\n");
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
