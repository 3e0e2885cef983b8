#!/usr/bin/env bash
# findings/llama_cpp_lora_alpha_zero.sh
#
# Packages: node-llama-cpp 3.21.1 and @node-llama-cpp/linux-x64 3.21.1 (npm; llama.cpp v0.4.0), gguf 0.19.0 and numpy 2.2.6 (PyPI).
# From the distribution: python3, node, npm.
#
# An adapter of rank r has the scale alpha / r, and a GGUF adapter states one alpha for all of its tensors. In llama.cpp
# adapter.lora.alpha = 0 does not switch the adapter off, as lora_alpha 0 does in PEFT: it means a scale of 1. And r is each
# tensor's own: with alpha 2 a tensor of rank 1 counts twice and one of rank 2 once, by a file that loads without a warning.
#
# So: an adapter whose layers have different ranks can be written with a scale of 1 everywhere in one way only, alpha 0
# (or by filling the smaller ones up with zeros); a converter must not copy the alpha of its largest rank.
#
# Output (random llama of 2 blocks, adapter of rank 1 on the first and 2 on the second; largest difference of the
# log-probabilities from a model whose weights were changed by s1 B A and s2 B A):
#   alpha 0, s1 = 1, s2 = 1     0.0000
#   alpha 0, s1 = 0, s2 = 0     2.8941
#   alpha 2, s1 = 1, s2 = 1     2.2699
#   alpha 2, s1 = 2, s2 = 1     0.0000
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
// node say.mjs MODEL [ADAPTER]: the log-probabilities behind eight ids, as a JSON list.
import {getLlama} from "node-llama-cpp";

const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: "error"});
const model = await llama.loadModel({modelPath: process.argv[2]});
const context = await model.createContext({
    contextSize: 256, batchSize: 256, threads: 1, flashAttention: false, lora: process.argv[3],
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32",
});
const wish = {generateNext: {probabilities: true, options: {temperature: 0}}};
const results = await context.getSequence().controlledEvaluate([3, 10, 17, 24, 31, 6, 13, [20, wish]]);
const found = results.at(-1).next.probabilities;
console.log(JSON.stringify([...Array(32).keys()].map((id) => Math.log(found.get(id)))));
process.exit(0);
JS

cat > alpha.py << 'PYTHON'
import json
import subprocess
import sys

import gguf
import numpy

RANKS = (1, 2)


def write(path, fill, architecture="llama"):
    writer = gguf.GGUFWriter(path, architecture)
    fill(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def factors():
    random = numpy.random.default_rng(1)
    return [(random.standard_normal((rank, 256)).astype(numpy.float32) * 0.2, random.standard_normal((256, rank)).astype(numpy.float32))
            for rank in RANKS]


def fill_model(scales):
    def fill(writer):
        random = numpy.random.default_rng(0)
        for name, value in (("block_count", 2), ("context_length", 256), ("embedding_length", 256), ("feed_forward_length", 256),
                            ("attention.head_count", 2), ("rope.dimension_count", 128)):
            writer.add_uint32("llama." + name, value)
        writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(["<unk>", "<s>", "</s>", "<0x0A>"] + [chr(ord("a") + i) for i in range(26)] + ["\u2581", "A"])
        writer.add_token_scores([-float(i) for i in range(32)])
        writer.add_token_types([2, 3, 3, 6] + [1] * 28)

        def tensor(name, shape, change=0):
            writer.add_tensor(name + ".weight", (random.standard_normal(shape) * 0.1).astype(numpy.float32) + numpy.float32(change))

        tensor("token_embd", (32, 256))
        tensor("output", (32, 256))
        writer.add_tensor("output_norm.weight", numpy.ones(256, numpy.float32))
        for block, (scale, (a, b)) in enumerate(zip(scales, factors())):
            for name in ("attn_norm", "ffn_norm"):
                writer.add_tensor(f"blk.{block}.{name}.weight", numpy.ones(256, numpy.float32))
            for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up"):
                tensor(f"blk.{block}.{name}", (256, 256))
            tensor(f"blk.{block}.ffn_down", (256, 256), scale * (b @ a))
    return fill


def fill_adapter(alpha):
    def fill(writer):
        writer.add_string("general.type", "adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        for block, (a, b) in enumerate(factors()):
            writer.add_tensor(f"blk.{block}.ffn_down.weight.lora_a", a)
            writer.add_tensor(f"blk.{block}.ffn_down.weight.lora_b", b)
    return fill


def say(*files):
    done = subprocess.run(["node", "say.mjs", *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return numpy.array(json.loads(done.stdout.strip().splitlines()[-1]))


changed = False
write("base.gguf", fill_model((0, 0)))
for alpha, scales, same in ((0, (1, 1), True), (0, (0, 0), False), (2, (1, 1), False), (2, (2, 1), True)):
    write("adapter.gguf", fill_adapter(alpha))
    write("edited.gguf", fill_model(scales))
    gap = abs(say("base.gguf", "adapter.gguf") - say("edited.gguf")).max()
    print(f"alpha {alpha}, s1 = {scales[0]}, s2 = {scales[1]}     {gap:.4f}")
    if (gap < 0.001) != same:
        print("CHANGED", file=sys.stderr)
        changed = True
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python alpha.py
echo "as stated"
