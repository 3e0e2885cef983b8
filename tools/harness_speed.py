"""Prints how long lm-evaluation-harness and `emend eval abilities` take for the same items, and whether their figures agree.

    python3 tools/harness_speed.py [--model tests/data/world/llama] [--emend-model FILE] [--items 500] [--batch 16] [--threads 1] [--rounds 3]
        [--device cuda] [--emend build/release/emend]

The items are questions about the invented world (tests/data/world/facts.jsonl) in the form of ARC, four choices each. Both programs
take turns, --rounds times, so that other work on the machine falls on both; printed are the seconds of each, the ratio of each
round, and its median: by the clock, and by processor time, which other work on the machine falsifies less (of emend the difference to a run
with one item). Loading is not counted on either side, nor is the harness' reading of its own tasks' files. `--emend-model` is the same model in another file, such as the GGUF of
which `emend export model` made the folder. With `--device cuda` both compute on the GPU; `--batch` is the harness' alone. Needs
lm_eval (with its extra "hf"), torch, transformers, and the program.
"""

import argparse
import json
import os
import random
import resource
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
    """The figures of the harness, its seconds, and those of the processor."""
    task = harness_reference.task_of("arc", folder)
    began, used = time.time(), time.process_time()
    figures = harness_reference.evaluate(model, [task])["results"]["arc"]
    return {name: figures[name + ",none"] for name in ("acc", "acc_norm")}, time.time() - began, time.process_time() - used


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ask_emend(options, data, folder):
    """The figures of emend, its seconds, and those of the processor, loading among them."""
    result = os.path.join(folder, "result.json")
    used = children_seconds()
    subprocess.run([options.emend, "eval", "abilities", "--model", options.emend_model or options.model, "--data", data, "--json", result,
                    "--threads", str(options.threads), "--device", options.device, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    with open(result, encoding="utf-8") as file:
        ours = json.load(file)
    figures = ours["tasks"][0]["metrics"]
    return {name: figures[name]["before"]["mean"] for name in ("acc", "acc_norm")}, ours["seconds"], children_seconds() - used


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tests/data/world/llama", help="a folder; names of a hub are not looked up")
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
    ratios, processor_ratios = [], []
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "arc.jsonl")
        one = os.path.join(folder, "one.jsonl")
        write_items(facts, options.items, data)
        write_items(facts, 1, one)
        model = harness_reference.HFLM(pretrained=options.model, dtype="float32", device=options.device, batch_size=options.batch)
        for number in range(options.rounds):
            theirs, their_seconds, their_processor = ask_harness(model, folder)
            ours, our_seconds, our_processor = ask_emend(options, data, folder)
            our_processor -= ask_emend(options, one, folder)[2]
            if our_processor <= 0:
                raise SystemExit(f"{options.items} items take emend no more processor time than one does: ask for more with --items")
            ratios.append(their_seconds / our_seconds)
            processor_ratios.append(their_processor / our_processor)
            print(f"round {number + 1}, seconds for {options.items} items: harness {their_seconds:.2f}, emend {our_seconds:.2f}, "
                  f"{ratios[-1]:.2f} times as fast; of the processor {their_processor:.2f} and {our_processor:.2f}, {processor_ratios[-1]:.2f} times",
                  flush=True)
    for name, value in theirs.items():
        print(f"{name}: harness {value:.4f}, emend {ours[name]:.4f}")
    for what, found in (("by the clock", ratios), ("of the processor", processor_ratios)):
        print(f"median of {options.rounds} rounds, {what}: {statistics.median(found):.2f} times as fast, from {min(found):.2f} to {max(found):.2f}")


if __name__ == "__main__":
    main()
