#!/usr/bin/env bash
# findings/peft_drops_unmatched_modules.sh
#
# Packages: peft 0.21.2, transformers 5.24.0, torch 2.13.0 (PyPI; seen with the build for the CPU), numpy 2.2.6.
#
# A LoRA folder names the modules that it changes, and PEFT looks for each of them in the base. If none is there, it raises an
# error. If one of several is there, the tensors of the others are dropped: no error, no warning, no log line. So an adapter
# of a base with more layers, or with a longer name for some modules, opens and has a part of its effect. And the base that
# AutoPeftModelForCausalLM opens by base_model_name_or_path is looked up from the current folder and not from the adapter's: a
# relative name opens another model, or none, from elsewhere.
#
# So: an adapter of two layers needs a look at the number of adapted modules (or at the logits), and a writer of adapters names
# the whole path of each module, and the whole path of its base.
#
# Output (GPT-2 of three blocks, random weights; the adapter changes blocks 1 and 2):
#   on the base of three blocks             2 modules adapted, 0 warnings
#   on a base of two blocks                 1 modules adapted, 0 warnings
#   on a base of one block                  ValueError
#   base "base", from the adapter's folder  3 blocks
#   base "base", from another folder        2 blocks
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.2 transformers==5.24.0 torch==2.13.0 numpy==2.2.6

cat > modules.py << 'PYTHON'
import io
import json
import logging
import os
import sys
import warnings

import torch
import transformers
from peft import AutoPeftModelForCausalLM, LoraConfig, PeftModel, get_peft_model

os.environ["HF_HUB_OFFLINE"] = "1"
transformers.utils.logging.disable_progress_bar()
logged = io.StringIO()
logging.getLogger().addHandler(logging.StreamHandler(logged))
transformers.utils.logging.get_logger("transformers").addHandler(logging.StreamHandler(logged))
warnings.simplefilter("ignore", FutureWarning)  # of a call that peft makes
changed = False


def gpt2(blocks):
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=blocks, n_head=2, bos_token_id=0, eos_token_id=1)
    return transformers.GPT2LMHeadModel(config).eval()


def check(text, found, expected):
    global changed
    print(f"{text:40}{found}")
    if found != expected:
        print("CHANGED", file=sys.stderr)
        changed = True


def adapted(base):
    logged.truncate(0)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            model = PeftModel.from_pretrained(base, "here/adapter")
        except ValueError:
            return "ValueError"
    modules = [name for name, _ in model.named_parameters() if "lora_A" in name]
    said = [warning for warning in warned if not issubclass(warning.category, FutureWarning)]
    return f"{len(modules)} modules adapted, {len(said) + bool(logged.getvalue().strip())} warnings"


modules = ["transformer.h.1.mlp.c_proj", "transformer.h.2.mlp.c_proj"]
config = LoraConfig(r=1, lora_alpha=1, target_modules=modules, fan_in_fan_out=True, init_lora_weights=False, task_type="CAUSAL_LM")
get_peft_model(gpt2(3), config).save_pretrained("here/adapter")
check("on the base of three blocks", adapted(gpt2(3)), "2 modules adapted, 0 warnings")
check("on a base of two blocks", adapted(gpt2(2)), "1 modules adapted, 0 warnings")
check("on a base of one block", adapted(gpt2(1)), "ValueError")

gpt2(3).save_pretrained("here/base")
gpt2(2).save_pretrained("elsewhere/base")
with open("here/adapter/adapter_config.json") as file:
    settings = json.load(file)
settings["base_model_name_or_path"] = "base"
with open("here/adapter/adapter_config.json", "w") as file:
    json.dump(settings, file)
for folder, adapter, text, blocks in (("here", "adapter", 'base "base", from the adapter\'s folder', 3),
                                      ("../elsewhere", "../here/adapter", 'base "base", from another folder', 2)):
    os.chdir(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoPeftModelForCausalLM.from_pretrained(adapter)
    check(text, f"{model.config.n_layer} blocks", f"{blocks} blocks")
sys.exit(1 if changed else 0)
PYTHON
HF_HUB_OFFLINE=1 venv/bin/python modules.py 2>&1
echo "as stated"
