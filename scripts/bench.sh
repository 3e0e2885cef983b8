#!/usr/bin/env bash
# scripts/bench.sh [PROGRAM...]
#
# Installs what is missing, builds emend, runs the benchmark programs of build/release/tests/bench (all of them, or those
# named) without arguments and prints what a number has to carry: machine, date, version and command. E.g.
# scripts/bench.sh tokenize_bench

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in -h | --help) print_help; exit 0 ;; esac

# shellcheck disable=SC2119 # the arguments are names of programs
build_targets=(emend benchmarks)
set_up

mapfile -t programs < <(find "$build_dir/tests/bench" -maxdepth 1 -type f -perm -u+x ! -name '*.so*' 2> /dev/null | sort)
((${#programs[@]} > 0)) || stop "no benchmark program in $build_dir/tests/bench"
if (($# > 0)); then
  known=("${programs[@]##*/}") programs=()
  for name in "$@"; do
    [[ " ${known[*]} " == *" $name "* ]] || stop "there is no benchmark program $name; known: ${known[*]}"
    programs+=("$build_dir/tests/bench/$name")
  done
fi

heading "Machine"
say "processor  $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) used"
say "memory     $(awk '/^MemTotal/ { printf "%.1f GB", $2 / 1e6 }' /proc/meminfo)"
say "date       $(date -u +%Y-%m-%d)"
say "version    $(git describe --always --dirty 2> /dev/null || echo unknown)"
say "compiler   $("${CXX:-g++}" --version | head -n 1)"

failed=()
for program in "${programs[@]}"; do
  heading "$program"
  "$program" || failed+=("${program##*/}")
done

heading "${#programs[@]} programs in $(elapsed)"
((${#failed[@]} == 0)) || stop "failed: ${failed[*]}"
