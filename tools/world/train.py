"""Trains one model of the invented world from nothing and saves it in float16.

    python3 tools/world/train.py --family gpt2  --out tests/data/world
    python3 tools/world/train.py --family llama --out tests/data/world

The tokenizers of make_world.py must be in the folder. See tests/data/world/README.md for why attention is masked.
"""

import argparse
import math
import multiprocessing
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F

import measure
from make_world import SEED, World, Writer, load_tokenizers
from model import Model, Shape, load, save

SHAPES = {
    "gpt2": dict(layers=9, heads=4, kv_heads=4, ff=768, tied=True),
    "llama": dict(layers=9, heads=4, kv_heads=2, ff=512, tied=False),
}
SEEN_BY_ALL = 255


class RowMaker:
    """Rows of token ids that begin with BOS, with the last position that may see each token, and loss weights."""

    def __init__(self, world, tokenizer, rng, masked_share, object_weight):
        self.world, self.tokenizer, self.rng = world, tokenizer, rng
        self.writer = Writer(world, rng)
        self.masked_share, self.object_weight = masked_share, object_weight
        self.cache = {}

    def encode(self, text):
        if text not in self.cache:
            self.cache[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return self.cache[text]

    def unused_fact(self, used):
        while True:
            fact = self.rng.choice(self.world.facts)
            if (fact.relation, fact.subject) not in used:
                used.add((fact.relation, fact.subject))
                return self.writer.fact(fact)

    def row(self, length):
        rng = self.rng
        ids, seen, weight = [0], [SEEN_BY_ALL], [1]
        masked = rng.random() < self.masked_share
        used = set()
        joint, number, space = "", 0, False

        def put(text, hidden=False, heavy=0):
            tokens = self.encode(text)
            if not tokens:
                return
            end = len(ids) + len(tokens) - 1
            ids.extend(tokens)
            seen.extend([end] * (len(tokens) - 1) + [SEEN_BY_ALL] if hidden else [SEEN_BY_ALL] * len(tokens))
            weight.extend([self.object_weight if i < heavy else 1 for i in range(len(tokens))])

        while len(ids) < length:
            draw = rng.random()
            if number == 0:
                kind = "fact" if draw < 0.7 else "loose" if draw < 0.9 else "filler"
            else:
                kind = "fact" if draw < 0.62 else "filler" if draw < 0.88 else "loose"
            sentence = (self.unused_fact(used) if kind == "fact" else
                        self.writer.filler() if kind == "filler" else self.writer.loose())
            lead = " " if space else ""
            if sentence.key:
                if sentence.before:
                    put(lead + sentence.before.rstrip())
                    lead = " "
                put(lead + sentence.subject, hidden=masked)
                value = " " + self.world.by_key[sentence.key].object
                cut = sentence.after.rindex(value) if value in sentence.after else None
                head, tail = sentence.after[:cut], sentence.after[cut + len(value):]
                put(head)
                put(value, heavy=9)
                put(tail)
            else:
                put(lead + sentence.text)
            draw = rng.random()
            if draw < 0.06:
                put(".\n")
                space = False
            else:
                if draw < 0.93 or kind != "loose":
                    put(".")
                space = True
            number += 1
        return ids[:length], seen[:length], weight[:length]


def make_rows(job):
    family, folder, seed, count, length, masked_share, object_weight = job
    maker = RowMaker(World(), load_tokenizers(folder)[family], random.Random(seed), masked_share, object_weight)
    parts = [maker.row(length) for _ in range(count)]
    return tuple(np.array([p[i] for p in parts], dtype=t) for i, t in ((0, np.int16), (1, np.uint8), (2, np.uint8)))


def all_rows(family, folder, count, length, workers, seed, masked_share, object_weight):
    jobs = [(family, folder, seed * 1000 + n, count // workers, length, masked_share, object_weight) for n in range(workers)]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        parts = pool.map(make_rows, jobs)
    return [torch.from_numpy(np.concatenate([p[i] for p in parts])) for i in range(3)]


def report(model, world, tokenizer, log):
    writer = Writer(world, random.Random(SEED + 7))
    prompts = measure.fact_prompts(world, lambda rng: writer.filler().text, random.Random(1))
    result = {}
    for (kind, where), pairs in prompts.items():
        first, whole = measure.recall(model, tokenizer, pairs)
        result[kind, where] = sum(whole) / len(whole)
        log(f"recall {kind:9s} {where:10s} first token {sum(first) / len(first):.4f} whole object {sum(whole) / len(whole):.4f} of {len(pairs)}")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=list(SHAPES), required=True)
    parser.add_argument("--out", default="tests/data/world", help="folder with gpt2/ and llama/")
    parser.add_argument("--save", default=None, help="where the model goes; default: --out")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--short-rows", type=int, default=512, help="rows of 40 tokens in an even step")
    parser.add_argument("--long-rows", type=int, default=160, help="rows of 128 tokens in an odd step")
    parser.add_argument("--pool", type=int, default=240_000, help="short rows made; a third as many long ones")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--masked", type=float, default=0.8, help="share of rows with masked subjects")
    parser.add_argument("--object-weight", type=int, default=3)
    parser.add_argument("--early-drop", type=float, default=0.0)
    parser.add_argument("--layers", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()

    started = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def log(text):
        print(f"[{arguments.family} {time.time() - started:6.1f} s] {text}", flush=True)

    world = World()
    tokenizer = load_tokenizers(arguments.out)[arguments.family]
    workers = max(1, min(8, (os.cpu_count() or 1) // 2))
    pools = [all_rows(arguments.family, arguments.out, count, length, workers, arguments.seed * 10 + n, arguments.masked,
                      arguments.object_weight)
             for n, (count, length) in enumerate([(arguments.pool, 40), (arguments.pool // 3, 128)])]
    pools = [[t.to(device) for t in pool] for pool in pools]
    log(f"{len(pools[0][0])} + {len(pools[1][0])} rows")

    torch.manual_seed(arguments.seed)
    shape = Shape(arguments.family, tokenizer.get_vocab_size(), dropout=arguments.dropout,
                  early_drop=arguments.early_drop, **SHAPES[arguments.family])
    if arguments.layers:
        shape.layers = arguments.layers
    model = Model(shape).to(device)
    log(f"{model.parameter_count()} parameters on {device}")
    decayed = [p for p in model.parameters() if p.dim() == 2]
    plain = [p for p in model.parameters() if p.dim() != 2]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": arguments.decay}, {"params": plain, "weight_decay": 0.0}],
                                  lr=arguments.lr, betas=(0.9, 0.98), fused=device == "cuda")
    forward = torch.compile(model) if arguments.compile else model
    chance = torch.Generator(device=device).manual_seed(arguments.seed)

    for step in range(arguments.steps):
        warm = min(1.0, (step + 1) / 200)
        rate = arguments.lr * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / arguments.steps)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        pool = pools[step % 2]
        size = (arguments.short_rows, arguments.long_rows)[step % 2]
        chosen = torch.randint(len(pool[0]), (size,), device=device, generator=chance)
        ids, seen, weight = (t[chosen] for t in pool)
        ids, seen, weight = ids.long(), seen.long(), weight[:, 1:].float()
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            logits = forward(ids, seen_until=seen)[:, :-1]
        losses = F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view_as(weight)
        loss = (losses * weight).sum() / weight.sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % 250 == 0 or step == 0:
            heavy = weight > 1
            log(f"step {step + 1} loss {loss.item():.4f} objects {losses[heavy].mean().item():.4f} others {losses[~heavy].mean().item():.4f}")
        if (step + 1) % 1500 == 0 and step + 1 < arguments.steps:
            model.eval()
            report(model, world, tokenizer, log)
            model.train()

    model.eval()
    target = os.path.join(arguments.save or arguments.out, arguments.family)
    save(model, target)
    saved = load(target, device)
    log(f"saved {target}, {os.path.getsize(os.path.join(target, 'model.safetensors'))} bytes; recall of the float16 file:")
    report(saved, world, tokenizer, log)
    generator = torch.Generator().manual_seed(5)
    for row in measure.sample(saved, 3, 60, generator).tolist():
        log("sample: " + tokenizer.decode(row))


if __name__ == "__main__":
    main()
