#!/usr/bin/env bash
# findings/rope_scaling_drops_rope_theta.sh
#
# Packages: transformers 5.24.0, torch 2.13.0 (PyPI; seen with the build for the CPU).
#
# transformers 5 writes the rotary settings of a model as `rope_parameters`, with the base `rope_theta` inside; version 4 wrote
# `rope_scaling` and a `rope_theta` beside it. A config.json that has both, as after an edit by hand or by a tool that knows the
# old key ("add rope_scaling to read longer texts"), is not merged: a non-empty `rope_scaling` takes the place of
# `rope_parameters` as a whole. The base is lost with it and becomes the default 10000 (Llama 3: 500000), with no warning.
# A top-level rope_theta decides in the opposite sense: rope_parameters beats it when there is no rope_scaling, and it counts
# when there is.
#
# So: a reader that merges the two, or takes the base from rope_parameters and the scaling from rope_scaling, computes another
# model than transformers does.
#
# Output (rope_parameters of the file: base 500000, no scaling):
#   rope_parameters alone                             base 500000   default
#   and rope_scaling linear, factor 4                 base 10000    linear   factor 4.0
#   and rope_scaling linear, and rope_theta 300       base 300      linear   factor 4.0
#   and rope_theta 300 without rope_scaling           base 500000   default
#   and an empty rope_scaling                         base 500000   default
# The frequencies of the model that is built are those of the base printed; no warning is shown.
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.13.0

cat > bases.py << 'PYTHON'
import io
import json
import logging
import os
import sys
import tempfile
import warnings

import torch
import transformers

changed = False
shown = io.StringIO()
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.get_logger("transformers").addHandler(logging.StreamHandler(shown))

shape = dict(vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
linear = {"rope_type": "linear", "factor": 4.0}


def check(name, keys, expected):
    """Opens a checkpoint whose config.json has these keys; compares the model's frequencies with the base expected."""
    global changed
    with tempfile.TemporaryDirectory() as folder:
        transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape)).save_pretrained(folder)
        path = os.path.join(folder, "config.json")
        config = json.load(open(path))
        config["rope_parameters"] = {"rope_type": "default", "rope_theta": 500000.0}
        config |= keys
        json.dump(config, open(path, "w"))
        shown.truncate(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    rope = model.config.rope_parameters
    print(f"{name:49} base {rope['rope_theta']:<8.0f} {rope['rope_type']:8} "
          + (f"factor {rope['factor']}" if "factor" in rope else ""))
    base, factor = expected
    frequencies = base ** (-torch.arange(0, 8, 2) / 8) / factor
    same = torch.allclose(model.model.rotary_emb.inv_freq, frequencies, rtol=1e-6)
    warned = [w for w in caught if "rope" in str(w.message)] or "rope" in shown.getvalue()
    if rope["rope_theta"] != base or not same or warned:
        print(f"CHANGED: expected base {base} with these frequencies and no warning", file=sys.stderr)
        changed = True


check("rope_parameters alone", {}, (500000, 1))
check("and rope_scaling linear, factor 4", {"rope_scaling": linear}, (10000, 4))
check("and rope_scaling linear, and rope_theta 300", {"rope_scaling": linear, "rope_theta": 300.0}, (300, 4))
check("and rope_theta 300 without rope_scaling", {"rope_theta": 300.0}, (500000, 1))
check("and an empty rope_scaling", {"rope_scaling": {}}, (500000, 1))
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python bases.py
echo "as stated"
