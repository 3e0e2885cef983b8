"""Prints how long lm-evaluation-harness and `emend eval abilities` take for the same items, and whether their figures agree.

    python3 tools/harness_speed.py [--model tests/data/world/llama] [--emend-model FILE] [--items 500] [--batch 16] [--threads 1] [--rounds 3]
        [--device cuda] [--emend build/release/emend]

The items are questions about the invented world (tests/data/world/facts.jsonl) in the form of ARC, four choices each. Both programs
take turns, --rounds times, so that other work on the machine falls on both; printed are the seconds of each, the ratio of each
round, and its median. Loading is not counted on either side. `--emend-model` is the same model in another file, such as the GGUF of
which `emend export model` made the folder. With `--device cuda` both compute on the GPU; `--batch` is the harness' alone. Needs
lm_eval (with its extra "hf"), torch, transformers, and the program.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures"))
import harness_reference  # noqa: E402


def write_items(facts, count, path):
    draw = random.Random(0)
    objects = {}
    for fact in facts:
        objects.setdefault(fact["relation"], set()).add(fact["object"])
    with open(path, "w", encoding="utf-8") as out:
        for k in range(count):
            fact = facts[k % len(facts)]
            choices = draw.sample(sorted(objects[fact["relation"]] - {fact["object"]}), 3) + [fact["object"]]
            draw.shuffle(choices)
            question = fact["prompts"][k // len(facts) % len(fact["prompts"])]
            out.write(json.dumps({"question": question, "choices": {"text": choices, "label": list("ABCD")},
                                  "answerKey": "ABCD"[choices.index(fact["object"])]}) + "\n")


def ask_harness(model, folder):
    """The figures of the harness, and its seconds."""
    import lm_eval
    task = harness_reference.task_of("arc", folder)
    began = time.time()
    figures = lm_eval.simple_evaluate(model=model, tasks=[task], bootstrap_iters=0)["results"]["arc"]
    return {name: figures[name + ",none"] for name in ("acc", "acc_norm")}, time.time() - began


def ask_emend(options, data, folder):
    """The figures of emend, and its seconds."""
    result = os.path.join(folder, "result.json")
    subprocess.run([options.emend, "eval", "abilities", "--model", options.emend_model or options.model, "--data", data, "--json", result,
                    "--threads", str(options.threads), "--device", options.device, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    with open(result, encoding="utf-8") as file:
        ours = json.load(file)
    figures = ours["tasks"][0]["metrics"]
    return {name: figures[name]["before"]["mean"] for name in ("acc", "acc_norm")}, ours["seconds"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tests/data/world/llama")
    parser.add_argument("--emend-model")
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--emend", default="build/release/emend")
    options = parser.parse_args()
    with open("tests/data/world/facts.jsonl", encoding="utf-8") as lines:
        facts = [json.loads(line) for line in lines]
    import torch
    torch.set_num_threads(options.threads)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "arc.jsonl")
        write_items(facts, options.items, data)
        model = harness_reference.HFLM(pretrained=options.model, dtype="float32", device=options.device, batch_size=options.batch)
        for number in range(options.rounds):
            theirs, their_seconds = ask_harness(model, folder)
            ours, our_seconds = ask_emend(options, data, folder)
            ratios.append(their_seconds / our_seconds)
            print(f"round {number + 1}, seconds for {options.items} items: harness {their_seconds:.2f}, emend {our_seconds:.2f}, "
                  f"{ratios[-1]:.2f} times as fast", flush=True)
    for name, value in theirs.items():
        print(f"{name}: harness {value:.4f}, emend {ours[name]:.4f}")
    print(f"median of {options.rounds} rounds: {statistics.median(ratios):.2f} times as fast, from {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
