#!/usr/bin/env bash
# findings/falcon_adds_alibi_twice.sh
#
# Packages: transformers 5.24.0, torch 2.13.0 (PyPI; seen with the build for the CPU).
#
# A Falcon with ALiBi (Falcon RW) gives other logits with attn_implementation "eager" than with "sdpa", its default, and not by
# rounding: the model puts ALiBi's terms into the mask, and the eager attention of a layer adds them to the scores once more before
# the mask. So eager is the model with slopes twice as steep.
#
# So: logits of such a model are to be recorded with sdpa; what "eager, for exactness" gives is another model.
#
# Output (random weights; largest difference of the logits):
#   eager to sdpa                     more than 0.1
#   eager with half the slopes        0.00 to sdpa
#   sdpa with twice the slopes        0.00 to eager
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.13.0

cat > twice.py << 'PYTHON'
import sys

import torch
import transformers.models.falcon.modeling_falcon as falcon

IDS = torch.arange(24).unsqueeze(0)
build = falcon.build_alibi_tensor


def logits(implementation, slopes=1.0):
    config = falcon.FalconConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=True,
                                 multi_query=False, parallel_attn=False)
    model = falcon.FalconForCausalLM._from_config(config, attn_implementation=implementation).eval()
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, 0, 0.3)
    falcon.build_alibi_tensor = lambda *args, **named: build(*args, **named) * slopes
    with torch.no_grad():
        return model(IDS).logits


def gap(a, b):
    return (a - b).abs().max().item()


gaps = [("eager to sdpa", gap(logits("eager"), logits("sdpa"))),
        ("eager with half the slopes, to sdpa", gap(logits("eager", 0.5), logits("sdpa"))),
        ("sdpa with twice the slopes, to eager", gap(logits("sdpa", 2.0), logits("eager")))]
for name, found in gaps:
    print(f"{name:40s}{found:.2f}")
sys.exit(0 if gaps[0][1] > 0.1 and gaps[1][1] < 1e-4 and gaps[2][1] < 1e-4 else 1)
PYTHON
venv/bin/python twice.py
