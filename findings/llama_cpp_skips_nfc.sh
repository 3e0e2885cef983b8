#!/usr/bin/env bash
# findings/llama_cpp_skips_nfc.sh
#
# Packages: node-llama-cpp 3.21.1 and @node-llama-cpp/linux-x64 3.21.1 (npm; llama.cpp v0.4.0), gguf 0.19.0, numpy 2.2.6 and
# tokenizers 0.23.3 (PyPI). From the distribution: python3, node, npm.
#
# The tokenizer.json of Qwen 2, 2.5 and 3 begins with a normaliser: text is composed (NFC) before it is split. A GGUF file has no key
# for that, and its pre-tokenizer "qwen2", which stands for the rest of that file, does not compose in llama.cpp. A text whose accents
# are characters of their own, as PDF files and some keyboards give them, becomes other ids there than in transformers: a name of
# one token falls into pieces, and what was edited into that token is not asked for.
#
# So: for equal ids with a GGUF of such a model compose the text first, and test a tokenizer with text in both forms.
#
# Output (a byte-level vocabulary with the token "café", pre-tokenizer qwen2):
#   composed      tokenizers ['cafÃ©']                llama.cpp ['cafÃ©']
#   decomposed    tokenizers ['cafÃ©']                llama.cpp ['caf', 'e', 'Ì', 'ģ']
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
venv/bin/pip install --quiet gguf==0.19.0 numpy==2.2.6 tokenizers==0.23.3

cat > split.mjs << 'JS'
// node split.mjs MODEL TEXTS: the ids of each text of a JSON list.
import {getLlama} from "node-llama-cpp";

const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: "error"});
const model = await llama.loadModel({modelPath: process.argv[2]});
console.log(JSON.stringify(JSON.parse(process.argv[3]).map((text) => model.tokenize(text))));
process.exit(0);
JS

cat > nfc.py << 'PYTHON'
import json
import subprocess
import sys

import gguf
import numpy
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
e_acute = spelled.pre_tokenize_str("\u00e9")[0][0]
merges = [tuple(e_acute), ("c", "a"), ("ca", "f"), ("caf", e_acute)]
tokens = sorted(pre_tokenizers.ByteLevel.alphabet()) + [a + b for a, b in merges] + ["<|endoftext|>"]

writer = gguf.GGUFWriter("model.gguf", "qwen2")
for name, value in (("block_count", 1), ("context_length", 256), ("embedding_length", 64), ("feed_forward_length", 64),
                    ("attention.head_count", 2), ("attention.head_count_kv", 2)):
    writer.add_uint32("qwen2." + name, value)
writer.add_float32("qwen2.attention.layer_norm_rms_epsilon", 1e-5)
writer.add_tokenizer_model("gpt2")
writer.add_tokenizer_pre("qwen2")
writer.add_token_list(tokens)
writer.add_token_types([1] * (len(tokens) - 1) + [3])
writer.add_token_merges([" ".join(pair) for pair in merges])
writer.add_eos_token_id(len(tokens) - 1)
writer.add_tensor("token_embd.weight", numpy.zeros((len(tokens), 64), numpy.float32))
for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
    writer.add_tensor(f"blk.0.{name}.weight", numpy.zeros((64, 64), numpy.float32))
for name in ("blk.0.attn_q.bias", "blk.0.attn_k.bias", "blk.0.attn_v.bias", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight",
             "output_norm.weight"):
    writer.add_tensor(name, numpy.zeros(64, numpy.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

reference = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
reference.normalizer = normalizers.NFC()
reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)

texts = ["caf\u00e9", "cafe\u0301"]
done = subprocess.run(["node", "split.mjs", "model.gguf", json.dumps(texts)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
assert done.returncode == 0, done.stderr
whole = "caf" + e_acute
changed = False
for name, text, ids, expected in zip(("composed", "decomposed"), texts, json.loads(done.stdout.strip().splitlines()[-1]),
                                     ([whole], ["caf", "e", *spelled.pre_tokenize_str("\u0301")[0][0]])):
    ours, theirs = reference.encode(text).tokens, [tokens[i] for i in ids]
    print(f"{name:13} tokenizers {ours!s:24} llama.cpp {theirs}")
    if ours != [whole] or theirs != expected:
        print("CHANGED", file=sys.stderr)
        changed = True
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python nfc.py
echo "as stated"
