#!/usr/bin/env python3
"""Thousands of edits in batches onto one model, by several methods: the curves of docs/benchmarks.md.

    tools/many_edits.py MODEL counterfact_flat.json DRIFT.txt OUT [--device cuda] [--records 2000] [--batch 100]
        [--points 100,1000,2000] [--methods rome,memit,emmet,alphaedit,bulk,locft] [--against bulk] [--singles 50] [--jobs 1]
        [--statistics DIR] [--layers all] [--tokens N] [--neighbours 1] [--emend build/release/emend] [-- further options of `emend eval`]

DATA is CounterFact in its flat form; the first `--records` records are taken, whether the model knows them or not. A method with
"-paper" behind its name is that method with `preset: paper`; a name that ends in .yaml is an options file of `emend eval`, known by its
file's name. For each method:
  - the first `--singles` records, each edited alone on the unedited model: what one edit costs (the point 1);
  - all records, `--batch` at a time onto the same model (`--mode sequential`), measured at `--points` edits: all records so far by
    likelihoods and greedy answers (score, generated score), the first ten edits, drift on 1,024 tokens of DRIFT.txt.
Cheap by these means: measured at the named points alone; one paraphrase and `--neighbours` given neighbours a record (the derived ones of
the reader are left out); no free texts.

C is collected once for all methods (--statistics DIR takes up a folder) at --layers, on --tokens tokens of text that the model writes itself
(5 times d_ff). Runs can be stopped at any
time: called again the same way, finished runs are kept. A method that carries earlier facts (bulk, alphaedit ...) begins anew.
With --jobs several methods run side by side, and their seconds are those of a shared machine.

OUT receives METHOD.json (points, retention of the first edits, seconds, the command), all.json, sequence/report.html with all methods
on one picture, and compare_METHOD.json: bulk (or --against) less each other method, paired.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

PAPER = "-paper"
OPTIONS = ".yaml"
FIGURES = {"score": "S", "score_generated": "S_generated", "efficacy_success": "ES", "paraphrase_success": "PS",
           "neighbourhood_success": "NS", "efficacy_generated": "ES_generated", "paraphrase_generated": "PS_generated",
           "neighbourhood_generated": "NS_generated", "drift_kl": "drift_kl", "drift_perplexity": "drift_perplexity"}


def write_records(data, path, count, neighbours):
    """The first records as emend's own, so that no further neighbours are derived. Written whole or not at all."""
    rows = json.loads(data.read_text())
    if len(rows) < count:
        sys.exit(f"{data} has {len(rows)} records, {count} are wanted")
    lines = []
    for row in rows[:count]:
        record = {"id": str(row["case_id"]), "prompt": row["prompt"], "subject": row["subject"], "target": row["target_new"],
                  "was": row["ground_truth"], "paraphrases": [row["rephrase_prompt"]],
                  "neighbours": [{"prompt": row["locality_prompt"], "answer": row["locality_ground_truth"]}][:neighbours]}
        lines.append(json.dumps(record, ensure_ascii=False))
    text = "\n".join(lines) + "\n"
    if path.exists() and path.read_text() != text:
        sys.exit(f"{path} holds other records: choose another OUT")
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


def write_method(given, folder):
    if given.endswith(OPTIONS):
        return pathlib.Path(given)
    name = given
    method, preset = (name[:-len(PAPER)], "paper") if name.endswith(PAPER) else (name, None)
    text = f"label: {name}\nmethod: {method}\n" + (f"options: {{preset: {preset}}}\n" if preset else "")
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


