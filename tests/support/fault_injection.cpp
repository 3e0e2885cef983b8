#include "support/fault_injection.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

namespace emend::test {
namespace {

Fault armed = Fault::kKill;
int at_step = 0, steps = 0;
bool counting = false;

enum class Outcome { kGoOn, kDie, kFail };

Outcome next_step() {
  if (!counting || ++steps != at_step) return Outcome::kGoOn;
  if (armed == Fault::kKill) return Outcome::kDie;
  errno = armed == Fault::kNoSpace ? ENOSPC : EIO;
  return Outcome::kFail;
}

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

}  // namespace

void arm_fault(Fault fault, int step) {
  armed = fault;
  at_step = step;
  steps = 0;
  counting = true;
}

int fault_steps() {
  return steps;
}

// Before the operation: dies or fails there.
template <typename Call>
auto stepped(Call call) -> decltype(call()) {
  switch (next_step()) {
    case Outcome::kDie:
      die();
    case Outcome::kFail:
      return static_cast<decltype(call())>(-1);
    case Outcome::kGoOn:
      break;
  }
  return call();
}

}  // namespace emend::test

using emend::test::stepped;

extern "C" {

int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  const auto call = [&] { return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode)); };
  return (flags & O_CREAT) != 0 ? stepped(call) : call();
}

ssize_t write(int file, const void* bytes, size_t count) {
  if (file <= STDERR_FILENO) return ::syscall(SYS_write, file, bytes, count);
  using namespace emend::test;
  switch (next_step()) {
    case Outcome::kDie:
      ::syscall(SYS_write, file, bytes, count / 2);
      die();
    case Outcome::kFail:
      return -1;
    case Outcome::kGoOn:
      break;
  }
  return ::syscall(SYS_write, file, bytes, count);
}

ssize_t copy_file_range(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t count,
                        unsigned flags) {
  return stepped(
      [&] { return ::syscall(SYS_copy_file_range, from, from_offset, to, to_offset, count, flags); });
}

int mkdir(const char* path, mode_t mode) {
  return stepped([&] { return static_cast<int>(::syscall(SYS_mkdir, path, mode)); });
}

int fchmod(int file, mode_t mode) {
  return stepped([&] { return static_cast<int>(::syscall(SYS_fchmod, file, mode)); });
}

int fsync(int file) {
  return stepped([&] { return static_cast<int>(::syscall(SYS_fsync, file)); });
}

int rename(const char* from, const char* to) {
  return stepped([&] { return static_cast<int>(::syscall(SYS_rename, from, to)); });
}

int unlink(const char* path) {
  return stepped([&] { return static_cast<int>(::syscall(SYS_unlink, path)); });
}

int rmdir(const char* path) {
  return stepped([&] { return static_cast<int>(::syscall(SYS_rmdir, path)); });
}

}  // extern "C"
