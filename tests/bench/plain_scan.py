#!/usr/bin/env python3
"""The plain way of finding trigger examples in PyTorch, beside `memory_scan_bench` on the same machine.

    python tests/bench/plain_scan.py --model MODEL.gguf|DIR --corpus FILE [--tokens 4096] [--top 25] [--rows 8] \\
        [--bench build/release/tests/bench/memory_scan_bench]

As one writes it: the model of transformers without its head, a forward hook in front of every down projection, and of each
batch and layer torch.topk of the kept coefficients and the new ones, at both ends, with the place of each. `--rows`: rows of a batch;
small ones are what scripts use that keep a sentence apart. Prints seconds of wall clock and of all processors' work a token, of the
bare pass and of the plain way, then the same of emend's bare pass and scan from the bench, and the ratios. One JSON object.
Both use all cores that torch uses; on a busy machine compare the processors' work. Needs torch and transformers, for GGUF also gguf and accelerate.
"""

import argparse
import json
import os
import pathlib
import subprocess
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def load(path):
    path = pathlib.Path(path)
    if path.suffix == ".gguf":
        where, more = str(path.parent), {"gguf_file": path.name}
    else:
        where, more = str(path), {}
    model = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **more).eval()
    return model, AutoTokenizer.from_pretrained(where, **more)


class PlainScan:
    """Running topk of every cell at both ends; `at` is the number of the first token of the batch."""

    def __init__(self, model, top):
        self.top, self.at, self.kept, self.handles = top, 0, {}, []
        for number, layer in enumerate(model.model.layers):
            self.handles.append(layer.mlp.down_proj.register_forward_pre_hook(self.hook(number)))

    def hook(self, layer):
        def take(_module, inputs):
            keys = inputs[0].reshape(-1, inputs[0].shape[-1])
            places = torch.arange(self.at, self.at + keys.shape[0]).unsqueeze(1).expand_as(keys)
            for largest in (True, False):
                values, where = self.kept.get((layer, largest), (keys[:0], places[:0]))
                values, where = torch.cat([values, keys]), torch.cat([where, places])
                best, index = torch.topk(values, min(self.top, values.shape[0]), 0, largest)
                self.kept[layer, largest] = best, where.gather(0, index)

        return take

    def close(self):
        for handle in self.handles:
            handle.remove()


def measure(batches, work):
    """Seconds of wall clock and of all processors' work a token."""
    began, processor, tokens = time.perf_counter(), time.process_time(), 0
    for batch in batches:
        work(batch)
        tokens += batch.numel()
    return (time.perf_counter() - began) / tokens, (time.process_time() - processor) / tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=128, help="tokens of a row")
    parser.add_argument("--bench", default="build/release/tests/bench/memory_scan_bench")
    args = parser.parse_args()

    bench = subprocess.run([args.bench, args.model, str(args.tokens), str(args.top), "0"], check=True, capture_output=True,
                           text=True, env={**os.environ, "CORPUS": args.corpus})
    ours = json.loads(bench.stdout)
    model, tokenizer = load(args.model)
    text = pathlib.Path(args.corpus).read_text(errors="replace")[: 12 * args.tokens]
    ids = torch.tensor(tokenizer(text)["input_ids"][: args.tokens // args.length * args.length]).view(-1, args.length)
    batches = list(ids.split(args.rows))
    with torch.inference_mode():
        model.model(batches[0])  # warm
        bare = measure(batches, model.model)
        plain = PlainScan(model, args.top)

        def scan(batch):
            model.model(batch)
            plain.at += batch.numel()

        scanned = measure(batches, scan)
        plain.close()
    result = {
        "threads": torch.get_num_threads(),
        "tokens": ids.numel(),
        "rows_of_a_batch": args.rows,
        "plain": {"bare": dict(zip(("seconds", "processor_seconds"), bare)),
                  "scan": dict(zip(("seconds", "processor_seconds"), scanned))},
        "plain_scan_over_its_bare_pass": {"wall": scanned[0] / bare[0], "processor": scanned[1] / bare[1]},
        "emend": {"bare": {"seconds": 1 / ours["bare_tokens_a_second"], "processor_seconds": ours["bare_processor_seconds_a_token"]},
                  "scan": {"seconds": 1 / ours["scan_tokens_a_second"], "processor_seconds": ours["scan_processor_seconds_a_token"]}},
        "scan_over_bare": ours["scan_over_bare"],
    }
    for name, index in (("seconds", 0), ("processor_seconds", 1)):
        scan_cost = result["emend"]["scan"][name] - result["emend"]["bare"][name]
        result[f"plain_over_emend_{name}"] = scanned[index] / result["emend"]["scan"][name]
        result[f"plain_cost_over_emend_cost_{name}"] = (scanned[index] - bare[index]) / scan_cost if scan_cost > 0 else None
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