class Driver:
    def __init__(self, asked):
        self.asked = asked
        self.out = asked.out
        self.records = self.out / "records.jsonl"
        self.statistics = asked.statistics or self.out / "statistics"
        for folder in ("methods", "logs", "single", "sequence"):
            (self.out / folder).mkdir(parents=True, exist_ok=True)
        write_records(asked.data, self.records, asked.records, asked.neighbours)
        self.files = {pathlib.Path(given).name.removesuffix(OPTIONS): write_method(given, self.out / "methods")
                      for given in asked.methods}

    def run(self, arguments, log):
        """Stops the whole with the last lines of the log if the program refuses; 4 is done, with checks that failed."""
        command = [self.asked.emend, *map(str, arguments)]
        began = time.time()
        with open(self.out / "logs" / f"{log}.txt", "w") as text:
            code = subprocess.run(command, stdout=text, stderr=subprocess.STDOUT, check=False).returncode
        print(f"{log}: {time.time() - began:.1f} s", flush=True)
        if code not in (0, 4):
            tail = (self.out / "logs" / f"{log}.txt").read_text().splitlines()[-5:]
            raise SystemExit(f"{shlex.join(command)}\nended with {code}:\n" + "\n".join(tail))
        return shlex.join(command)

    def common(self):
        return ["--model", self.asked.model, "--device", self.asked.device, "--statistics", self.statistics]

    def collect(self):
        if self.asked.statistics is None:
            tokens = ["--tokens", self.asked.tokens] if self.asked.tokens else []
            self.run(["stats", "--model", self.asked.model, "--device", self.asked.device, "--out", self.statistics, "--resume",
                      "--layers", self.asked.layers, *tokens, "--quiet"], "statistics")

    def evaluate(self, names, mode, records, out, log, more=()):
        arguments = ["eval", "--dataset", "emend", "--data", self.records, "--records", f"0:{records}", "--mode", mode,
                     "--generations", 0, "--out", out, "--resume", *self.common(), *more, *self.asked.further]
        for name in names:
            arguments += ["--options", self.files[name]]
        return self.run(arguments, log)

    def sequence_options(self):
        return ["--curve", self.asked.points, "--drift-text", self.asked.drift, "--drift-tokens", 1024]

    def evaluate_method(self, name):
        asked = self.asked
        if asked.singles > 0:
            self.evaluate([name], "single", asked.singles, self.out / "single" / name, f"single_{name}",
                          ["--drift-text", asked.drift, "--drift-tokens", 1024])
        command = self.evaluate([name], f"sequential:{asked.batch}", asked.records, self.out / "sequence" / name,
                                f"sequence_{name}", self.sequence_options())
        (self.out / f"{name}.json").write_text(json.dumps(self.figures(name, command), indent=1) + "\n")

    def figures(self, name, command):
        whole = json.loads((self.out / "sequence" / name / "summary.json").read_text())
        points = []
        if self.asked.singles > 0:
            alone = json.loads((self.out / "single" / name / "summary.json").read_text())
            points.append({"edits": 1, "records": alone["records"], **short(alone["metrics"])})
        for point in whole["curve"]:
            points.append({"edits": point["edits"], **short(point["metrics"]),
                           "first_edits": {"records": point["first"]["records"], **short(point["first"]["metrics"])}})
        return {"method": name, "options": whole["options"], "records": whole["records"], "skipped": whole["skipped"],
                "base": short(whole["base"]), "points": points, "seconds": whole["seconds"], "command": command}

    def whole(self):
        """All methods in one report: their runs are finished, so nothing is edited again."""
        names = list(self.files)
        if len(names) > 1:
            self.evaluate(names, f"sequential:{self.asked.batch}", self.asked.records, self.out / "sequence", "report",
                          self.sequence_options())
        for name in names:
            ours = self.asked.against
            if ours in names and name != ours:
                self.run(["eval", "compare", self.out / "sequence" / name, self.out / "sequence" / ours, "--json",
                          self.out / f"compare_{name}.json"], f"compare_{name}")
        everything = [json.loads((self.out / f"{name}.json").read_text()) for name in names]
        (self.out / "all.json").write_text(json.dumps(everything, indent=1) + "\n")
        show(everything)


def short(metrics):
    return {name: metrics[key]["mean"] for key, name in FIGURES.items() if key in metrics}


def show(everything):
    print("\n| method | edits | S | S generated | ES | PS | NS | first edits, S | drift, KL | drift, perplexity |\n" + "|---" * 10 + "|")
    for run in everything:
        for point in run["points"]:
            percent = [point.get(key) for key in ("S", "S_generated", "ES", "PS", "NS")]
            percent.append(point.get("first_edits", {}).get("S"))
            cells = [f"{100 * value:.1f}" if value is not None else "-" for value in percent]
            cells += [f"{point[key]:.4g}" if key in point else "-" for key in ("drift_kl", "drift_perplexity")]
            print("| " + " | ".join([run["method"], str(point["edits"]), *cells]) + " |")


def main():
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("drift", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--points", default="100,1000,2000")
    parser.add_argument("--methods", default="rome,memit,emmet,alphaedit,bulk,locft", type=lambda text: text.split(","))
    parser.add_argument("--singles", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--against", default="bulk")
    parser.add_argument("--statistics", type=pathlib.Path)
    parser.add_argument("--layers", default="all")
    parser.add_argument("--tokens")
    parser.add_argument("--neighbours", type=int, default=1)
    parser.add_argument("--emend", default=os.environ.get("EMEND", "build/release/emend"))
    asked = parser.parse_args(given[:cut])
    asked.further = given[cut + 1:]
    driver = Driver(asked)
    driver.collect()
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        failures = [done.exception() for done in [pool.submit(driver.evaluate_method, name) for name in driver.files]]
    for failure in filter(None, failures):
        print(failure, file=sys.stderr)
    if any(failures):
        return 1
    driver.whole()
    return 0


if __name__ == "__main__":
    sys.exit(main())
