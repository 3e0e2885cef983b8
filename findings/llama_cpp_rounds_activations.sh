#!/usr/bin/env bash
# findings/llama_cpp_rounds_activations.sh
#
# Packages: node-llama-cpp 3.21.1 and @node-llama-cpp/linux-x64 3.21.1 (npm; llama.cpp v0.4.0), gguf 0.19.0 and numpy 2.2.6 (PyPI).
# From the distribution: python3, node, npm.
#
# llama.cpp's type of a tensor is not only how its weights are stored: on the CPU the activations that meet it are rounded to a type
# that goes with it, F16 for F16, BF16 for BF16, blocks of 8 bits for Q8_0 and the others, and float32 stays for F32 only. So the same
# numbers in another type give another model, although no weight changed by a bit. And an F16 file has the range of F16 for its
# activations: where one of them is above 65504, all logits are NaN, with weights that are far from it. Keys of a down projection
# can be that large in models that were trained in bfloat16.
#
# So: "F16 holds these weights exactly" is no reason to store an edited matrix as F16; BF16 files of a bfloat16 model stay BF16, and
# equality with another program is to be asked of F32 files.
#
# Output (random llama of one block; its down projection holds the same numbers in each type, and is smaller by as much as the keys
# are larger; largest difference of the log-probabilities to the F32 file):
#   keys up to        6      F16 0.0009   BF16 0.0043   Q8_0 0.0375
#   keys up to     1755      F16 0.0010   BF16 0.0082   Q8_0 0.0279
#   keys up to   112290      F16 NaN      BF16 0.0080   Q8_0 0.0231
# The digits depend on random weights; a check asks for an order, F16 below BF16 below Q8_0, for more than 0.00001, and for NaN.
#
# Exits with 1 if this changed, with 2 if a program is missing.

set -euo pipefail

for program in python3 node npm; do
  command -v "$program" > /dev/null || { echo "missing: $program" >&2; exit 2; }
done
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

npm install --silent --ignore-scripts --no-audit --no-fund --omit=optional \
  node-llama-cpp@3.21.1 @node-llama-cpp/linux-x64@3.21.1 > /dev/null
python3 -m venv venv
venv/bin/pip install --quiet gguf==0.19.0 numpy==2.2.6

cat > say.mjs << 'JS'
// node say.mjs MODEL: the log-probabilities behind eight ids, as a JSON list; null where there is no number.
import {getLlama} from "node-llama-cpp";

const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: "error"});
const model = await llama.loadModel({modelPath: process.argv[2]});
const context = await model.createContext({
    contextSize: 256, batchSize: 256, threads: 1, flashAttention: false,
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32",
});
const wish = {generateNext: {probabilities: true, options: {temperature: 0}}};
const results = await context.getSequence().controlledEvaluate([3, 10, 17, 24, 31, 6, 13, [20, wish]]);
const found = results.at(-1).next.probabilities;
console.log(JSON.stringify([...Array(32).keys()].map((id) => Math.log(found.get(id)))));
process.exit(0);
JS

cat > activations.py << 'PYTHON'
import json
import subprocess
import sys

import gguf
import numpy

D, F = 256, 512
TYPES = gguf.GGMLQuantizationType


def write(path, scale, type):
    """Writes a llama of one block without attention and returns its largest key."""
    random = numpy.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    for name, value in (("block_count", 1), ("context_length", 256), ("embedding_length", D), ("feed_forward_length", F),
                        ("attention.head_count", 2), ("rope.dimension_count", 128)):
        writer.add_uint32("llama." + name, value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(["<unk>", "<s>", "</s>", "<0x0A>"] + [chr(ord("a") + i) for i in range(26)] + ["\u2581", "A"])
    writer.add_token_scores([-float(i) for i in range(32)])
    writer.add_token_types([2, 3, 3, 6] + [1] * 28)

    def tensor(name, shape, factor):
        value = (random.standard_normal(shape) * factor).astype(numpy.float32)
        writer.add_tensor(name + ".weight", value)
        return value

    embedding = tensor("token_embd", (32, D), 0.1)
    tensor("output", (32, D), 0.1)
    for name in ("attn_q", "attn_k", "attn_v"):
        tensor("blk.0." + name, (D, D), 0.1)
    tensor("blk.0.attn_output", (D, D), 0)
    gate, up = tensor("blk.0.ffn_gate", (F, D), 0.0625 * scale), tensor("blk.0.ffn_up", (F, D), 0.0625 * scale)
    # Whole numbers up to 127, times a power of two, one 127 in each block of 32: exact in all four types.
    whole = random.integers(-127, 128, (D, F)).astype(numpy.float32)
    whole[:, ::32] = 127
    down = whole * numpy.float32(2.0**-8 / scale**2)
    stored = gguf.quants.quantize(down, type)
    assert numpy.array_equal(gguf.quants.dequantize(stored, type), down)
    writer.add_tensor("blk.0.ffn_down.weight", stored, raw_dtype=type)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(name + ".weight", numpy.ones(D, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    row = embedding[[3, 10, 17, 24, 31, 6, 13, 20]].astype(numpy.float64)
    row /= numpy.sqrt((row**2).mean(axis=1, keepdims=True) + 1e-5)
    gated = row @ gate.T
    return abs(gated / (1 + numpy.exp(-numpy.clip(gated, -500, 500))) * (row @ up.T)).max()


def say(path):
    done = subprocess.run(["node", "say.mjs", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return numpy.array(json.loads(done.stdout.strip().splitlines()[-1]), dtype=float)


changed = False
for scale, over in ((1, False), (16, False), (128, True)):
    key = write("f32.gguf", scale, TYPES.F32)
    right = say("f32.gguf")
    gaps = []
    for type in (TYPES.F16, TYPES.BF16, TYPES.Q8_0):
        write("other.gguf", scale, type)
        gaps.append(abs(say("other.gguf") - right).max())
    words = "   ".join(f"{name} {'NaN   ' if numpy.isnan(gap) else f'{gap:.4f}'}" for name, gap in zip(("F16", "BF16", "Q8_0"), gaps))
    print(f"keys up to {key:8.0f}      {words}")
    order = 1e-5 < gaps[1] < gaps[2] and (bool(numpy.isnan(gaps[0])) if over else 1e-5 < gaps[0] < gaps[1])
    if not order or (key > 65504) != over or numpy.isnan(right).any():
        print("CHANGED", file=sys.stderr)
        changed = True
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python activations.py
echo "as stated"
