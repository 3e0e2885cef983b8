// What a command says besides its results: notes, warnings, progress, and the JSON file.
#pragma once

#include <cstddef>
#include <fstream>
#include <ostream>
#include <sstream>
#include <streambuf>
#include <string>

#include "base/dump_json.h"
#include "base/json.h"
#include "console/options.h"
#include "console/terminal_progress.h"
#include "io/output_check.h"

namespace emend {

// The text with the verdicts of tables (passed, FAILED, not measured), where they end a line, in colours of
// the terminal.
std::string with_coloured_verdicts(const std::string& text);

// The text without the codes that colour it ("\x1B[32m").
std::string without_colours(const std::string& text);

// Columns of the terminal behind a file descriptor; 0 when it is none.
std::size_t terminal_columns(int descriptor);

// `--json -` stands for stdout: until the Console is gone, what is meant for people goes to stderr instead.
class Console {
 public:
  // Throws Error(kIo) when --json names a file that cannot be written.
  explicit Console(const CommonOptions& options);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // Throws Error(kUsage) when --json would overwrite what the command reads or writes otherwise.
  void keep_json_apart(const OtherFiles& others) const;

  // A line on stderr, unless --quiet.
  void note(const std::string& text);
  // A line on stderr in any case.
  void warn(const std::string& text);
  TerminalProgress& progress() { return progress_; }
  // Results, on stdout: verdicts at the end of a line in colour where colours are wanted.
  void print(const std::string& text);
  // The same for what a model writes, where "passed" is no verdict: no colours.
  void print_plain(const std::string& text);
  // --color, and with `auto` whether stdout is a terminal that takes colours: TERM is not "dumb", and
  // NO_COLOR is not set.
  bool colours() const;

  // From now on what is said is kept for the file of --log, if one was asked for.
  void begin_log();
  // Writes what was kept into that file, and all that follows; not before every output was kept apart from
  // it, for it loses what it held. Nothing happens without begin_log, or a second time. Throws Error(kIo).
  void open_log();
  // The error that ends the command, into that file; a file that is not open stays as it is.
  void log_error(const std::string& message);
  // For tables on stdout; 0: no limit.
  std::size_t columns() const;

  // Writes --json FILE, if it was asked for: the whole file or nothing, and into a pipe as it is. Throws
  // Error(kIo).
  // `result`: a text of to_json (emend/report.h).
  void write_json(const std::string& result) const;
  void write_json(const ResultJson& result) const { write_json(dump_json(result)); }

  // The same for another file of results, which `option` ("--junit", "--report") names: asked before the
  // work, it throws Error(kIo) if the file cannot be written and Error(kUsage) if it would overwrite one of
  // `others` or the file of --json. Accepts an empty `file`.
  void check_result_file(const std::string& option, const std::string& file, const OtherFiles& others) const;
  // Writes the whole file or nothing.
  void write_result_file(const std::string& file, const std::string& text) const;

 private:
  std::string log_file_, color_;
  std::ostringstream kept_;  // said before the file of --log was opened
  std::ofstream log_stream_;
  std::ostream* log_ = nullptr;       // kept_, then log_stream_; nullptr: none
  std::string json_;                  // a file; empty: none
  std::streambuf* stdout_ = nullptr;  // where std::cout led, while the result goes there
  TerminalProgress progress_;
};

}  // namespace emend
