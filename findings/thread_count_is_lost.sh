#!/usr/bin/env bash
# findings/thread_count_is_lost.sh
#
# Packages: torch 2.13.0 (PyPI; the build for the CPU, x86-64). From the distribution: g++ (Debian 12: 12.2.0).
#
# at::set_num_threads counts for the calling thread (OpenMP's and MKL's number are each thread's own), and is
# also kept as the common number that threads begin with. A thread takes the common number over when it first
# asks for it, not when it sets one: in a new thread that sets its number, at::get_num_threads() and the next
# operation give what another thread has set in between. And there are two notes of having asked: the library's,
# and one of each program or library that uses at::parallel_for, which is inline. Where only the library's is
# settled, the number is lost later, when the program's own code first divides work. So two threads that use two
# models with 1 and 2 threads now and then compute with the other's number, without a word, and sums end in
# other last bits.
#
# So: in every new thread first at::get_num_threads(), then at::internal::lazy_init_num_threads() (inline, so it
# is the program's own note), and only then at::set_num_threads.
#
# Output (a new thread sets 2, another one sets 1 for itself; asked now, and after at::parallel_for):
#   set                         1 1
#   ask the library, set        2 1
#   ask both, set               2 2
#
# Exits with 1 if this changed, with 2 if a program is missing.

set -euo pipefail

for program in python3 g++; do
  command -v "$program" > /dev/null || { echo "missing: $program" >&2; exit 2; }
done
unset OMP_NUM_THREADS
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0
torch=$(venv/bin/python -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')

cat > lost.cpp << 'CPP'
#include <ATen/Parallel.h>

#include <cstdio>
#include <thread>

void show(const char* what, bool library, bool program) {
  std::thread([=] {
    if (library) at::get_num_threads();
    if (program) at::internal::lazy_init_num_threads();
    at::set_num_threads(2);
    std::thread([] { at::set_num_threads(1); }).join();
    const int now = at::get_num_threads();
    at::parallel_for(0, 1000, 1, [](std::int64_t, std::int64_t) {});
    std::printf("%-28s%d %d\n", what, now, at::get_num_threads());
  }).join();
}

int main() {
  at::set_num_threads(2);
  show("set", false, false);
  show("ask the library, set", true, false);
  show("ask both, set", true, true);
}
CPP
g++ -std=c++20 -fopenmp -isystem "$torch/include" lost.cpp -o lost "$torch/lib/libtorch_cpu.so" "$torch/lib/libc10.so" \
  -Wl,-rpath,"$torch/lib"
found=$(./lost)
echo "$found"
[[ $found == "set                         1 1
ask the library, set        2 1
ask both, set               2 2" ]] || { echo "CHANGED" >&2; exit 1; }
echo "as stated"
