#!/usr/bin/env bash
# findings/llama_cpp_ignores_yarn_keys.sh
#
# Packages: node-llama-cpp 3.21.1 and @node-llama-cpp/linux-x64 3.21.1 (npm; they carry the source and a build of llama.cpp v0.4.0),
# gguf 0.19.0 and numpy 2.2.6 (PyPI). From the distribution: node, npm, git, g++.
#
# llama.cpp's converter writes the settings of YaRN for every architecture: {arch}.rope.scaling.type, .factor,
# .original_context_length, .yarn_beta_fast, .yarn_beta_slow and .yarn_attn_factor. llama.cpp reads the first three for every
# architecture, but the last three for Grok alone (Mistral 3 has the two betas). A llama, qwen2 or qwen3 file that says other
# betas than 32 and 1, or an attention factor of its own, is run with the defaults; nothing warns. The key
# {arch}.rope.scaling.attn_factor, which the converter writes for Phi 3 alone, is read for every architecture and multiplies.
#
# So: such a file holds the model that transformers computes, and llama.cpp computes another one from it. A reader that honours
# the keys agrees with the checkpoint and differs from llama.cpp; compare with llama.cpp only where the betas are 32 and 1.
#
# Output (random llama, 24 ids, YaRN of factor 4 from 16 positions; largest difference of the logits to the file without the key):
#   rope.scaling.type none instead of yarn                    6.77
#   rope.scaling.original_context_length 64 instead of 16     7.67
#   rope.scaling.yarn_beta_fast 0.5                           0.00
#   no key, but yarn_beta_fast 0.5 of the context             6.40
#   rope.scaling.yarn_beta_slow 0.1                           0.00
#   no key, but yarn_beta_slow 0.1 of the context             7.67
#   rope.scaling.yarn_attn_factor 1.5                         0.00
#   rope.scaling.attn_factor 1.5                              4.72
#
# Exits with 1 if this changed, with 2 if a program is missing.

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

cat > logits.cpp << 'CPP'
// logits FOLDER MODEL BETA_FAST BETA_SLOW ATTN_FACTOR: float32 logits of 24 ids, to standard output. -1: what the model says.
#include <cstdio>
#include <cstdlib>

#include "ggml-backend.h"
#include "llama.h"

int main(int, char** argv) {
  ggml_backend_load_all_from_path(argv[1]);
  llama_log_set([](ggml_log_level level, const char* text, void*) {
    if (level >= GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
  }, nullptr);
  llama_model* model = llama_model_load_from_file(argv[2], llama_model_default_params());
  if (model == nullptr) return 1;
  llama_context_params options = llama_context_default_params();
  options.n_ctx = options.n_batch = 256;
  options.n_threads = options.n_threads_batch = 1;
  options.type_k = options.type_v = GGML_TYPE_F32;
  options.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  options.yarn_beta_fast = std::atof(argv[3]);
  options.yarn_beta_slow = std::atof(argv[4]);
  options.yarn_attn_factor = std::atof(argv[5]);
  llama_context* context = llama_init_from_model(model, options);
  llama_batch batch = llama_batch_init(24, 0, 1);
  batch.n_tokens = 24;
  for (int i = 0; i < 24; ++i) {
    batch.token[i] = (7 * i + 3) % 32;
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  if (llama_decode(context, batch) != 0) return 2;
  for (int i = 0; i < 24; ++i) std::fwrite(llama_get_logits_ith(context, i), sizeof(float), 32, stdout);
}
CPP
g++ -std=c++17 -Illama.cpp/include -Illama.cpp/ggml/include logits.cpp -o logits \
  "$binaries"/libllama.v0.4.0.so "$binaries"/libggml.v0.4.0.so "$binaries"/libggml-base.so "-Wl,-rpath,$binaries"

cat > keys.py << 'PYTHON'
import subprocess
import sys

import gguf
import numpy

changed = False
yarn = {"type": "yarn", "factor": 4.0, "original_context_length": 16}


def logits(scaling, parameters=(-1, -1, -1)):
    """Of a random llama whose file says `scaling` under llama.rope.scaling, with these parameters of the context."""
    random = numpy.random.default_rng(0)
    writer = gguf.GGUFWriter("model.gguf", "llama")
    writer.add_tokenizer_model("none")
    writer.add_vocab_size(32)
    for name, value in (("block_count", 2), ("context_length", 64), ("embedding_length", 16), ("feed_forward_length", 16),
                        ("attention.head_count", 2), ("rope.dimension_count", 8)):
        writer.add_uint32("llama." + name, value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_float32("llama.rope.freq_base", 100.0)
    for name, value in scaling.items():
        add = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}[type(value)]
        add("llama.rope.scaling." + name, value)

    def tensor(name, *shape):
        writer.add_tensor(name + ".weight", (random.standard_normal(shape) * 0.5).astype(numpy.float32))

    tensor("token_embd", 32, 16)
    tensor("output", 32, 16)
    writer.add_tensor("output_norm.weight", numpy.ones(16, numpy.float32))
    for block in ("blk.0.", "blk.1."):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(block + name + ".weight", numpy.ones(16, numpy.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            tensor(block + name, 16, 16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    done = subprocess.run(["./logits", sys.argv[1], "model.gguf", *map(str, parameters)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    return numpy.frombuffer(done.stdout, numpy.float32)


def check(text, change, differs, parameters=(-1, -1, -1)):
    global changed
    gap = abs(logits(yarn | change, parameters) - logits(yarn)).max()
    print(f"{text:57} {gap:.2f}")
    if (gap > 0.1 if differs else gap == 0) is False:
        print("CHANGED", file=sys.stderr)
        changed = True


check("rope.scaling.type none instead of yarn", {"type": "none"}, True)
check("rope.scaling.original_context_length 64 instead of 16", {"original_context_length": 64}, True)
check("rope.scaling.yarn_beta_fast 0.5", {"yarn_beta_fast": 0.5}, False)
check("no key, but yarn_beta_fast 0.5 of the context", {}, True, (0.5, -1, -1))
check("rope.scaling.yarn_beta_slow 0.1", {"yarn_beta_slow": 0.1}, False)
check("no key, but yarn_beta_slow 0.1 of the context", {}, True, (-1, 0.1, -1))
check("rope.scaling.yarn_attn_factor 1.5", {"yarn_attn_factor": 1.5}, False)
check("rope.scaling.attn_factor 1.5", {"attn_factor": 1.5}, True)
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python keys.py "$binaries"
echo "as stated"
