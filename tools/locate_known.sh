#!/usr/bin/env bash
# The figures of docs/locate.md for a real model: traces the first FACTS facts of a file that the model knows, in parts side by side, then
# averages them, edits TRIAL of them at every candidate layer, and TRIAL others for the check on facts that the trial did not use.
#
#   [DTYPE=bfloat16] tools/locate_known.sh MODEL FACTS.json OUT [FACTS=120] [TRIAL=40] [PARTS=4] [LAYERS]
#
# Each part gets the machine's cores divided by PARTS; the environment's DTYPE (float32) is the type of weights and activations. Run it
# again to go on after a stop. Results: OUT/locate.json, OUT/report.html, OUT/svg/,
# and the terminal's text in OUT/locate.txt.
set -euo pipefail

readonly emend=${EMEND:-build/release/emend}
(($# >= 3)) || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
readonly model=$1 facts=$2 out=$3 count=${4:-120} trial=${5:-40} parts=${6:-4} layers=${7:-}
threads=$(($(nproc) / parts)); ((threads >= 1)) || threads=1
mkdir -p "$out"

common=(--model "$model" --facts "$facts" --limit "$count" --out "$out/run" --estimates --dtype "${DTYPE:-float32}")
pids=()
for ((i = 0; i < parts; ++i)); do
  OMP_NUM_THREADS=$threads "$emend" locate "${common[@]}" --resume --shard "$i/$parts" --threads "$threads" --quiet &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done

tried=(--trial "$trial" --check "$trial")
[[ -n $layers ]] && tried+=(--trial-layers "$layers")
"$emend" locate "${common[@]}" --resume "${tried[@]}" --json "$out/locate.json" --report "$out/report.html" --svg "$out/svg" | tee "$out/locate.txt"
