#!/usr/bin/env python3
"""Edits with C from several kinds of text and from several numbers of tokens, side by side, as a Markdown table.

For every source and every multiple of d_ff: `emend stats` collects C of the layer, `emend eval` measures edits with it.
C = I (no statistics) is the last row. Nothing but the standard library is needed.

  statistics_table.py --emend build/release/emend --model tests/data/world/gpt2 --layer 2 \\
      --dataset emend --data tests/data/world/edits.jsonl --records 0:60 \\
      --source self --source world=tests/data/world/text.txt --multiples 1,2,5,10,20 --out build/statistics_table

A folder that is there already is taken as it is, so that a stopped table goes on.
"""
import argparse
import json
import pathlib
import subprocess
import sys


def run(words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\nfailed with {done.returncode}: {done.stderr.strip()[-600:]}")
    return done


def percent(metrics, name):
    value = metrics.get(name, {}).get("mean")
    return "-" if value is None else f"{100 * value:.1f}"


def row(name, tokens, error, metrics):
    drift = metrics.get("drift_kl", {}).get("mean")
    cells = [name, tokens, error] + [percent(metrics, m + "_success") for m in ("efficacy", "paraphrase", "neighbourhood")]
    cells += [percent(metrics, "score"), "-" if drift is None else f"{drift:.2g}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("emend", "model", "dataset", "data", "records", "out"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--layer", type=int, required=True)
    parser.add_argument("--source", action="append", required=True, help="self, or NAME=PATH[,PATH...]")
    parser.add_argument("--multiples", default="1,2,5,10,20", help="tokens, in units of d_ff")
    parser.add_argument("--drift-text", help="a file: the text on which the drift of all rows is measured")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--identity", action="store_true", help="add a row for C = I")
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    common = ["--model", options.model, "--threads", options.threads, "--quiet"]

    info = out / "model.json"
    run([options.emend, "model", "info", options.model, "--json", info])
    d_ff = json.loads(info.read_text())["model"]["d_ff"]

    def evaluate(folder, extra):
        if not (folder / "summary.json").exists():
            drift = ["--drift-text", options.drift_text] if options.drift_text else []
            run([options.emend, "eval", *common, "--dataset", options.dataset, "--data", options.data, "--records", options.records,
                 "--layer", options.layer, "--out", folder, *extra, *drift])
        return json.loads((folder / "summary.json").read_text())["metrics"]

    print("| C from | tokens / d_ff | error of C^-1 k | ES | PS | NS | S | KL |\n|---|---|---|---|---|---|---|---|")
    for source in options.source:
        name, _, paths = source.partition("=")
        corpus = paths.split(",") if paths else ["self"]
        for multiple in options.multiples.split(","):
            folder = out / f"{name}-{multiple}"
            stats = out / f"{name}-{multiple}.json"
            if not stats.exists():
                run([options.emend, "stats", *common, "--layers", options.layer, "--corpus", *corpus, "--tokens", int(multiple) * d_ff,
                     "--out", folder / "statistics", "--json", stats])
            layer = json.loads(stats.read_text())["layers"][0]
            error = "-" if layer["error_estimate"] is None else f"{layer['error_estimate']:.3f}"
            row(name, f"{layer['tokens'] / d_ff:g}", error, evaluate(folder / "eval", ["--statistics", folder / "statistics"]))
    if options.identity:
        method = out / "identity.yaml"
        method.write_text("method: rome\nlabel: identity\noptions: {covariance: false}\n")
        row("C = I", "0", "-", evaluate(out / "identity", ["--options", method]))


if __name__ == "__main__":
    main()
