#!/usr/bin/env bash
# findings/peft_linear_mixes_adapters.sh
#
# Packages: peft 0.21.2, transformers 5.24.0, torch 2.13.0 (PyPI; seen with the build for the CPU), numpy 2.2.6.
#
# add_weighted_adapter makes one adapter of several, with a weight for each. The sum of two changes B1 A1 and
# B2 A2 is what one expects of combination_type "linear", and it is not what comes out: the factors are added, not
# the products, so that the adapter is (B1 + B2)(A1 + A2) with the square roots of the weights in front. The
# cross terms B1 A2 and B2 A1 are as large as the changes themselves: two facts that were edited apart answer each
# other's questions. "ties", "dare_linear" and "magnitude_prune" combine the factors as well, also at density 1.
# The default, "svd", starts from the right sum and cuts it to the largest rank of the adapters given, so that
# two adapters of rank 1 are squeezed into one of rank 1. "cat" alone adds the changes.
#
# So: adapters of single edits are added with "cat" (or with svd and the sum of the ranks).
#
# Output (two adapters of rank 1 on one module of a random GPT-2; relative error of the change to w1 B1 A1 + w2 B2 A2):
#   weights         linear            dare_linear       magnitude_prune   svd (default)     svd, rank 2       cat
#   1 and 1         1.03              1.03              1.03              0.55              0.00              0.00
#   0.5 and 0.5     1.03              1.03              1.03              0.55              0.00              0.00
#   1 and -1        1.03              1.03              1.03              0.59              0.00              0.00
#   linear, 1 and 1, is (B1 + B2)(A1 + A2): True
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.2 transformers==5.24.0 torch==2.13.0 numpy==2.2.6

cat > mix.py << 'PYTHON'
import sys
import warnings

import torch
import transformers
from peft import LoraConfig, get_peft_model

warnings.simplefilter("ignore")
torch.manual_seed(0)
base = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=2, n_head=2,
                                                            bos_token_id=0, eos_token_id=1))
settings = LoraConfig(r=1, lora_alpha=1, target_modules=["h.1.mlp.c_proj"], fan_in_fan_out=True, init_lora_weights=False,
                      task_type="CAUSAL_LM")
model = get_peft_model(base, settings, adapter_name="one")
model.add_adapter("two", settings)
layer = model.base_model.model.transformer.h[1].mlp.c_proj
one, two = layer.get_delta_weight("one"), layer.get_delta_weight("two")

ways = (
    ("linear", {"combination_type": "linear"}, False),
    ("dare_linear", {"combination_type": "dare_linear", "density": 1.0}, False),
    ("magnitude_prune", {"combination_type": "magnitude_prune", "density": 1.0}, False),
    ("svd (default)", {}, False),
    ("svd, rank 2", {"svd_rank": 2}, True),
    ("cat", {"combination_type": "cat"}, True),
)
print(f"{'weights':16}" + "".join(f"{name:18}" for name, _, _ in ways).rstrip())
changed = False
for number, weights in enumerate(([1.0, 1.0], [0.5, 0.5], [1.0, -1.0])):
    line = f"{weights[0]:g} and {weights[1]:g}".ljust(16)
    for way, (_, options, exact) in enumerate(ways):
        name = f"both_{number}_{way}"
        model.add_weighted_adapter(["one", "two"], weights, name, **options)
        right = weights[0] * one + weights[1] * two
        error = ((layer.get_delta_weight(name) - right).norm() / right.norm()).item()
        line += f"{error:<18.2f}"
        if error > 1e-5 if exact else error < 0.2:
            print(f"CHANGED: {ways[way][0]}", file=sys.stderr)
            changed = True
    print(line.rstrip())

# What "linear" computes: the product of the sums.
def factors(name):
    return layer.lora_B[name].weight, layer.lora_A[name].weight

(b1, a1), (b2, a2) = factors("one"), factors("two")
product = ((b1 + b2) @ (a1 + a2)).T
same = torch.allclose(layer.get_delta_weight("both_0_0"), product, atol=1e-6)
print(f"linear, 1 and 1, is (B1 + B2)(A1 + A2): {same}")
sys.exit(0 if same and not changed else 1)
PYTHON
HF_HUB_OFFLINE=1 venv/bin/python mix.py
echo "as stated"
