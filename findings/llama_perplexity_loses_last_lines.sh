#!/usr/bin/env bash
# llama-perplexity of llama.cpp v0.4.0 ends with exit code 0 and without its last lines: the final estimate and the table of
# KL statistics are what is missing.
#
# Packages: node-llama-cpp 3.21.1 and @node-llama-cpp/linux-x64 3.21.1 (npm; they carry the source and the built libraries of
# llama.cpp v0.4.0), gguf 0.19.0 and numpy 2.2.6 (PyPI). From the distribution: python3, node, npm, git, g++.
#
# The program is compiled here from its two source files against those libraries. Its lines pass through a thread of the log; main
# ends without waiting for it, and the log is on purpose never destroyed (common/log.cpp says that lines may be lost). With
# output into a file or a pipe the last line in 10 of 10 runs was that of a chunk. The same program with one line more,
# common_log_flush(common_log_main()) at the end of main, prints all of it.
#
# Output: "as it is: N of 10 runs print the final estimate; flushed: 10 of 10", N less than 10 (0 where it was found).
# tools/fixtures/kl_reference.py compiles the program with that line.
#
# Exits with 1 if all runs print it, with 2 if a program is missing.

set -euo pipefail

for program in python3 node npm git g++; do
  command -v "$program" > /dev/null || { echo "missing: $program" >&2; exit 2; }
done
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

npm install --silent --ignore-scripts --no-audit --no-fund --omit=optional \
  node-llama-cpp@3.21.1 @node-llama-cpp/linux-x64@3.21.1 > /dev/null
git clone --quiet node_modules/node-llama-cpp/llama/gitRelease.bundle llama.cpp 2> /dev/null
python3 -m venv venv
venv/bin/pip install --quiet gguf==0.19.0 numpy==2.2.6
binaries=$PWD/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64
source=$PWD/llama.cpp

cat > flushing.cpp << 'CPP'
#include "log.h"
int llama_perplexity(int argc, char** argv);
int main(int argc, char** argv) {
  const int code = llama_perplexity(argc, argv);
  common_log_flush(common_log_main());
  return code;
}
CPP
build() {
  g++ -std=c++17 -O1 -I"$source/common" -I"$source/include" -I"$source/ggml/include" -I"$source/vendor" \
    "$source/tools/perplexity/perplexity.cpp" "$1" -o "$2" "$binaries"/libllama-common.so "$binaries"/libllama.v0.4.0.so \
    "$binaries"/libggml.v0.4.0.so "$binaries"/libggml-base.so "-Wl,-rpath,$binaries" -lpthread
}
build "$source/tools/perplexity/main.cpp" as_it_is
build flushing.cpp flushed

cat > model.py << 'PYTHON'
import gguf
import numpy

random = numpy.random.default_rng(0)
writer = gguf.GGUFWriter("model.gguf", "llama")
words = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
writer.add_tokenizer_model("llama")
writer.add_token_list(words)
writer.add_token_scores([0.0] * len(words))
writer.add_token_types([2, 3, 3] + [6] * 256)
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.add_vocab_size(len(words))
for name, value in (("block_count", 1), ("context_length", 256), ("embedding_length", 32), ("feed_forward_length", 32),
                    ("attention.head_count", 2), ("rope.dimension_count", 16)):
    writer.add_uint32("llama." + name, value)
writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
for name, shape in (("token_embd", (len(words), 32)), ("output", (len(words), 32)), ("blk.0.attn_q", (32, 32)), ("blk.0.attn_k", (32, 32)),
                    ("blk.0.attn_v", (32, 32)), ("blk.0.attn_output", (32, 32)), ("blk.0.ffn_gate", (32, 32)),
                    ("blk.0.ffn_up", (32, 32)), ("blk.0.ffn_down", (32, 32))):
    writer.add_tensor(name + ".weight", (random.standard_normal(shape) * 0.1).astype(numpy.float32))
for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
    writer.add_tensor(name + ".weight", numpy.ones(32, numpy.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
PYTHON
venv/bin/python model.py
printf 'A text of some length for the perplexity of a small model. %.0s' 1 2 3 4 5 6 > text.txt

runs() { # how many of 10 print the final estimate
  local found=0
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    # The program looks for its processor's library in the current folder.
    (cd "$binaries" && "$temporary/$1" -m "$temporary/model.gguf" -f "$temporary/text.txt" -c 16 -b 16 -t 1) \
      > output.txt 2> errors.txt || { tail -3 errors.txt >&2; exit 2; }
    if cat output.txt errors.txt | grep -q "Final estimate: PPL"; then found=$((found + 1)); fi
  done
  echo "$found"
}
plain=$(runs as_it_is)
flushed=$(runs flushed)
echo "as it is: $plain of 10 runs print the final estimate; flushed: $flushed of 10"
[[ $plain -lt 10 && $flushed -eq 10 ]]
