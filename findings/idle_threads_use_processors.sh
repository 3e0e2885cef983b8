#!/usr/bin/env bash
# findings/idle_threads_use_processors.sh
#
# Packages: torch 2.13.0 (PyPI; the build for the CPU, x86-64, with the libgomp of GCC 13 that it brings).
#
# Threads of GNU OpenMP that have nothing to do do not sleep. After every operation that torch divides among
# its threads, the others look for the next one in a loop, some 300,000 times, which is several milliseconds
# of a processor. A program that pauses between operations, or that shares its processors with others,
# spends most of its processor time in that loop, and beside other work it is slowed down by its own idle
# threads. torch.set_num_threads does not change it, and the variables that would (OMP_WAIT_POLICY,
# GOMP_SPINCOUNT) are read when the library is loaded, so a program cannot set them for itself.
#
# What few would guess is that it can be changed at run time: libgomp looks 100 times only, and then sleeps,
# while it has more threads than there are processors. Threads that sleep in the team of another thread
# count. So a second thread that ran one operation, and then waits for an event, makes all of the process
# wait politely, and its end makes them wait actively again.
#
# Output (2 threads, 300 operations with pauses of 2 ms; 2 busy cores; seconds):
#   alone                             processor 2.44   wall clock 13.43
#   beside a second, sleeping team    processor 0.10   wall clock  1.58
#   after the end of that team        processor 2.48   wall clock 13.31
#   GOMP_SPINCOUNT=0                  processor 0.09   wall clock  1.40
#
# Exits with 1 if processor time no longer falls to a third and rises again, with 2 if python3 is missing or
# there is one processor only.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
(($(nproc) > 1)) || { echo "needs two processors" >&2; exit 2; }
unset OMP_WAIT_POLICY GOMP_SPINCOUNT OMP_NUM_THREADS
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0

cat > waiting.py << 'PYTHON'
import os
import sys
import threading
import time
import warnings

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")

import torch

torch.set_num_threads(os.cpu_count())
x = torch.ones(1 << 17)  # enough for two threads


def operations(name):
    processor, wall = time.process_time(), time.monotonic()
    for _ in range(300):
        x.exp()
        time.sleep(0.002)
    processor, wall = time.process_time() - processor, time.monotonic() - wall
    print(f"{name:32}  processor {processor:.2f}   wall clock {wall:5.2f}")
    return processor


if len(sys.argv) > 1:
    operations(sys.argv[1])
    sys.exit()
x.exp()
alone = operations("alone")
ready, end = threading.Event(), threading.Event()


def sleep():
    x.exp()  # makes the team
    ready.set()
    end.wait()


sleeper = threading.Thread(target=sleep)
sleeper.start()
ready.wait()
beside = operations("beside a second, sleeping team")
end.set()
sleeper.join()
after = operations("after the end of that team")
sys.exit(0 if 3 * beside < min(alone, after) else 1)
PYTHON
venv/bin/python waiting.py || { echo "CHANGED" >&2; exit 1; }
GOMP_SPINCOUNT=0 venv/bin/python waiting.py GOMP_SPINCOUNT=0
echo "as stated"
