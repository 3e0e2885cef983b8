#!/usr/bin/env bash
# findings/lora_converter_drops_scale.sh
#
# Packages: node-llama-cpp 3.21.1 (npm; it carries the source of llama.cpp v0.4.0 with convert_lora_to_gguf.py), peft 0.21.2,
# transformers 5.24.0, torch 2.13.0 (PyPI; seen with the build for the CPU), numpy 2.2.6, sentencepiece 0.2.1, protobuf 6.33.1,
# pyyaml 6.0.3, requests 2.32.5. From the distribution: python3, node, npm, git.
#
# convert_lora_to_gguf.py takes lora_alpha and the tensors of a PEFT adapter, and nothing else of adapter_config.json. What PEFT
# computes the strength of each module from is dropped without a warning: use_rslora (alpha / sqrt(r) instead of alpha / r) and
# alpha_pattern (another alpha for some modules). The GGUF files with and without them are the same, byte for byte, and
# llama.cpp divides by r. Adapters with a bias or with DoRA's magnitudes are refused, so one would expect a refusal here.
#
# So: an adapter that is to become GGUF has one alpha for all of its modules and use_rslora false; put what is left into B.
#
# Output (llama of two blocks, rank 16, alpha 16; scale of the adapted module of the second block in PEFT and by the file):
#   as it is                    PEFT  1.0   GGUF  1.0
#   use_rslora                  PEFT  4.0   GGUF  1.0   the same file
#   alpha_pattern, 64 there     PEFT  4.0   GGUF  1.0   the same file
#   lora_bias                   refused
#   use_dora                    refused
#
# Exits with 1 if this changed, with 2 if a program is missing.

set -euo pipefail

for program in python3 node npm git; do
  command -v "$program" > /dev/null || { echo "missing: $program" >&2; exit 2; }
done
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

npm install --silent --ignore-scripts --no-audit --no-fund --omit=optional node-llama-cpp@3.21.1 > /dev/null
git clone --quiet node_modules/node-llama-cpp/llama/gitRelease.bundle llama.cpp 2> /dev/null
python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.2 transformers==5.24.0 torch==2.13.0 numpy==2.2.6 sentencepiece==0.2.1 protobuf==6.33.1 \
  pyyaml==6.0.3 requests==2.32.5

cat > scale.py << 'PYTHON'
import subprocess
import sys
import warnings

import torch
import transformers
from peft import LoraConfig, get_peft_model

sys.path.insert(1, "llama.cpp/gguf-py")
import gguf

warnings.simplefilter("ignore")
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
modules = [f"model.layers.{block}.mlp.down_proj" for block in range(2)]


def llama():
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=32, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=128, bos_token_id=0, eos_token_id=1))


llama().save_pretrained("base")
plain, changed = None, False
for name, options, peft_scale, converts in (
    ("as it is", {}, 1.0, True),
    ("use_rslora", {"use_rslora": True}, 4.0, True),
    ("alpha_pattern, 64 there", {"alpha_pattern": {modules[1]: 64}}, 4.0, True),
    ("lora_bias", {"lora_bias": True}, 1.0, False),
    ("use_dora", {"use_dora": True}, 1.0, False),
):
    base = llama()
    torch.manual_seed(1)
    model = get_peft_model(base, LoraConfig(r=16, lora_alpha=16, target_modules=modules, init_lora_weights=False,
                                            task_type="CAUSAL_LM", **options))
    model.save_pretrained("adapter")
    found = model.base_model.model.model.layers[1].mlp.down_proj.scaling["default"]
    done = subprocess.run([sys.executable, "llama.cpp/convert_lora_to_gguf.py", "--base", "base", "--outtype", "f32",
                           "--outfile", "adapter.gguf", "adapter"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(f"{name:27} refused")
        if converts:
            print(done.stdout, file=sys.stderr)
            changed = True
        continue
    written = open("adapter.gguf", "rb").read()
    plain = plain or written
    reader = gguf.GGUFReader("adapter.gguf")
    ranks = {tensor.name: int(tensor.shape[-1]) for tensor in reader.tensors if tensor.name.endswith("lora_a")}
    scale = float(reader.get_field("adapter.lora.alpha").contents()) / ranks["blk.1.ffn_down.weight.lora_a"]
    same = written == plain
    print(f"{name:27} PEFT {found:4.1f}   GGUF {scale:4.1f}{'   the same file' if same and options else ''}")
    if (found, scale, same, converts) != (peft_scale, 1.0, True, True) or "warn" in done.stdout.lower():
        print("CHANGED", file=sys.stderr)
        changed = True
sys.exit(1 if changed else 0)
PYTHON
HF_HUB_OFFLINE=1 venv/bin/python scale.py
echo "as stated"
