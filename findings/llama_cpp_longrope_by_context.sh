#!/usr/bin/env bash
# findings/llama_cpp_longrope_by_context.sh
#
# Packages: node-llama-cpp 3.21.1 and @node-llama-cpp/linux-x64 3.21.1 (npm; they carry the source and a build of llama.cpp v0.4.0),
# gguf 0.19.0 and numpy 2.2.6 (PyPI). From the distribution: node, npm, git, g++.
#
# A model with longrope (Phi 3, Phi 4) has two sets of rotary factors. transformers takes the short ones for a text of up to
# original_max_position_embeddings tokens and the long ones for a longer text. llama.cpp looks at the size of the context that the
# program asked for, not at the text: a context larger than {arch}.rope.scaling.original_context_length means the long factors, for
# a text of 24 ids as well. A context of 0 is the whole training context, so that every short prompt is read with the long factors.
#
# So: to compare a short text with transformers, open the context no larger than the original length (a multiple of 256: sizes are
# rounded up), and say which set of factors an output was made with.
#
# Output (random phi3, original length 512, 24 ids; largest difference of the logits to those with a context of 256):
#   context 512                                               0.00
#   context 768                                               7.20
#   context 0, that is 2048                                   7.20
#   context 256, file with the long factors in both places    7.20
#   context 768, file with the short factors in both places   0.00
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
// logits FOLDER MODEL CONTEXT: float32 logits of 24 ids, to standard output.
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
  options.n_ctx = std::atoi(argv[3]);
  options.n_batch = 64;
  options.n_threads = options.n_threads_batch = 1;
  options.type_k = options.type_v = GGML_TYPE_F32;
  options.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
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

cat > contexts.py << 'PYTHON'
import subprocess
import sys

import gguf
import numpy

changed = False
short, long = [1.0, 1.1, 1.3, 1.6], [1.0, 2.0, 4.0, 8.0]


def logits(context, short, long):
    """Of a random phi3 with these factors, in a context of this size."""
    random = numpy.random.default_rng(0)
    writer = gguf.GGUFWriter("model.gguf", "phi3")
    writer.add_tokenizer_model("none")
    writer.add_vocab_size(32)
    for name, value in (("block_count", 2), ("context_length", 2048), ("embedding_length", 16), ("feed_forward_length", 16),
                        ("attention.head_count", 2), ("attention.head_count_kv", 2), ("rope.dimension_count", 8),
                        ("rope.scaling.original_context_length", 512), ("attention.sliding_window", 0)):
        writer.add_uint32("phi3." + name, value)
    writer.add_float32("phi3.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_float32("phi3.rope.freq_base", 100.0)

    def tensor(name, *shape):
        writer.add_tensor(name + ".weight", (random.standard_normal(shape) * 0.5).astype(numpy.float32))

    tensor("token_embd", 32, 16)
    tensor("output", 32, 16)
    writer.add_tensor("output_norm.weight", numpy.ones(16, numpy.float32))
    writer.add_tensor("rope_factors_short.weight", numpy.array(short, numpy.float32))
    writer.add_tensor("rope_factors_long.weight", numpy.array(long, numpy.float32))
    for block in ("blk.0.", "blk.1."):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(block + name + ".weight", numpy.ones(16, numpy.float32))
        tensor(block + "attn_qkv", 48, 16)
        tensor(block + "attn_output", 16, 16)
        tensor(block + "ffn_up", 32, 16)
        tensor(block + "ffn_down", 16, 16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    done = subprocess.run(["./logits", sys.argv[1], "model.gguf", str(context)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    return numpy.frombuffer(done.stdout, numpy.float32)


def check(text, found, differs):
    global changed
    gap = abs(found - logits(256, short, long)).max()
    print(f"{text:57} {gap:.2f}")
    if (gap > 0.1 if differs else gap == 0) is False:
        print("CHANGED", file=sys.stderr)
        changed = True


check("context 512", logits(512, short, long), False)
check("context 768", logits(768, short, long), True)
check("context 0, that is 2048", logits(0, short, long), True)
check("context 256, file with the long factors in both places", logits(256, long, long), True)
check("context 768, file with the short factors in both places", logits(768, short, short), False)
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python contexts.py "$binaries"
echo "as stated"
