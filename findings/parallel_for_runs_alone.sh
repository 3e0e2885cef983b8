#!/usr/bin/env bash
# findings/parallel_for_runs_alone.sh
#
# Packages: torch 2.13.0 (PyPI; the build for the CPU, x86-64). From the distribution: g++ (Debian 12: 12.2.0).
#
# at::parallel_for of libtorch's headers divides a range among at::get_num_threads() threads, in torch. In a
# program that is built against libtorch it runs the whole range on the calling thread, whatever the number
# of threads: the header uses OpenMP if the program itself is compiled with -fopenmp, else it falls back to
# a plain call without a word. at::get_num_threads() still says 2, since that function lies in the library,
# and operations of torch (at::mm) are divided. Neither the flags of TorchConfig.cmake nor
# torch.utils.cpp_extension add -fopenmp.
#
# So: what a program passes to at::parallel_for costs what a loop costs; -fopenmp, or threads of one's own.
#
# Output:
#   g++              at::get_num_threads() 2   pieces 1   threads that worked 1
#   g++ -fopenmp     at::get_num_threads() 2   pieces 2   threads that worked 2
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

cat > pieces.cpp << 'CPP'
#include <ATen/Parallel.h>

#include <cstdio>
#include <mutex>
#include <set>
#include <thread>

int main() {
  at::set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> workers;
  int pieces = 0;
  at::parallel_for(0, 1000, 1, [&](std::int64_t, std::int64_t) {
    const std::lock_guard lock(mutex);
    ++pieces;
    workers.insert(std::this_thread::get_id());
  });
  std::printf("at::get_num_threads() %d   pieces %d   threads that worked %zu\n", at::get_num_threads(), pieces,
              workers.size());
}
CPP

build_and_run() {
  g++ -std=c++20 "$@" -isystem "$torch/include" pieces.cpp -o pieces -lstdc++ "$torch/lib/libtorch_cpu.so" \
    "$torch/lib/libc10.so" -Wl,-rpath,"$torch/lib"
  ./pieces
}
plain=$(build_and_run)
printf '%-16s %s\n' "g++" "$plain"
openmp=$(build_and_run -fopenmp)
printf '%-16s %s\n' "g++ -fopenmp" "$openmp"
[[ $plain == "at::get_num_threads() 2   pieces 1   threads that worked 1" &&
   $openmp == "at::get_num_threads() 2   pieces 2   threads that worked 2" ]] || { echo "CHANGED" >&2; exit 1; }
echo "as stated"
