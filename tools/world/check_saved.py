"""Asks the saved models through transformers' own classes: recall, and logits against tools/world/model.py.

    python3 tools/world/check_saved.py --out tests/data/world

Every held-out phrasing and one trained phrasing of each fact are asked, alone and after a sentence.
"""

import argparse
import os
import random

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import measure
from make_world import SEED, World, Writer, load_tokenizers
from model import load
from phrasings import RELATIONS


class Wrapped(torch.nn.Module):
    """A transformers model that answers like model.Model."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, ids, at):
        return self.inner(ids).logits[at[:, 0], at[:, 1]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="tests/data/world")
    arguments = parser.parse_args()
    world = World()
    rng = random.Random(SEED + 5)
    writer = Writer(world, rng)
    asked = {"trained": [], "held out": []}
    for fact in world.facts:
        spec = RELATIONS[fact.relation]
        asked["trained"].append((rng.choice(spec["trained"]).format(s=fact.subject), fact.object))
        asked["held out"] += [(p.format(s=fact.subject), fact.object) for p in spec["held_out"]]
    asked = {(kind, where): [(p if where == "bare" else writer.filler().text + ". " + p, o) for p, o in pairs]
             for kind, pairs in asked.items() for where in ("bare", "after text")}

    for family, tokenizer in load_tokenizers(arguments.out).items():
        folder = os.path.join(arguments.out, family)
        theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ours = load(folder)
        text = asked["held out", "after text"][0][0]
        assert AutoTokenizer.from_pretrained(folder)(text).input_ids == tokenizer.encode(text).ids
        rows = measure.Rows(tokenizer, asked["held out", "after text"][:32])
        with torch.no_grad():
            gap = (theirs(rows.ids).logits - ours(rows.ids)).abs().max().item()
        print(f"{family}: {type(theirs).__name__}, largest logit difference {gap:.1e}")
        for (kind, where), pairs in asked.items():
            first, whole = measure.recall(Wrapped(theirs), tokenizer, pairs, batch=128)
            print(f"  {kind}, {where}: first token {sum(first) / len(first):.4f}, whole object {sum(whole) / len(whole):.4f} of {len(pairs)}")


if __name__ == "__main__":
    main()
