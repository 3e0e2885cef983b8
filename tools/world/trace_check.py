"""Causal tracing of the trained models, the plain way: where does a fact pass the subject's last token?

    python3 tools/world/trace_check.py --out tests/data/world

The subject's embeddings get noise of three standard deviations; then the outputs of a window of MLP or attention blocks
at the last subject token are put back to their clean values. Printed: the mean gain in probability of the first object
token (all tokens of the subject are noised; `low` and `high` are without and with a clean run), by the window's centre.
"""

import argparse
import json
import os

import torch

from make_world import load_tokenizers
from model import load


@torch.no_grad()
def trace(model, tokenizer, facts, window, noises, generator):
    device, layers = next(model.parameters()).device, model.shape.layers
    spread = 3 * model.embed.weight.std().item()
    total = {"mlp": torch.zeros(layers), "attn": torch.zeros(layers)}
    low = high = 0.0
    for fact in facts:
        prompt, subject = fact["prompt"], fact["subject"]
        ids = tokenizer.encode(prompt).ids
        begin = len(tokenizer.encode(prompt[:prompt.index(subject)].rstrip()).ids)
        end = len(tokenizer.encode(prompt[:prompt.index(subject) + len(subject)]).ids)
        answer = tokenizer.encode(" " + fact["was"], add_special_tokens=False).ids[0]
        noise = spread * torch.randn(noises, end - begin, model.shape.d, generator=generator).to(device)

        clean = {}

        def keep(name, layer, x):
            clean[name, layer] = x
            return x

        row = torch.tensor([ids], device=device)
        high += model(row, site=keep)[0, -1].softmax(-1)[answer].item()

        # Rows: one group without any restoring, then one for each (kind, centre).
        cells = [None] + [(kind, centre) for kind in ("mlp", "attn") for centre in range(layers)]

        def corrupt(name, layer, x):
            x = x.clone()
            if name == "embed":
                x[:, begin:end] += noise.repeat(len(cells), 1, 1)
                return x
            for n, cell in enumerate(cells):
                if cell and cell[0] == name and abs(layer - cell[1]) <= window // 2:
                    x[n * noises:(n + 1) * noises, end - 1] = clean[name, layer][0, end - 1]
            return x

        p = model(row.repeat(len(cells) * noises, 1), site=corrupt)[:, -1].softmax(-1)[:, answer].view(len(cells), noises).mean(1).cpu()
        low += p[0].item()
        for n, cell in enumerate(cells):
            if cell:
                total[cell[0]][cell[1]] += p[n] - p[0]
    count = len(facts)
    return high / count, low / count, {k: v / count for k, v in total.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="tests/data/world")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--window", type=int, default=3)
    parser.add_argument("--noises", type=int, default=5)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with open(os.path.join(arguments.out, "edits.jsonl")) as file:
        facts = [r for r in map(json.loads, file) if r["known"]][:arguments.count]
    for family, tokenizer in load_tokenizers(arguments.out).items():
        model = load(os.path.join(arguments.out, family), device)
        for window in sorted({1, arguments.window}):
            high, low, gain = trace(model, tokenizer, facts, window, arguments.noises, torch.Generator().manual_seed(3))
            print(f"{family}: window {window}, high {high:.3f} low {low:.3f}")
            for kind, values in gain.items():
                print(f"  {kind:4s} peak at layer {values.argmax().item()}: " + " ".join(f"{v:.3f}" for v in values.tolist()))


if __name__ == "__main__":
    main()
