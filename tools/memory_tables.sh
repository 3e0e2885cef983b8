#!/usr/bin/env bash
# The tables of docs/memories.md for a real model: scans a text, then makes every table that rests on the scan or on the text.
#
#   tools/memory_tables.sh MODEL CORPUS OUT [TOKENS=100000] [DEVICE=cpu]
#
# MODEL: a checkpoint. CORPUS: a file or folder of text. OUT receives, for each analysis, the terminal's text (.txt), the JSON and the
# seconds (seconds.txt), the index (OUT/index), and report.html, one page over all. TOKENS are read by the scan; `aggregate` reads at most 200,000
# of them for its positions. Environment: EMEND the program (build/release/emend), THREADS, DTYPE (float32), EXAMPLES (4000 positions), CELLS (100 cells
# of a layer that patterns are looked for in), MUTATIONS (10 prefixes of each that lose a word), SPARSITY (2048 tokens of its curve). Run it again to go
# on after a stop: what has its JSON is not made again.
set -euo pipefail

readonly emend=${EMEND:-build/release/emend}
(($# >= 3)) || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
readonly model=$1 corpus=$2 out=$3 tokens=${4:-100000} device=${5:-cpu}
mkdir -p "$out"

common=(--threads "${THREADS:-$(nproc)}")
with_model=(--model "$model" --device "$device" --dtype "${DTYPE:-float32}" "${common[@]}")

# make NAME ARGUMENTS...: one analysis, unless its JSON is there.
make() {
  local name=$1 began
  shift
  [[ -s $out/$name.json ]] && return
  began=$(date +%s.%N)
  "$emend" memories "$@" --quiet --json "$out/$name.part" > "$out/$name.txt"
  awk -v name="$name" -v began="$began" -v ended="$(date +%s.%N)" 'BEGIN { printf "%s %.1f\n", name, ended - began }' >> "$out/seconds.txt"
  mv "$out/$name.part" "$out/$name.json"
  tail -n 1 "$out/seconds.txt"
}

make scan scan "${with_model[@]}" --corpus "$corpus" --tokens "$tokens" --out "$out/index" --resume
make values_raw values "${with_model[@]}" --index "$out/index" --lens raw # the paper's lens; the next one stays in the index
make values values "${with_model[@]}" --index "$out/index"
mutations=("${with_model[@]}" --mutations "${MUTATIONS:-10}")
[ "${MUTATIONS:-10}" != 0 ] || mutations=() # no model is read
make patterns patterns --index "$out/index" --cells "${CELLS:-100}" "${mutations[@]}"
make aggregate aggregate "${with_model[@]}" --corpus "$corpus" --tokens "$((tokens < 200000 ? tokens : 200000))" \
  --examples "${EXAMPLES:-4000}" --sparsity "${SPARSITY:-2048}" --out "$out/positions" --resume
make audit audit --index "$out/index" "${with_model[@]}"
make report report --index "$out/index" --cells 20 --out "$out/report.html" --with "$out"/{values,patterns,aggregate}.json
echo "$out/report.html"
