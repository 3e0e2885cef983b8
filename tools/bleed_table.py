#!/usr/bin/env python3
"""Bleed of single edits, protected and not, as a Markdown table: the figures of docs/bleed.md.

Each record of a file with `bleed:` lists is edited by itself by every options file; `emend eval` measures it. Nothing but the standard library is needed.

  bleed_table.py --emend build/release/emend --model models/smollm2-135m-instruct.gguf --out build/bleed \\
      --data tests/bench/data/other_subjects.jsonl tests/bench/methods/{paper,protect-none,protect-neighbours,protect-auto}.yaml

A folder that is there already is taken as it is, so that a stopped table goes on.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

LIMIT = 0.05  # the default threshold of the check `bleed`


def row(name, folder):
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    edited = [line for line in lines if line["status"] == "edited"]
    summary = json.loads((folder / "summary.json").read_text())

    def mean(metric):
        values = [line["metrics"][metric] for line in edited if line["metrics"].get(metric) is not None]
        return statistics.fmean(values) if values else float("nan")

    worst = [line["metrics"]["bleed_worst"] for line in edited]
    seconds = summary["seconds"]
    work = seconds.get("search", 0) + seconds.get("solve", 0)
    cells = [name, f"{len(edited)} of {len(lines)}"]
    cells += [f"{mean(metric):.3f}" for metric in ("efficacy_success", "efficacy_argmax", "paraphrase_success", "neighbourhood_success")]
    cells += [f"{mean('bleed_mean'):.4f}", f"{max(worst):.2f}", f"{sum(value <= LIMIT for value in worst)} of {len(worst)}"]
    cells += [f"{mean('bleed_fall'):.3f}", f"{mean('drift_kl'):.2g}", f"{statistics.fmean(line['relative_norm'] for line in edited):.3f}"]
    cells += [f"{work / max(len(lines), 1):.2f}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("emend", "model", "data", "out"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--layer", help="default: auto")
    parser.add_argument("--records", help="A:B, as emend eval takes them; default: all")
    parser.add_argument("--threads")
    parser.add_argument("--device")
    parser.add_argument("--statistics", help="folder of second moments; default: the one beside the model")
    parser.add_argument("--hold-out", action="store_true", help="measure at every second other subject, and protect the rest alone")
    parser.add_argument("methods", nargs="+", help="options files of emend eval")
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    data = pathlib.Path(options.data)
    print("| way | edited | ES | argmax | PS | NS | bleed, mean | worst | worst <= 0.05 | own answers fall | drift, KL | relative norm | seconds |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for method in map(pathlib.Path, options.methods):
        folder = out / method.stem
        words = [options.emend, "eval", "--model", options.model, "--dataset", "emend", "--data", data, "--options", method, "--out", folder]
        words += ["--hold-out"] * options.hold_out
        for name in ("layer", "records", "threads", "device", "statistics"):
            words += ["--" + name, getattr(options, name)] if getattr(options, name) else []
        if not (folder / "summary.json").exists():
            done = subprocess.run([str(word) for word in words + ["--resume"] * folder.exists()], capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"{' '.join(map(str, words))}\nfailed with {done.returncode}: {done.stderr.strip()[-600:]}")
        row(method.stem, folder)


if __name__ == "__main__":
    main()
