#include "console/interrupt.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "base/unfinished.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr std::chrono::seconds kGrace{1};

volatile sig_atomic_t interrupted = 0;
std::atomic<bool> is_heard{false}, ends_in_own_time{false};
sem_t signalled;

extern "C" void note_signal(int) {
  interrupted = 1;
  sem_post(&signalled);
}

// The work is in the middle of anything: what runs here must need nothing of it, not even a lock of
// iostreams.
[[noreturn]] void end_here(int exit_code) {
  clear_unfinished();
  const std::string_view text =
      isatty(STDERR_FILENO) != 0 ? "\nemend: interrupted\n" : "emend: interrupted\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  std::_Exit(exit_code);
}

void end_what_does_not_hear(int exit_code) {
  while (sem_wait(&signalled) != 0) {
  }
  std::this_thread::sleep_for(kGrace);
  if (is_heard) std::this_thread::sleep_for(kGrace);
  if (!ends_in_own_time) end_here(exit_code);
}

// Signals are for the other threads: a read that waits for a line must be woken by them.
void start_watching(int exit_code) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread(end_what_does_not_hear, exit_code).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

void install_interrupt_handler(int exit_code) {
  sem_init(&signalled, 0, 0);
  start_watching(exit_code);
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // Writing beyond a limit on the size of files is then an error like that of a full disk, and no sudden end.
  action.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &action, nullptr);
}

void end_in_own_time() {
  ends_in_own_time = true;
}

bool take_interrupt() {
  if (interrupted == 0) return false;
  interrupted = 0;
  return true;
}

void throw_if_interrupted() {
  if (interrupted == 0) return;
  is_heard = true;
  throw Error(ErrorKind::kInterrupted, "interrupted");
}

}  // namespace emend
