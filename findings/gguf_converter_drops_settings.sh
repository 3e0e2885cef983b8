#!/usr/bin/env bash
# findings/gguf_converter_drops_settings.sh
#
# Packages: node-llama-cpp 3.21.1 (npm; it carries the source of llama.cpp v0.4.0 with convert_hf_to_gguf.py), transformers 4.57.6
# (the version that the converter asks for), torch 2.13.0 (PyPI; seen with the build for the CPU), sentencepiece 0.2.1,
# protobuf 4.25.8, pyyaml 6.0.3, requests 2.32.5. From the distribution: node, npm, git.
#
# The converter drops settings that change the model, without a warning. The files of two checkpoints that differ in such a setting
# alone are the same, byte for byte. llama.cpp then takes its default: base 10000 for rotation, no window, every fourth layer
# without rotation for SmolLM3, the size of a head for Gemma's scale, GELU for GPT-NeoX.
#
# So: a GGUF file does not say all that config.json says. Logits of a converted file are comparable with those of the checkpoint
# only if these settings have the default's value, or if the text is shorter than the window; a reader of GGUF has to know
# llama.cpp's defaults by architecture and cannot be more faithful than the file.
#
# Output (each line: two checkpoints with the same weights that differ in one setting; are their GGUF files the same?):
#   llama        rope_theta 10000 or 500000                    differ
#   gpt_neox     rotary_emb_base 10000 or 500000               the same
#   stablelm     rope_theta 10000 or 500000                    the same
#   phi          rope_theta 10000 or 500000                    the same
#   gemma        rope_theta 10000 or 500000                    the same
#   gemma2       rope_theta 10000 or 500000                    the same
#   falcon       rope_theta 10000 or 500000                    the same
#   mistral      sliding_window None or 8                      the same
#   starcoder2   sliding_window None or 8                      the same
#   qwen2        use_sliding_window False or True              the same
#   gemma2       sliding_window 16 or 8                        differ
#   gemma2       query_pre_attn_scalar 8 or 2                  the same
#   smollm3      no_rope_layers [1, 1] or [1, 0]               the same
#   gpt_neox     hidden_act gelu or relu                       the same
#   llama        hidden_act silu or gelu                       the same
#
# Exits with 1 if this changed, with 2 if a program is missing. The step that reads a tokenizer is replaced, since the checkpoints
# have none.

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
venv/bin/pip install --quiet transformers==4.57.6 torch==2.13.0 sentencepiece==0.2.1 protobuf==4.25.8 pyyaml==6.0.3 requests==2.32.5

cat > settings.py << 'PYTHON'
import logging
import pathlib
import sys
import tempfile

sys.path[:0] = ["llama.cpp", "llama.cpp/gguf-py"]
import gguf
import torch
import transformers
from conversion import ModelBase, ModelType, get_model_architecture, get_model_class

logging.disable(logging.CRITICAL)
changed = False
shape = dict(vocab_size=32, hidden_size=16, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
             num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, bos_token_id=0, eos_token_id=1)
head = dict(head_dim=8)
window = dict(sliding_window=8, max_window_layers=0)
falcon = dict(vocab_size=32, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_kv_heads=2, multi_query=False,
              new_decoder_architecture=True, bos_token_id=0, eos_token_id=1)


def converted(kind, config):
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder) / "model"
        model = getattr(transformers, kind + "ForCausalLM")(getattr(transformers, kind + "Config")(**config))
        model.save_pretrained(folder)
        hparams = ModelBase.load_hparams(folder, False)
        converter = get_model_class(get_model_architecture(hparams, ModelType.TEXT))
        converter.set_vocab = lambda self: self._set_vocab_none()
        converter(folder, gguf.LlamaFileType.ALL_F32, folder / "out.gguf", model_name="tiny").write()
        return (folder / "out.gguf").read_bytes()


def check(kind, config, name, values, differ):
    global changed
    first, second = (converted(kind, config | {name: value}) for value in values)
    seen = "differ" if first != second else "the same"
    model_type = getattr(transformers, kind + "Config").model_type
    print(f"{model_type:12} {f'{name} {values[0]} or {values[1]}':45} {seen}", flush=True)
    if (first != second) != differ:
        print("CHANGED", file=sys.stderr)
        changed = True


bases = (10000, 500000)
check("Llama", shape, "rope_theta", bases, True)
check("GPTNeoX", shape, "rotary_emb_base", bases, False)
check("StableLm", shape, "rope_theta", bases, False)
check("Phi", shape, "rope_theta", bases, False)
check("Gemma", shape | head, "rope_theta", bases, False)
check("Gemma2", shape | head, "rope_theta", bases, False)
check("Falcon", falcon, "rope_theta", bases, False)
check("Mistral", shape | head, "sliding_window", (None, 8), False)
check("Starcoder2", shape, "sliding_window", (None, 8), False)
check("Qwen2", shape | window, "use_sliding_window", (False, True), False)
check("Gemma2", shape | head, "sliding_window", (16, 8), True)
check("Gemma2", shape | head, "query_pre_attn_scalar", (8, 2), False)
check("SmolLM3", shape, "no_rope_layers", ([1, 1], [1, 0]), False)
check("GPTNeoX", shape, "hidden_act", ("gelu", "relu"), False)
check("Llama", shape, "hidden_act", ("silu", "gelu"), False)
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python settings.py 2> errors || { cat errors >&2; exit 1; }
echo "as stated"
