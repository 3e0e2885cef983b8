// The built program in a real terminal: a pseudo-terminal that is its controlling one.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace emend {

// What a person sees and types. Both streams of the program go to the terminal, lines end in "\n".
class Terminal {
 public:
  // `environment`: what is set beside TERM=xterm and OMP_NUM_THREADS=1; an empty value is set, too.
  Terminal(int columns, const std::vector<std::string>& arguments,
           const std::vector<std::pair<std::string, std::string>>& environment = {});
  ~Terminal();  // ends a program that still runs
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Reads until the program has written `text`, behind what was waited for before; false if it ends or a
  // minute passes.
  bool wait_for(const std::string& text);
  void type(const std::string& keys) const;  // "\x03" is Ctrl-C, "\x04" Ctrl-D
  void resize(int columns) const;
  // Waits for its end; the exit code, or 128 + signal.
  int wait();

  // All that was written so far.
  const std::string& text() const { return text_; }
  // Its lines without codes that colour or clear, as they stand when it has ended: what "\r" overwrites is
  // gone.
  std::vector<std::string> lines() const;

 private:
  bool read_some(int milliseconds);  // false: nothing more will come

  int master_ = -1;
  pid_t pid_ = -1;
  std::string text_;
  std::size_t seen_ = 0;
  bool ended_ = false;
};

// Characters of UTF-8.
std::size_t width_of(const std::string& line);

}  // namespace emend
