"""Prints how long lm-evaluation-harness and `emend eval abilities` take for the same items, and whether their figures agree.

    python3 tools/harness_speed.py [--model tests/data/world/llama] [--items 500] [--batch 16] [--threads 1]

The items are questions about the invented world (tests/data/world/facts.jsonl) in the form of ARC, four choices each. Loading is
not counted on either side. Needs lm_eval, torch, transformers, and the program in build/release.
"""

import argparse
import json
import os
import random
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tests/data/world/llama")
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with open("tests/data/world/facts.jsonl", encoding="utf-8") as lines:
        facts = [json.loads(line) for line in lines]
    import lm_eval
    import torch
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        data, result = os.path.join(folder, "arc.jsonl"), os.path.join(folder, "result.json")
        write_items(facts, options.items, data)
        model = harness_reference.HFLM(pretrained=options.model, dtype="float32", device="cpu", batch_size=options.batch)
        task = harness_reference.task_of("arc", folder)
        began = time.time()
        theirs = lm_eval.simple_evaluate(model=model, tasks=[task], bootstrap_iters=0)["results"]["arc"]
        seconds = time.time() - began
        subprocess.run(["build/release/emend", "eval", "abilities", "--model", options.model, "--data", data, "--json", result,
                        "--threads", str(options.threads), "--quiet"], check=True, stdout=subprocess.DEVNULL)
        with open(result, encoding="utf-8") as file:
            ours = json.load(file)
    figures = ours["tasks"][0]["metrics"]
    for name in ("acc", "acc_norm"):
        print(f"{name}: harness {theirs[name + ',none']:.4f}, emend {figures[name]['before']['mean']:.4f}")
    print(f"seconds for {options.items} items: harness {seconds:.2f}, emend {ours['seconds']:.2f}, "
          f"{seconds / ours['seconds']:.1f} times as fast")


if __name__ == "__main__":
    main()
