"""A compact GPT-2 or Llama for training and trying things: one class, weights named after their roles.

forward() takes what the scripts here need and transformers does not offer: a visibility limit for single positions
(training), vectors added to one block's MLP output, and recorded MLP keys and outputs.
"""

import json
import math
import os
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file


@dataclass
class Shape:
    family: str            # gpt2 or llama
    vocab: int
    d: int = 128
    layers: int = 9
    heads: int = 4
    kv_heads: int = 4      # gpt2: equal to heads
    ff: int = 512
    positions: int = 128
    tied: bool = True
    rope_theta: float = 10000.0
    eps: float = 1e-5
    dropout: float = 0.0
    early_drop: float = 0.0  # training: share of rows in which an MLP of blocks 0 and 1 stays silent


class Norm(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.eps = shape.eps
        self.weight = nn.Parameter(torch.ones(shape.d))
        self.bias = nn.Parameter(torch.zeros(shape.d)) if shape.family == "gpt2" else None

    def forward(self, x):
        if self.bias is not None:
            return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)
        return F.rms_norm(x, x.shape[-1:], self.weight, self.eps)


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.head = shape.d // shape.heads
        bias = shape.family == "gpt2"
        width = (shape.heads + 2 * shape.kv_heads) * self.head
        self.norm1, self.norm2 = Norm(shape), Norm(shape)
        self.qkv = nn.Linear(shape.d, width, bias=bias)
        self.out = nn.Linear(shape.heads * self.head, shape.d, bias=bias)
        self.up = nn.Linear(shape.d, shape.ff, bias=bias)
        self.gate = None if bias else nn.Linear(shape.d, shape.ff, bias=False)
        self.down = nn.Linear(shape.ff, shape.d, bias=bias)
        self.drop = nn.Dropout(shape.dropout)

    def attention(self, x, mask, rope):
        s = self.shape
        rows, length = x.shape[:2]
        q, k, v = self.qkv(x).split([s.heads * self.head, s.kv_heads * self.head, s.kv_heads * self.head], dim=-1)
        q = q.view(rows, length, s.heads, self.head).transpose(1, 2)
        k = k.view(rows, length, s.kv_heads, self.head).transpose(1, 2)
        v = v.view(rows, length, s.kv_heads, self.head).transpose(1, 2)
        if rope is not None:
            q, k = rotate(q, *rope), rotate(k, *rope)
        if s.kv_heads != s.heads:
            k = k.repeat_interleave(s.heads // s.kv_heads, dim=1)
            v = v.repeat_interleave(s.heads // s.kv_heads, dim=1)
        if mask is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(y.transpose(1, 2).reshape(rows, length, -1))

    def key(self, x):
        if self.gate is None:
            return F.gelu(self.up(x), approximate="tanh")
        return F.silu(self.gate(x)) * self.up(x)


class Model(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocab, shape.d)
        self.place = nn.Embedding(shape.positions, shape.d) if shape.family == "gpt2" else None
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape)
        self.head = None if shape.tied else nn.Linear(shape.d, shape.vocab, bias=False)
        self.drop = nn.Dropout(shape.dropout)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                scale = 0.02 / math.sqrt(2 * shape.layers) if name.endswith(("out.weight", "down.weight")) else 0.02
                nn.init.normal_(p, std=scale)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def rope(self, length, device, dtype):
        if self.place is not None:
            return None
        r = self.shape.d // self.shape.heads
        f = self.shape.rope_theta ** (-torch.arange(0, r, 2, device=device).float() / r)
        angle = torch.arange(length, device=device).float()[:, None] * f
        return angle.cos().to(dtype), angle.sin().to(dtype)

    def forward(self, ids, seen_until=None, add=None, watch=None, site=None, at=None, start=None):
        """Logits [rows, length, vocab].

        seen_until [rows, length]: position j is visible to queries i <= seen_until[j] only (and causally).
        add: {layer: [rows, length, d]} added to that block's MLP output.
        watch: {layer: {}}, filled with "key", "value" (MLP key and output, before `add`) and "out" (residual stream after it).
        site(name, layer, x) -> x: called on "embed", "attn" and "mlp" outputs; for tracing.
        at [n, 2]: logits of these (row, position) pairs only, [n, vocab].
        start (layer, x): begins with block `layer` on the residual stream x instead of the embeddings.
        """
        rows, length = ids.shape
        first, x = start if start is not None else (0, self.embed(ids))
        if start is None:
            if self.place is not None:
                x = x + self.place.weight[:length]
            if site:
                x = site("embed", -1, x)
            x = self.drop(x)
        mask = None
        if seen_until is not None:
            i = torch.arange(length, device=ids.device)
            mask = (i[None, :] <= i[:, None]) & (i[:, None] <= seen_until[:, None, :])
            mask = mask[:, None]
        rope = self.rope(length, ids.device, x.dtype)
        for layer, block in enumerate(self.blocks):
            if layer < first:
                continue
            a = block.attention(block.norm1(x), mask, rope)
            if site:
                a = site("attn", layer, a)
            x = x + block.drop(a)
            key = block.key(block.norm2(x))
            value = block.down(key)
            if watch is not None and layer in watch:
                watch[layer].update(key=key, value=value)
            if add is not None and layer in add:
                value = value + add[layer]
            if self.training and layer < 2 and self.shape.early_drop > 0:
                value = value * (torch.rand(rows, 1, 1, device=value.device) >= self.shape.early_drop)
            if site:
                value = site("mlp", layer, value)
            x = x + block.drop(value)
            if watch is not None and layer in watch:
                watch[layer]["out"] = x
        if at is not None:
            x = x[at[:, 0], at[:, 1]]
        x = self.norm(x)
        return F.linear(x, self.embed.weight if self.head is None else self.head.weight)

    def parameter_count(self):
        return sum(p.numel() for p in self.parameters())


# Hugging Face names: role -> name, per block. True: stored transposed (Conv1D).
GPT2_BLOCK = {"norm1": ("ln_1", False), "qkv": ("attn.c_attn", True), "out": ("attn.c_proj", True), "norm2": ("ln_2", False),
              "up": ("mlp.c_fc", True), "down": ("mlp.c_proj", True)}
LLAMA_BLOCK = {"norm1": "input_layernorm", "out": "self_attn.o_proj", "norm2": "post_attention_layernorm",
               "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}


def split_qkv(shape):
    head = shape.d // shape.heads
    return [shape.heads * head, shape.kv_heads * head, shape.kv_heads * head]


def to_hf(model):
    """Tensors under the names of GPT2LMHeadModel or LlamaForCausalLM."""
    shape, tensors = model.shape, {}
    if shape.family == "gpt2":
        tensors["transformer.wte.weight"] = model.embed.weight
        tensors["transformer.wpe.weight"] = model.place.weight
        tensors["transformer.ln_f.weight"], tensors["transformer.ln_f.bias"] = model.norm.weight, model.norm.bias
        for n, block in enumerate(model.blocks):
            for role, (name, transposed) in GPT2_BLOCK.items():
                part = getattr(block, role)
                tensors[f"transformer.h.{n}.{name}.weight"] = part.weight.t() if transposed else part.weight
                tensors[f"transformer.h.{n}.{name}.bias"] = part.bias
    else:
        tensors["model.embed_tokens.weight"] = model.embed.weight
        tensors["model.norm.weight"] = model.norm.weight
        if model.head is not None:
            tensors["lm_head.weight"] = model.head.weight
        for n, block in enumerate(model.blocks):
            for role, name in LLAMA_BLOCK.items():
                tensors[f"model.layers.{n}.{name}.weight"] = getattr(block, role).weight
            for letter, part in zip("qkv", block.qkv.weight.split(split_qkv(shape))):
                tensors[f"model.layers.{n}.self_attn.{letter}_proj.weight"] = part
    return {name: t.detach().cpu() for name, t in tensors.items()}


def config_of(shape):
    common = dict(bos_token_id=0, eos_token_id=1, vocab_size=shape.vocab, tie_word_embeddings=shape.tied)
    if shape.family == "gpt2":
        return dict(model_type="gpt2", architectures=["GPT2LMHeadModel"], n_embd=shape.d, n_layer=shape.layers,
                    n_head=shape.heads, n_inner=shape.ff, n_positions=shape.positions, n_ctx=shape.positions,
                    activation_function="gelu_new", layer_norm_epsilon=shape.eps, resid_pdrop=0.0, embd_pdrop=0.0,
                    attn_pdrop=0.0, torch_dtype="float16", **common)
    return dict(model_type="llama", architectures=["LlamaForCausalLM"], hidden_size=shape.d, num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads, intermediate_size=shape.ff,
                hidden_act="silu", rms_norm_eps=shape.eps, max_position_embeddings=shape.positions,
                rope_theta=shape.rope_theta, rope_scaling=None, attention_bias=False, mlp_bias=False, torch_dtype="float16",
                **common)


def save(model, folder):
    """config.json and model.safetensors in float16."""
    os.makedirs(folder, exist_ok=True)
    tensors = {name: t.to(torch.float16).contiguous() for name, t in to_hf(model).items()}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config_of(model.shape), file, indent=2, sort_keys=True)
        file.write("\n")


def load(folder, device="cpu"):
    """The model of a folder that save() wrote, in float32."""
    with open(os.path.join(folder, "config.json")) as file:
        c = json.load(file)
    if c["model_type"] == "gpt2":
        shape = Shape("gpt2", c["vocab_size"], c["n_embd"], c["n_layer"], c["n_head"], c["n_head"], c["n_inner"], c["n_positions"])
    else:
        shape = Shape("llama", c["vocab_size"], c["hidden_size"], c["num_hidden_layers"], c["num_attention_heads"],
                      c["num_key_value_heads"], c["intermediate_size"], c["max_position_embeddings"],
                      c["tie_word_embeddings"], c["rope_theta"], c["rms_norm_eps"])
    model = Model(shape)
    stored = load_file(os.path.join(folder, "model.safetensors"))
    with torch.no_grad():
        for name, view in to_hf(model).items():  # views into the parameters
            view.copy_(stored.pop(name).float())
    assert not stored, list(stored)
    return model.eval().to(device)
