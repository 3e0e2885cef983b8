#!/usr/bin/env bash
# findings/tied_head_by_version.sh
#
# Packages: transformers 4.57.6 and 5.24.0, torch 2.13.0 (PyPI; seen with the build for the CPU), numpy 2.2.6.
#
# A config.json may say tie_word_embeddings true (GPT-2 and Gemma: by default) while the file stores a head that is not the embedding,
# as after training it apart, or after an edit of one of the two. transformers 4 ties: the stored head is dead data. transformers 5
# looks at the tensors: it ties if they are equal, and otherwise keeps the stored head. With the head alone stored, version 5 takes
# it for the embedding too; version 4 leaves the embedding without values. So one checkpoint is two models.
#
# So: name the version when logits of such a checkpoint are compared, and do not skip lm_head.weight because the config ties.
#
# Output (tie_word_embeddings true; whose logits?):
#   4.57.6  head that differs is stored    those of the embedding, no warning
#   4.57.6  head equal to the embedding    those of the embedding, no warning
#   4.57.6  head alone is stored           error
#   5.24.0  head that differs is stored    those of the stored head, warning
#   5.24.0  head equal to the embedding    those of the embedding, no warning
#   5.24.0  head alone is stored           those of the embedding, no warning
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0 numpy==2.2.6
for version in 4.57.6 5.24.0; do
  venv/bin/pip install --quiet --target "transformers-$version" "transformers==$version" numpy==2.2.6
done

cat > heads.py << 'PYTHON'
import io
import logging
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

transformers.utils.logging.disable_progress_bar()
shown = io.StringIO()
transformers.utils.logging.get_logger("transformers").addHandler(logging.StreamHandler(shown))
torch.manual_seed(0)
config = transformers.LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                  num_attention_heads=2, tie_word_embeddings=True, initializer_range=0.3)
model = transformers.LlamaForCausalLM(config).eval()
head = torch.randn(32, 16)
ids = torch.arange(20).unsqueeze(0)


@torch.no_grad()
def seen(change):
    """Whose logits a checkpoint has whose tensors `change` has changed."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tensors = change(load_file(folder + "/model.safetensors"))
        save_file(tensors, folder + "/model.safetensors", metadata={"format": "pt"})
        shown.truncate(0)
        shown.seek(0)
        try:
            opened = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
            logits = opened(ids).logits
        except Exception:
            return "error"
        warned = "warning" if shown.getvalue() else "no warning"
        hidden = model.model(ids).last_hidden_state
    for name, weight in (("the embedding", model.model.embed_tokens.weight), ("the stored head", head)):
        if torch.allclose(logits, hidden @ weight.T, atol=1e-4):
            return f"those of {name}, {warned}"
    return "others, " + warned


def embedding(tensors):
    return tensors["model.embed_tokens.weight"]


major = transformers.__version__[0]
changed = False
for name, change, expected in (
    ("head that differs is stored", lambda t: t | {"lm_head.weight": head},
     {"4": "those of the embedding, no warning", "5": "those of the stored head, warning"}),
    ("head equal to the embedding", lambda t: t | {"lm_head.weight": embedding(t).clone()},
     {"4": "those of the embedding, no warning", "5": "those of the embedding, no warning"}),
    ("head alone is stored", lambda t: {k: v for k, v in t.items() if "embed" not in k} | {"lm_head.weight": embedding(t)},
     {"4": "error", "5": "those of the embedding, no warning"}),
):
    found = seen(change)
    print(f"{transformers.__version__}  {name:30} {found}")
    if found != expected[major]:
        print(f"CHANGED: expected {expected[major]}", file=sys.stderr)
        changed = True
sys.exit(1 if changed else 0)
PYTHON
for version in 4.57.6 5.24.0; do
  PYTHONPATH=$PWD/transformers-$version venv/bin/python heads.py
done
echo "as stated"
