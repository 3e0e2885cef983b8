#include "terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

namespace emend {
namespace {

int open_master(int columns) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
    throw std::runtime_error("no pseudo-terminal");
  winsize size{};
  size.ws_row = 24;
  size.ws_col = static_cast<unsigned short>(columns);
  ioctl(master, TIOCSWINSZ, &size);
  return master;
}

[[noreturn]] void become(const std::string& terminal, const std::vector<std::string>& words,
                         const std::vector<std::pair<std::string, std::string>>& environment) {
  setsid();
  const int slave = open(terminal.c_str(), O_RDWR);  // becomes the controlling terminal
  ioctl(slave, TIOCSCTTY, 0);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(slave, stream);
  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  setenv("OMP_NUM_THREADS", "1", 0);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  execv(pointers[0], pointers.data());
  _exit(127);
}

// Behind a code of the form "\x1B[...letter" that begins at `at`; `at` where none does.
std::size_t end_of_code(const std::string& text, std::size_t at) {
  if (text.compare(at, 2, "\x1B[") != 0) return at;
  const std::size_t end = text.find_first_not_of("0123456789;", at + 2);
  return end == std::string::npos ? text.size() : end + 1;
}

}  // namespace

Terminal::Terminal(int columns, const std::vector<std::string>& arguments,
                   const std::vector<std::pair<std::string, std::string>>& environment)
    : master_(open_master(columns)) {
  std::vector<std::string> words = {EMEND_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const std::string terminal = ptsname(master_);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) become(terminal, words, environment);
}

Terminal::~Terminal() {
  if (!ended_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(master_);
}

bool Terminal::read_some(int milliseconds) {
  pollfd in{master_, POLLIN, 0};
  if (poll(&in, 1, milliseconds) <= 0) return true;
  std::array<char, 4096> bytes{};
  const ssize_t count = read(master_, bytes.data(), bytes.size());
  if (count <= 0) return false;  // EIO: the program has closed its side
  for (ssize_t i = 0; i < count; ++i) {
    const char byte = bytes[static_cast<std::size_t>(i)];
    if (byte == '\n' && text_.ends_with('\r')) text_.pop_back();  // the terminal's own line end
    text_ += byte;
  }
  return true;
}

bool Terminal::wait_for(const std::string& text) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  for (bool open = true;;) {
    if (const auto at = text_.find(text, seen_); at != std::string::npos) {
      seen_ = at + text.size();
      return true;
    }
    if (!open || std::chrono::steady_clock::now() > until) return false;
    open = read_some(100);
  }
}

void Terminal::type(const std::string& keys) const {
  if (write(master_, keys.data(), keys.size()) < 0) throw std::runtime_error("the terminal is gone");
}

void Terminal::resize(int columns) const {
  winsize size{};
  size.ws_row = 24;
  size.ws_col = static_cast<unsigned short>(columns);
  ioctl(master_, TIOCSWINSZ, &size);
}

int Terminal::wait() {
  while (read_some(1000)) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  ended_ = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::vector<std::string> Terminal::lines() const {
  std::vector<std::string> lines = {""};
  for (std::size_t at = 0; at < text_.size();) {
    if (const std::size_t end = end_of_code(text_, at); end != at) {
      at = end;
      continue;
    }
    const char byte = text_[at++];
    if (byte == '\n')
      lines.emplace_back();
    else if (byte == '\r')
      lines.back().clear();
    else
      lines.back() += byte;
  }
  return lines;
}

std::size_t width_of(const std::string& line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

}  // namespace emend
