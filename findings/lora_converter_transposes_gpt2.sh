#!/usr/bin/env bash
# findings/lora_converter_transposes_gpt2.sh
#
# Packages: node-llama-cpp 3.21.1 and @node-llama-cpp/linux-x64 3.21.1 (npm; they carry the source of llama.cpp v0.4.0 with
# convert_lora_to_gguf.py, and a build of it), peft 0.21.2, transformers 5.24.0, torch 2.13.0 (PyPI; seen with the build for the
# CPU), numpy 2.2.6, sentencepiece 0.2.1, protobuf 6.33.1, pyyaml 6.0.3, requests 2.32.5. From the distribution: python3, node, npm,
# git.
#
# GPT-2 stores its matrices as [in, out] (Conv1D), and llama.cpp's converters turn them round. PEFT's factors of such a module are
# not turned: A is [r, in] and B is [out, r] as everywhere, since fan_in_fan_out acts when the product is added. The converter of
# adapters turns them all the same. The change that it writes is the transpose: for mlp.c_proj its shape does not fit, and
# llama.cpp refuses the adapter; for attn.c_proj, which is square, the shape fits, and another model comes out, without a word.
#
# So: for GPT-2, write the GGUF adapter from A and B directly, and never judge a converted adapter by the fact that it loads.
#
# Output (random GPT-2, rank 1; change of the weight by the GGUF file against B A of PEFT):
#   attn.c_proj   in the file [64, 64]    B A False   its transpose True    llama.cpp: loads
#   mlp.c_proj    in the file [256, 64]   B A False   its transpose True    llama.cpp: refused
#
# Exits with 1 if this changed, with 2 if a program is missing.

set -euo pipefail

for program in python3 node npm git; do
  command -v "$program" > /dev/null || { echo "missing: $program" >&2; exit 2; }
done
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

npm install --silent --ignore-scripts --no-audit --no-fund --omit=optional \
  node-llama-cpp@3.21.1 @node-llama-cpp/linux-x64@3.21.1 > /dev/null
git clone --quiet node_modules/node-llama-cpp/llama/gitRelease.bundle llama.cpp 2> /dev/null
python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.2 transformers==5.24.0 torch==2.13.0 numpy==2.2.6 sentencepiece==0.2.1 protobuf==6.33.1 \
  pyyaml==6.0.3 requests==2.32.5

cat > open.mjs << 'JS'
// node open.mjs MODEL [ADAPTER]: "loads" or "refused".
import {getLlama} from "node-llama-cpp";

const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: "disabled"});
const model = await llama.loadModel({modelPath: process.argv[2]});
try {
    await model.createContext({contextSize: 64, threads: 1, lora: process.argv[3]});
    console.log("loads");
} catch {
    console.log("refused");
}
process.exit(0);
JS

cat > transpose.py << 'PYTHON'
import subprocess
import sys
import warnings

import numpy
import torch
import transformers
from peft import LoraConfig, get_peft_model

sys.path.insert(1, "llama.cpp/gguf-py")
import gguf

warnings.simplefilter("ignore")
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def gpt2():
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=64, n_positions=64, n_embd=64, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=1))


def write_model(path):
    """The same model as GGUF, its matrices [out, in]."""
    state = {name: tensor.float().numpy() for name, tensor in gpt2().state_dict().items()}
    writer = gguf.GGUFWriter(path, "gpt2")
    for name, value in (("block_count", 1), ("context_length", 64), ("embedding_length", 64), ("feed_forward_length", 256),
                        ("attention.head_count", 2)):
        writer.add_uint32("gpt2." + name, value)
    writer.add_float32("gpt2.attention.layer_norm_epsilon", 1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([chr(ord("0") + i) for i in range(64)])
    writer.add_token_types([1] * 64)
    writer.add_token_merges(["a b"])
    writer.add_tensor("token_embd.weight", state["transformer.wte.weight"])
    writer.add_tensor("position_embd.weight", state["transformer.wpe.weight"])
    for theirs, ours in (("h.0.ln_1", "blk.0.attn_norm"), ("h.0.attn.c_attn", "blk.0.attn_qkv"), ("h.0.attn.c_proj", "blk.0.attn_output"),
                         ("h.0.ln_2", "blk.0.ffn_norm"), ("h.0.mlp.c_fc", "blk.0.ffn_up"), ("h.0.mlp.c_proj", "blk.0.ffn_down"),
                         ("ln_f", "output_norm")):
        writer.add_tensor(ours + ".weight", numpy.ascontiguousarray(state[f"transformer.{theirs}.weight"].T))
        writer.add_tensor(ours + ".bias", state[f"transformer.{theirs}.bias"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def opens(*files):
    done = subprocess.run(["node", "open.mjs", *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = done.stdout.strip().splitlines()
    assert done.returncode == 0 and lines, done.stderr
    return lines[-1]


gpt2().save_pretrained("base")
write_model("base.gguf")
assert opens("base.gguf") == "loads"
changed = False
for module, tensor, shape, loads in (("attn.c_proj", "attn_output", [64, 64], "loads"), ("mlp.c_proj", "ffn_down", [256, 64], "refused")):
    base = gpt2()
    torch.manual_seed(1)
    model = get_peft_model(base, LoraConfig(r=1, lora_alpha=1, target_modules=["transformer.h.0." + module], fan_in_fan_out=True,
                                            init_lora_weights=False, task_type="CAUSAL_LM"))
    model.save_pretrained("adapter")
    adapted = model.get_submodule("base_model.model.transformer.h.0." + module)
    right = (adapted.lora_B["default"].weight @ adapted.lora_A["default"].weight).detach().numpy()
    assert numpy.allclose(adapted.get_delta_weight("default").detach().numpy(), right.T)  # Conv1D: [in, out]
    subprocess.run([sys.executable, "llama.cpp/convert_lora_to_gguf.py", "--base", "base", "--outtype", "f32", "--outfile", "adapter.gguf",
                    "adapter"], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    tensors = {entry.name: numpy.array(entry.data) for entry in gguf.GGUFReader("adapter.gguf").tensors}
    written = tensors[f"blk.0.{tensor}.weight.lora_b"] @ tensors[f"blk.0.{tensor}.weight.lora_a"]
    same = written.shape == right.shape and numpy.allclose(written, right, atol=1e-6)
    turned = written.shape == right.T.shape and numpy.allclose(written, right.T, atol=1e-6)
    found = opens("base.gguf", "adapter.gguf")
    print(f"{module:13} in the file {list(written.shape)!s:11} B A {same!s:7} its transpose {turned!s:7} llama.cpp: {found}")
    if (same, turned, found, list(written.shape)) != (False, True, loads, shape):
        print("CHANGED", file=sys.stderr)
        changed = True
sys.exit(1 if changed else 0)
PYTHON
HF_HUB_OFFLINE=1 venv/bin/python transpose.py
echo "as stated"
