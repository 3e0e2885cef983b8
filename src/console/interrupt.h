// Ctrl-C and SIGTERM: a flag that the work looks at, and an end for work that does not look in time.
#pragma once

namespace emend {

// From now on the first SIGINT or SIGTERM sets the flag, and the same one again ends the program at once;
// SIGXFSZ is passed over. Work that has not ended a second after the first signal, or a second after it saw
// the flag, is ended by a thread of its own: with this exit code, and without temporary files or folders
// (base/unfinished.h). One long operation of libtorch looks at no flag.
void install_interrupt_handler(int exit_code);

// For a command that a signal ends as it should, however long that takes: nothing but a second signal ends
// it from outside.
void end_in_own_time();

// Whether the flag was set; it is not any more.
bool take_interrupt();

// Throws Error(kInterrupted) once the flag is set. Any thread.
void throw_if_interrupted();

}  // namespace emend
