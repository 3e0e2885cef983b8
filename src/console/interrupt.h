// Ctrl-C and SIGTERM as a flag that the work looks at.
#pragma once

namespace emend {

// From now on the first SIGINT or SIGTERM sets the flag, and the next one ends the program at once; SIGXFSZ
// is passed over.
void install_interrupt_handler();

// Whether the flag was set; it is not any more. For a command that a signal ends as it should.
bool take_interrupt();

// Throws Error(kInterrupted) once the flag is set. Any thread.
void throw_if_interrupted();

}  // namespace emend
