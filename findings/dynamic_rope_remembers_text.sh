#!/usr/bin/env bash
# findings/dynamic_rope_remembers_text.sh
#
# Packages: transformers 5.24.0, torch 2.13.0 (PyPI; seen with the build for the CPU). transformers 4.57.6 does the same.
#
# With rope_type "dynamic" (NTK scaling by the length of the text) the frequencies belong to the model object, not to the call.
# A text longer than any before makes them slower; a shorter one later is still read with those of the longest text so far,
# unless it is shorter than max_position_embeddings: then they are reset. So the same call on the same text gives other logits
# after another text, in eval mode and without a cache. Padding counts as text: a row padded from 20 ids to 40 is read with the
# frequencies of 40.
#
# So: logits of such a model are defined by the text alone only for a model object that has read nothing longer; record or compare
# them with a fresh model for each text, and do not batch rows of other lengths with padding.
#
# Output (max_position_embeddings 16, factor 2; largest difference of the logits of one text of 20 ids):
#   read again                                    0.00
#   read again after a text of 40 ids             3.00
#   read again after one of 40, then one of 4     0.00
#   read as the first half of a row of 40         3.00
#   the same with rope_type linear                0.00
# The digits depend on random weights; a check asks for more than 0.1.
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.13.0

cat > again.py << 'PYTHON'
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM

changed = False


def model(rope_type):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=16, initializer_range=0.3,
        rope_parameters={"rope_type": rope_type, "factor": 2.0, "rope_theta": 100.0})).eval()


@torch.no_grad()
def check(name, rope_type, between, differs):
    """Reads one text with a new model, then the texts between, then the first one again."""
    global changed
    torch.manual_seed(1)
    text, other = torch.randint(0, 64, (1, 20)), torch.randint(0, 64, (1, 40))
    reader = model(rope_type)
    first = reader(text, use_cache=False).logits
    for length in between:
        reader(other[:, :length], use_cache=False)
    report(name, (reader(text, use_cache=False).logits - first).abs().max().item(), differs)


@torch.no_grad()
def check_row():
    torch.manual_seed(1)
    text = torch.randint(0, 64, (1, 20))
    alone = model("dynamic")(text).logits
    row = torch.nn.functional.pad(text, (0, 20))
    report("read as the first half of a row of 40", (model("dynamic")(row).logits[:, :20] - alone).abs().max().item(), True)


def report(name, gap, differs):
    global changed
    print(f"{name:45} {gap:.2f}")
    if (gap > 0.1) != differs or (not differs and gap > 1e-4):
        print("CHANGED", file=sys.stderr)
        changed = True


check("read again", "dynamic", [], False)
check("read again after a text of 40 ids", "dynamic", [40], True)
check("read again after one of 40, then one of 4", "dynamic", [40, 4], False)
check_row()
check("the same with rope_type linear", "linear", [40], False)
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python again.py
echo "as stated"
