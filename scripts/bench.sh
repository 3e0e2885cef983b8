#!/usr/bin/env bash
# scripts/bench.sh [BENCHMARK_ARGUMENT...]
#
# Installs what is missing, builds emend, runs every benchmark program of build/release/tests/bench and prints what a number
# has to carry: machine, date, version and command. E.g. scripts/bench.sh --benchmark_filter=Tokenizer

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in -h | --help) print_help; exit 0 ;; esac

# shellcheck disable=SC2119 # the arguments are the benchmarks'
set_up

mapfile -t programs < <(find "$build_dir/tests/bench" -maxdepth 1 -type f -perm -u+x ! -name '*.so*' 2> /dev/null | sort)
((${#programs[@]} > 0)) || stop "no benchmark program in $build_dir/tests/bench"

heading "Machine"
say "processor  $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) used"
say "memory     $(awk '/^MemTotal/ { printf "%.1f GB", $2 / 1e6 }' /proc/meminfo)"
say "date       $(date -u +%Y-%m-%d)"
say "version    $(git describe --always --dirty 2> /dev/null || echo unknown)"
say "compiler   $("${CXX:-g++}" --version | head -n 1)"

failed=()
for program in "${programs[@]}"; do
  heading "$program $*"
  "$program" "$@" || failed+=("${program##*/}")
done

heading "${#programs[@]} programs in $(elapsed)"
((${#failed[@]} == 0)) || stop "failed: ${failed[*]}"
