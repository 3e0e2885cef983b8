#!/usr/bin/env bash
# findings/old_file_hides_new_shards.sh
#
# Packages: transformers 5.24.0, torch 2.13.0 (PyPI; seen with the build for the CPU).
#
# save_pretrained into a folder that already holds a checkpoint tidies up, but not everything. Shards of an
# earlier save that the new one does not have are removed. A model.safetensors of an earlier save stays when the
# new one is written in shards, and from_pretrained takes model.safetensors whenever there is one: it opens the
# earlier weights. Nothing warns, neither when saving nor when loading, and model.safetensors.index.json beside it
# is complete and right. The other way round (shards first, one file later) the new weights are opened.
#
# So: a model that was edited and saved over its folder with a smaller max_shard_size is not edited for whoever
# opens it. Write into an empty folder, and do not trust one that holds both model.safetensors and an index.
#
# Output (a llama of two blocks; both saves go to one folder):
#   first whole, then 6 shards       opens the first    files of weights: 7 and an index, 0 warnings
#   first 6 shards, then whole       opens the second   files of weights: 1 and an index, 0 warnings
#   first 6 shards, then 3 shards    opens the second   files of weights: 3 and an index, 0 warnings
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.13.0

cat > shards.py << 'PYTHON'
import glob
import io
import logging
import os
import sys
import warnings

import torch
import transformers

transformers.utils.logging.disable_progress_bar()
logged = io.StringIO()
transformers.utils.logging.get_logger("transformers").addHandler(logging.StreamHandler(logged))
changed = False


def llama(seed):
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                      num_attention_heads=2, bos_token_id=0, eos_token_id=1)
    return transformers.LlamaForCausalLM(config)


whole, six, three = "1GB", "20KB", "40KB"
models = [llama(0), llama(1)]
for number, (text, sizes, opened, files) in enumerate((
    ("first whole, then 6 shards", (whole, six), "first", 7),
    ("first 6 shards, then whole", (six, whole), "second", 1),
    ("first 6 shards, then 3 shards", (six, three), "second", 3),
)):
    folder = f"folder{number}"
    logged.truncate(0)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for model, size in zip(models, sizes):
            model.save_pretrained(folder, max_shard_size=size)
        loaded = transformers.AutoModelForCausalLM.from_pretrained(folder)
    same = [torch.equal(loaded.lm_head.weight, model.lm_head.weight) for model in models]
    found = {(True, False): "first", (False, True): "second"}.get(tuple(same), "neither")
    count = len(glob.glob(f"{folder}/*.safetensors"))
    index = os.path.exists(f"{folder}/model.safetensors.index.json")
    said = len(warned) + bool(logged.getvalue().strip("\0 \n"))
    print(f"{text:32} opens the {found:8} files of weights: {count}{' and an index' if index else ''}, {said} warnings")
    if (found, count, index, said) != (opened, files, True, 0):
        print("CHANGED", file=sys.stderr)
        changed = True
sys.exit(1 if changed else 0)
PYTHON
HF_HUB_OFFLINE=1 venv/bin/python shards.py
echo "as stated"
