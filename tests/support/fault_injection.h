// Steps at which a file operation of this process dies or fails. Linking fault_injection.cpp into a test puts
// its own open, mkdir, write, copy_file_range, fchmod, fsync, rename, unlink and rmdir before those of the
// system.
#pragma once

namespace emend::test {

enum class Fault { kKill, kNoSpace, kIoError };

// From now on the `step`-th operation (from 1) that changes something on the disk is the fault: kKill ends
// the process as kill -9 does, after half of the bytes when it is a write; the others fail once. 0: never.
void arm_fault(Fault fault, int step);

// How many operations there were since then.
int fault_steps();

}  // namespace emend::test
