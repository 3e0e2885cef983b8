#!/usr/bin/env python3
"""Edits the facts of a file one at a time with the program itself, and prints a table (docs/rome.md).

    tools/edit_one_by_one.py examples/capitals.yaml [--emend build/release/emend] [-- further options of `emend edit`]

A fact is known when the unedited model's greedy completion starts with its present answer; only those are counted.
Needs PyYAML.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import yaml


def run(program, document, fact, folder, options):
    """One edit in its own file; returns the JSON result, or the reason it has none."""
    single = {key: value for key, value in document.items() if key not in ("edits", "outputs", "checks")}
    single["edits"] = [fact]
    path = folder / "one.yaml"
    path.write_text(yaml.safe_dump(single, allow_unicode=True))
    result = folder / "one.json"
    result.unlink(missing_ok=True)
    command = [program, "edit", str(path), "--out", str(folder), "--json", str(result), "--quiet", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if not result.exists():
        return None, done.stderr.strip().splitlines()[-1:]
    return json.loads(result.read_text()), []


def starts_with(completion, answer):
    return completion.strip().lower().startswith(answer.lower())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--emend", default="build/release/emend")
    parser.add_argument("options", nargs="*")
    arguments = parser.parse_args()
    document = yaml.safe_load(arguments.file.read_text())
    if "model" in document:
        document["model"] = str((arguments.file.parent / document["model"]).resolve())

    known = hits = kept = neighbours = paraphrases = paraphrase_hits = 0
    print("| id | was -> target | before | after | p(target) | steps | neighbours kept | search and solve, s |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for fact in document["edits"]:
            result, reason = run(arguments.emend, document, fact, pathlib.Path(folder), arguments.options)
            if result is None:
                print(f"| {fact['id']} | no result: {reason} |", flush=True)
                continue
            edit = result["edits"][0]
            before, after = edit["before"], edit["after"] or edit["before"]
            is_known = starts_with(before["completion"], fact["was"])
            # With the target the likeliest continuation, greedy text begins with it.
            hit = starts_with(after["completion"], fact["target"])
            # Only a neighbour whose answer is ahead without the edit can stay ahead.
            ahead = [n["after"]["p_answer"] > n["after"]["p_target"] for n in edit["neighbours"]
                     if n["before"]["p_answer"] > n["before"]["p_target"]]
            para = [p["after"]["p_target"] > p["after"]["p_was"] for p in edit["paraphrases"]]
            seconds = result["seconds"]["search"] + result["seconds"]["solve"]
            mark = "" if is_known else " (not known)"
            print(f"| {fact['id']}{mark} | {fact['was']} -> {fact['target']} | {before['completion'].strip()!r} | "
                  f"{after['completion'].strip()!r} | {after['p_target']:.3f} | {edit['steps']} | "
                  f"{sum(ahead)} of {len(ahead)} | {seconds:.1f} |".replace("\n", " "), flush=True)
            if is_known:
                known += 1
                hits += hit
                kept += sum(ahead)
                neighbours += len(ahead)
                paraphrases += len(para)
                paraphrase_hits += sum(para)
    print(f"\nKnown facts {known}; greedy completion starts with the target in {hits}; neighbours' answers ahead in "
          f"{kept} of {neighbours}; paraphrases with the target ahead of the old answer {paraphrase_hits} of {paraphrases}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
