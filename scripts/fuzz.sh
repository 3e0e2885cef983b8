#!/usr/bin/env bash
# Fuzzes the readers of files that anybody may have made: scripts/fuzz.sh [--seconds N | --runs N] [TARGET...]
#
# Builds the targets of tests/fuzz with clang's libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer into
# build/fuzz, and runs each for N seconds (default 60) from its seeds and from what earlier runs have kept in
# build/fuzz/corpus; or, with --runs, over N inputs that are the same each time. What is found lies in build/fuzz/found;
# then it ends with 1. An input that takes 10 seconds is a finding; EMEND_FUZZ_TIMEOUT gives another limit, for a machine
# that is so busy with other work that it leaves the fuzzer waiting for that long.
set -euo pipefail
cd "$(dirname "$0")/.."

length=(-max_total_time=60)
kept=build/fuzz/corpus
targets=()
while (($#)); do
  case $1 in
    --seconds) length=(-max_total_time="${2:?--seconds wants a number}"); shift 2 ;;
    --runs) length=(-runs="${2:?--runs wants a number}" -seed=1); kept=build/fuzz/corpus.once; shift 2 ;;
    --help) sed -n '2,9s/^# \?//p' "$0"; exit 0 ;;
    *) targets+=("$1"); shift ;;
  esac
done
((${#targets[@]})) || targets=(safetensors gguf imatrix tokenizer_json chat_template config edit_file patch)

command -v clang++-14 > /dev/null || { echo "scripts/fuzz.sh: clang++-14 is needed (Debian's package clang-14)" >&2; exit 2; }
[[ -e build/fuzz/build.ninja ]] || cmake --preset fuzz ${EMEND_LIBTORCH:+-DEMEND_LIBTORCH="$EMEND_LIBTORCH"}
cmake --build --preset fuzz -j "${EMEND_JOBS:-1}" --target "${targets[@]/#/fuzz_}"

# libtorch is not instrumented: its vectors carry no marks of where they end.
export ASAN_OPTIONS=detect_container_overflow=0:allocator_may_return_null=0 UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=1
mkdir -p build/fuzz/found
rm -rf build/fuzz/corpus.once
# The same inputs each time also wants the same addresses: the fuzzer learns from what memory comparisons see.
fixed=()
if [[ ${length[0]} == -runs=* ]] && setarch "$(uname -m)" -R true 2> /dev/null; then fixed=(setarch "$(uname -m)" -R); fi
found=0
for target in "${targets[@]}"; do
  corpus=$kept/$target
  mkdir -p "$corpus"
  seeds=(tests/fuzz/seeds/"$target")
  [[ ! -d tests/fuzz/findings/$target ]] || seeds+=(tests/fuzz/findings/"$target")
  echo "== $target ${length[*]}"
  failed=0
  "${fixed[@]}" build/fuzz/tests/fuzz/fuzz_"$target" "${length[@]}" -timeout="${EMEND_FUZZ_TIMEOUT:-10}" -rss_limit_mb=2048 -max_len=8192 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/found/$target-" "$corpus" "${seeds[@]}" > "build/fuzz/$target.log" 2>&1 || failed=1
  grep -E "stat::number_of_executed_units|stat::peak_rss_mb|SUMMARY|ERROR" "build/fuzz/$target.log" || true
  if ((failed)); then
    found=1
    tail -n 60 "build/fuzz/$target.log"
    for input in build/fuzz/found/"$target"-*; do [[ ! -f $input ]] || { echo "$input, base64:"; base64 "$input"; }; done
  fi
done
exit "$found"
