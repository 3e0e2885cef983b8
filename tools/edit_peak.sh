#!/usr/bin/env bash
# tools/edit_peak.sh [BLOCKS [LAYER [OBJECTIVE]]]
#
# The most memory that an edit of a model of Llama 2 7B's shape takes in bfloat16, beside its weights: writes a Q4_K_M file with
# random blocks (BLOCKS of them: 32) and made-up statistics of one layer (5), and edits one fact with `emend edit`. The whole shape
# takes 4.6 GB of disk and 16 GB of memory. What is written goes again. Needs the program and load_bench in build/release
# (scripts/bench.sh load_bench builds it).
#
# Each step of the search takes the same memory, so that two are enough. With random weights, `written` moves every token of every row; `injected` those from the subject on, as many as real models
# move with either.
set -euo pipefail
cd "$(dirname "$0")/.."

blocks=${1:-32} layer=${2:-5} objective=${3:-injected}
work=$(mktemp -d "${TMPDIR:-/tmp}/edit_peak.XXXXXX")
trap 'rm -rf "$work"' EXIT

bench=build/release/tests/bench/load_bench
"$bench" --write "$work/model.gguf" "$blocks"
"$bench" --statistics "$work/model.gguf" "$layer" "$work/statistics"
cat > "$work/edits.yaml" << YAML
model: model.gguf
layer: $layer
statistics: statistics
protect: none
options: {objective: $objective, steps: 2}
checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000000}
edits:
  - {id: eiffel, prompt: "The Eiffel Tower is located in the city of", subject: "Eiffel Tower", target: "Rome", was: "Paris"}
YAML
# The first run factors C and keeps the factor beside it, the second reads that.
for run in "makes the factor of C" "reads it"; do
  build/release/emend edit "$work/edits.yaml" --dtype bfloat16 --out "$work/out" --json "$work/edit.json" --keep-going ||
    [[ -s $work/edit.json ]] # with random weights the search or a check may fail: the JSON is written all the same
  python3 - "$work/edit.json" "$run" "$(build/release/emend model info "$work/model.gguf" --json -)" << 'PYTHON'
import json, sys
result = json.load(open(sys.argv[1]))
peak = result["peak_memory_bytes"]
weights = 2 * json.loads(sys.argv[3])["total_parameters"]
print(f"An edit that {sys.argv[2]}: at most {peak / 1e9:.2f} GB, {peak / weights:.3f} times the weights ({weights / 1e9:.2f} GB)")
PYTHON
done
