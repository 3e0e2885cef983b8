"""The invented world's Llama model as a GGUF file with its tokenizer, as llama.cpp's converter lays it out:

    python tools/world/to_gguf.py tests/data/world/llama OUT.gguf [--type F32|F16|Q8_0|Q4_0|Q4_1]

Matrices in --type (default F16), norms in F32. For runs that want a small real GGUF file. Needs gguf, numpy, safetensors.
"""

import argparse
import json
import pathlib

import gguf
import numpy as np
from safetensors.numpy import load_file

NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
PARTS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down"}


def name_of(tensor):
    stem = tensor.removesuffix(".weight")
    if stem in NAMES:
        return NAMES[stem] + ".weight"
    _, _, block, part = stem.split(".", 3)
    return f"blk.{block}.{PARTS[part]}.weight"


def interleaved(weight, heads):
    """Rows of a head: pairs (i, i + d/2) beside each other."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def add_tokenizer(writer, folder):
    model = json.loads((folder / "tokenizer.json").read_text())
    special = {token["id"]: token["content"] for token in model["added_tokens"]}
    vocabulary = {**{number: text for text, number in model["model"]["vocab"].items()}, **special}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list([vocabulary[number] for number in range(len(vocabulary))])
    writer.add_token_types([3 if number in special else 1 for number in range(len(vocabulary))])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(True)


def write(folder, out, tensors, kind):
    """`tensors`: the checkpoint's own names and weights."""
    config = json.loads((folder / "config.json").read_text())
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name("the invented world")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    add_tokenizer(writer, folder)
    for tensor, weight in sorted(tensors.items()):
        weight = weight.astype(np.float32)
        if weight.ndim == 1:
            writer.add_tensor(name_of(tensor), weight)
            continue
        if "q_proj" in tensor or "k_proj" in tensor:
            weight = interleaved(weight, heads if "q_proj" in tensor else kv_heads)
        writer.add_tensor(name_of(tensor), gguf.quantize(weight, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--type", choices=("F32", "F16", "Q8_0", "Q4_0", "Q4_1"), default="F16")
    args = parser.parse_args()
    write(args.folder, args.out, load_file(args.folder / "model.safetensors"), gguf.GGMLQuantizationType[args.type])


if __name__ == "__main__":
    main()
