#!/usr/bin/env bash
# findings/transformers_gguf_drops_rope_scaling.sh
#
# Packages: transformers 5.24.0, torch 2.13.0 (PyPI; seen with the build for the CPU), gguf 0.19.0, numpy 2.2.6.
#
# from_pretrained(gguf_file=...) of transformers reads the base of the rotation from a GGUF file, and no scaling of it. A llama
# file with {arch}.rope.scaling.type linear or yarn opens with rope_type "default", and the tensor rope_freqs.weight is not looked
# at: that is where llama.cpp's converter puts the scaling of Llama 3.1, 3.2 and 3.3, which have no key for it. The model that
# comes out reads short texts nearly right and long ones wrong; the keys are named at level INFO, which is off, the tensor never.
#
# So: a GGUF of such a model is no base for PEFT, and logits from it are no reference for llama.cpp's. Set
# config.rope_parameters by hand, or take the checkpoint that the file was made from.
#
# Output (random llama of one block, base 500000; largest difference of the logits of 48 ids to the file without the setting):
#   rope.freq_base 10000 instead of 500000      {'rope_theta': 10000.0, 'rope_type': 'default'}                  9.60
#   rope.scaling.type linear, factor 4          {'rope_theta': 500000.0, 'rope_type': 'default'}                 0.00
#   rope.scaling.type yarn, factor 4            {'rope_theta': 500000.0, 'rope_type': 'default'}                 0.00
#   rope_freqs.weight, 8 everywhere             {'rope_theta': 500000.0, 'rope_type': 'default'}                 0.00
#   rope_parameters linear, factor 4, by hand   {'rope_theta': 500000.0, 'rope_type': 'linear', 'factor': 4.0}   9.32
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.13.0 gguf==0.19.0 accelerate==1.10.1 numpy==2.2.6

cat > scaling.py << 'PYTHON'
import io
import logging
import sys

import gguf
import numpy
import torch
import transformers

transformers.utils.logging.disable_progress_bar()
logged = io.StringIO()
handler = logging.StreamHandler(logged)
handler.setLevel(logging.WARNING)
transformers.utils.logging.get_logger("transformers").addHandler(handler)


def write(base=500000.0, scaling=None, factors=None):
    random = numpy.random.default_rng(0)
    writer = gguf.GGUFWriter("model.gguf", "llama")
    for name, value in (("block_count", 1), ("context_length", 4096), ("embedding_length", 64), ("feed_forward_length", 64),
                        ("attention.head_count", 2), ("attention.head_count_kv", 2), ("rope.dimension_count", 32),
                        ("vocab_size", 32)):
        writer.add_uint32("llama." + name, value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_float32("llama.rope.freq_base", base)
    if scaling:
        writer.add_string("llama.rope.scaling.type", scaling)
        writer.add_float32("llama.rope.scaling.factor", 4.0)
        writer.add_uint32("llama.rope.scaling.original_context_length", 1024)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>"] + [chr(ord("a") + i) for i in range(29)])
    writer.add_token_scores([-float(i) for i in range(32)])
    writer.add_token_types([2, 3, 3] + [1] * 29)

    def tensor(name, shape):
        writer.add_tensor(name + ".weight", (random.standard_normal(shape) * 0.3).astype(numpy.float32))

    tensor("token_embd", (32, 64))
    tensor("output", (32, 64))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        tensor("blk.0." + name, (64, 64))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(name + ".weight", numpy.ones(64, numpy.float32))
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", factors)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(**settings):
    model = transformers.AutoModelForCausalLM.from_pretrained(".", gguf_file="model.gguf", **settings).eval()
    with torch.no_grad():
        return model(torch.tensor([[3, 10, 17, 24, 31, 6, 13, 20] * 6])).logits, dict(model.config.rope_parameters)


write()
plain, _ = read()
changed = False
linear = {"rope_theta": 500000.0, "rope_type": "linear", "factor": 4.0}
for text, options, by_hand, counts in (
    ("rope.freq_base 10000 instead of 500000", {"base": 10000.0}, None, True),
    ("rope.scaling.type linear, factor 4", {"scaling": "linear"}, None, False),
    ("rope.scaling.type yarn, factor 4", {"scaling": "yarn"}, None, False),
    ("rope_freqs.weight, 8 everywhere", {"factors": numpy.full(16, 8, numpy.float32)}, None, False),
    ("rope_parameters linear, factor 4, by hand", {}, linear, True),
):
    write(**options)
    logged.truncate(0)
    logged.seek(0)
    if by_hand:
        config = transformers.AutoConfig.from_pretrained(".", gguf_file="model.gguf")
        config.rope_parameters = by_hand
        logits, found = read(config=config)
    else:
        logits, found = read()
    gap = (logits - plain).abs().max().item()
    warned = [line for line in logged.getvalue().splitlines() if "rope" in line.lower() or "key" in line.lower()]
    print(f"{text:43} {found!s:64} {gap:6.2f}")
    if (gap > 0.1) != counts or (not counts and (gap != 0 or warned or found["rope_type"] != "default")):
        print("CHANGED", file=sys.stderr)
        changed = True
sys.exit(1 if changed else 0)
PYTHON
HF_HUB_OFFLINE=1 venv/bin/python scaling.py 2> errors.txt || { cat errors.txt >&2; exit 1; }
echo "as stated"
