"""Writes edits.jsonl: counterfactual edits of the invented world's facts, after asking both trained models.

    python3 tools/world/make_records.py --out tests/data/world

A record is `known` when both models complete its prompt with the whole of `was`. Neighbours are other subjects of the
relation, asked with prompts that both models answer rightly: first those whose answer is `was`, then up to two others.
"""

import argparse
import json
import os
import random

import torch

import measure
from make_world import SEED, World, Writer, load_tokenizers
from model import load
from phrasings import RELATIONS


def known_prompts(folder, pairs, device):
    """For each (prompt, object): do both models give the whole object?"""
    tokenizers = load_tokenizers(folder)
    known = [True] * len(pairs)
    for family, tokenizer in tokenizers.items():
        _, whole = measure.recall(load(os.path.join(folder, family), device), tokenizer, pairs)
        known = [a and b for a, b in zip(known, whole)]
    return dict(zip([prompt for prompt, _ in pairs], known))


def make_records(world, known, rng, count):
    writer = Writer(world, rng)

    def text_without(subject):
        while True:
            text = writer.filler().text
            if subject not in text:
                return text

    def good_prompts(fact):
        prompts = [p.format(s=fact.subject) for p in RELATIONS[fact.relation]["trained"]]
        return [p for p in prompts if known[p]]

    records = []
    for fact in world.facts:
        spec = RELATIONS[fact.relation]
        phrasing = rng.choice(spec["trained"])
        others = sorted({f.object for f in world.facts if f.relation == fact.relation and f.object != fact.object})
        held_out = rng.sample(spec["held_out"], 2)
        another = rng.choice([p for p in spec["trained"] if p != phrasing])
        paraphrases = [held_out[0].format(s=fact.subject), another.format(s=fact.subject),
                       text_without(fact.subject) + ". " + held_out[1].format(s=fact.subject)]
        same = [f for f in world.facts if f.relation == fact.relation and f.object == fact.object and f != fact]
        different = [f for f in world.facts if f.relation == fact.relation and f.object != fact.object]
        target = rng.choice(others)
        rng.shuffle(same)
        rng.shuffle(different)
        neighbours = []
        for group, most in ((same, 6), ([f for f in different if f.object != target], 2)):
            taken = 0
            for f in group:
                prompts = good_prompts(f)
                if prompts and taken < most:
                    neighbours.append({"prompt": rng.choice(prompts), "answer": f.object})
                    taken += 1
        same_subject = [f for f in world.facts if f.subject == fact.subject and f.relation != fact.relation]
        prompt = phrasing.format(s=fact.subject)
        records.append({
            "id": fact.id, "relation": fact.relation, "known": known[prompt], "prompt": prompt, "subject": fact.subject,
            "target": target, "was": fact.object, "paraphrases": paraphrases, "neighbours": neighbours,
            "same_subject": [{"prompt": rng.choice(good_prompts(f)), "answer": f.object} for f in same_subject if good_prompts(f)],
        })
    rng.shuffle(records)
    return records[:count]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="tests/data/world")
    parser.add_argument("--count", type=int, default=400)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    world = World()
    pairs = [(p.format(s=f.subject), f.object) for f in world.facts for p in RELATIONS[f.relation]["trained"]]
    known = known_prompts(arguments.out, pairs, device)
    records = make_records(world, known, random.Random(SEED + 3), arguments.count)
    with open(os.path.join(arguments.out, "edits.jsonl"), "w") as file:
        for record in records:
            file.write(json.dumps(record) + "\n")
    print(len(records), "records,", sum(r["known"] for r in records), "known;",
          sum(len(r["neighbours"]) >= 4 for r in records), "with four or more neighbours")


if __name__ == "__main__":
    main()
