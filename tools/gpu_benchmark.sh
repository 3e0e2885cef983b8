#!/usr/bin/env bash
# Builds emend against a CUDA libtorch, runs the tests of label `cuda` and the benchmarks at real shapes, and gathers their
# figures as JSON. On a machine with a GPU:
#
#   tools/gpu_benchmark.sh OUT [cmake argument ...]      e.g. -DEMEND_LIBTORCH=$(python3 -c 'import torch, os; print(os.path.dirname(torch.__file__))')
#
# OUT receives configure.log, build.log, cuda_test.txt and one JSON file a benchmark; the shapes have random weights, no checkpoint is needed.
set -euo pipefail
[[ $# -ge 1 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
build=${EMEND_GPU_BUILD:-$root/build/gpu}

cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release "$@" > "$out/configure.log"
ninja -C "$build" emend cuda_test real_edit_bench locate_bench statistics_bench eval_bench > "$out/build.log"
"$build/tests/cuda/cuda_test" > "$out/cuda_test.txt" || { grep -E 'FAILED|Failure' "$out/cuda_test.txt"; exit 1; }
tail -n 1 "$out/cuda_test.txt"

# shape layer steps dtype together
edits() { "$build/tests/bench/real_edit_bench" "$1" "$2" "$3" cuda "$4" "$5" 5 > "$out/edit_$1_$4_$5.json"; echo "edit_$1_$4_$5.json"; }
edits gpt-j 5 20 bfloat16 32
edits gpt-j 5 20 float32 1
edits gpt2-xl 17 20 float32 1
edits llama-3-8b 5 25 bfloat16 32

for shape in gpt2-xl gpt-j; do
  "$build/tests/bench/locate_bench" "$shape" 3 cuda bfloat16 > "$out/trace_$shape.json"; echo "trace_$shape.json"
done
"$build/tests/bench/statistics_bench" gpt-j 65536 bfloat16 3 cuda > "$out/statistics_gpt-j.json"; echo statistics_gpt-j.json
for shape in gpt2-xl llama-3-8b; do
  "$build/tests/bench/eval_bench" "$shape" "$root/tests/data/world/edits.jsonl" 64 -1 emend cuda bfloat16 > "$out/evaluation_$shape.json"; echo "evaluation_$shape.json"
done
