"""Checks `emend eval abilities` with lm-evaluation-harness itself, item by item; exits with 1 where something differs.

    python3 tools/check_harness.py [--model tests/data/world/llama] [--data tests/data/abilities] [--emend build/release/emend]

Both are asked the same items of every form (arc, boolq, hellaswag, mmlu, piqa), the harness by `transformers` in float32: every context and
continuation, every log-likelihood, the verdicts of every item, and the figures. Needs lm_eval (with its extra "hf"), torch and transformers; where
they are not installed the exit code is 77.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures"))
import harness_reference  # noqa: E402

TOLERANCE = 1e-4  # of a log-likelihood, which is a sum over the tokens of a choice


def ask_emend(options):
    """Of each task its figures, and its items as they stand in items.jsonl."""
    with tempfile.TemporaryDirectory() as out:
        files = [os.path.join(options.data, name + ".jsonl") for name in harness_reference.TASKS]
        subprocess.run([options.emend, "eval", "abilities", "--model", options.model, "--data", *files, "--out", out, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        with open(os.path.join(out, "abilities.json"), encoding="utf-8") as file:
            tasks = json.load(file)["tasks"]
        with open(os.path.join(out, "items.jsonl"), encoding="utf-8") as lines:
            items = [json.loads(line) for line in lines]
    return {task["name"]: {"figures": {k: v["before"]["mean"] for k, v in task["metrics"].items()},
                           "items": [item for item in items if item["task"] == task["name"]]} for task in tasks}


def expect(condition, text):
    if not condition:
        raise SystemExit("differs: " + text)


def compare(name, theirs, ours):
    """The largest difference of a log-likelihood of this task."""
    expect(len(theirs["items"]) == len(ours["items"]), f"{name}: number of items")
    worst = 0
    for number, (their, our) in enumerate(zip(theirs["items"], ours["items"])):
        where = f"{name}, item {number}"
        expect(their["context"] == our["context"], f"{where}: context {our['context']!r}, where the harness has {their['context']!r}")
        expect(their["continuations"] == [" " + choice for choice in our["choices"]], f"{where}: continuations")
        values = our["before"]["loglikelihoods"]
        expect(len(values) == len(their["loglikelihoods"]), f"{where}: number of choices")
        worst = max(worst, *(abs(a - b) for a, b in zip(values, their["loglikelihoods"])))
        for metric, chosen in (("acc", "chosen"), ("acc_norm", "chosen_normalised")):
            if metric in their:
                expect(bool(their[metric]) == (our["before"][chosen] == our["right"]), f"{where}: {metric}")
    expect(worst < TOLERANCE, f"{name}: log-likelihoods by up to {worst:.2g}")
    for metric, value in theirs["figures"].items():
        expect(abs(value - ours["figures"][metric]) < 1e-9, f"{name}: {metric} {ours['figures'][metric]}, where the harness has {value}")
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tests/data/world/llama")
    parser.add_argument("--data", default="tests/data/abilities")
    parser.add_argument("--emend", default="build/release/emend")
    options = parser.parse_args()
    theirs = harness_reference.ask(options.model, os.path.abspath(options.data))
    ours = ask_emend(options)
    for name, task in theirs.items():
        worst = compare(name, task, ours[name])
        figures = ", ".join(f"{metric} {value:.4f}" for metric, value in task["figures"].items())
        print(f"{name}: {len(task['items'])} items alike, largest difference of a log-likelihood {worst:.2g}; {figures} in both")


if __name__ == "__main__":
    main()
