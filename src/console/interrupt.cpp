#include "console/interrupt.h"

#include <signal.h>

#include "emend/error.h"

namespace emend {
namespace {

volatile sig_atomic_t interrupted = 0;

extern "C" void note_signal(int) {
  interrupted = 1;
}

}  // namespace

void install_interrupt_handler() {
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

bool take_interrupt() {
  if (interrupted == 0) return false;
  interrupted = 0;
  return true;
}

void throw_if_interrupted() {
  if (interrupted != 0) throw Error(ErrorKind::kInterrupted, "interrupted");
}

}  // namespace emend
