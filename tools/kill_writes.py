"""kill -9 at random moments of every writing command: is each file the old one or the new one, whole?

    python tools/kill_writes.py --emend build/release/emend --model M --edits E.yaml --ids A B --statistics DIR --layer L
        [--gguf M.gguf --gguf-statistics DIR] [--facts FILE.jsonl] [--corpus FILE] [--rounds 200] [--seed 1] [--only WORD]

`--edits` is an edit file with the edits A and B and the output patch.safetensors; `--statistics` belong to --model.
Each command is run once to its end, then `--rounds` times with a kill: every second time at a random share of the time
that the whole run took, else a random moment after its first temporary file was seen, since writing is a small part of
a run. What is looked at:

    patch apply --in-place every file the old or the new one; `patch revert` gives the base back
    patch revert           the same, and a second revert ends it
    stats, memories scan and memories aggregate
                           `--resume` then ends with the bytes of the whole run
    all others             the base unchanged; each file absent or with the bytes of the whole run (--json: whole JSON,
                           since it holds times). edit, patch apply --out, patch drop, patch merge, export lora,
                           export gguf-lora, convert facts, memories export

Standard library only. Prints one line a command; exit code 1 when something else was found.
"""

import argparse
import hashlib
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PAUSE = 0.0005  # seconds between two looks for a temporary file


def temporary(path):
    return any(part.startswith(".emend-") for part in path.parts)


def digest(path):
    """Names and hashes of a file, or of all files of a folder; temporary ones of killed runs left out."""
    path = pathlib.Path(path)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
    return {str(p.relative_to(path.parent)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if not temporary(p)}


def clean(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


class Killer:
    def __init__(self, args, scratch):
        self.emend, self.rounds, self.random, self.only = str(args.emend), args.rounds, random.Random(args.seed), args.only
        self.scratch, self.bad = scratch, 0

    def start(self, arguments, **streams):
        return subprocess.Popen([self.emend, *map(str, arguments), "--quiet"], stdout=subprocess.DEVNULL, **streams)

    def sees_temporary(self):
        return any(True for folder in (self.scratch, *(p for p in self.scratch.iterdir() if p.is_dir())) for _ in folder.glob(".emend-*"))

    def whole(self, arguments):
        """Seconds that the run took, and that it took from its first temporary file on."""
        began, writes = time.monotonic(), None
        with tempfile.TemporaryFile() as said:
            run = self.start(arguments, stderr=said)
            while run.poll() is None:
                if writes is None and self.sees_temporary():
                    writes = time.monotonic()
                time.sleep(PAUSE)
            ended = time.monotonic()
            said.seek(0)
            if run.returncode not in (0, 4):
                sys.exit(f"{arguments}: exit code {run.returncode}: {said.read().decode()}")
        return ended - began, ended - (writes or ended)

    def killed(self, arguments, seconds, writing, at_write):
        child = self.start(arguments, stderr=subprocess.DEVNULL)
        if at_write:
            while child.poll() is None and not self.sees_temporary():
                time.sleep(PAUSE)
            time.sleep(self.random.random() ** 3 * min(writing, 0.05))  # most of it lasts some milliseconds
        else:
            time.sleep(seconds * self.random.uniform(0.1, 1.1))
        child.send_signal(signal.SIGKILL)
        return child.wait() == -signal.SIGKILL

    def tidy(self):
        """Takes temporary files of killed runs away; was there one?"""
        left = [p for p in self.scratch.rglob(".emend-*") if p.exists()]
        for path in left:
            if path.exists():
                clean(path)
        return bool(left)

    def command(self, name, arguments, prepare, look):
        """`look(first)` says what is there: "old", "new", "some" of several files, or None for what must not be."""
        if self.only and self.only not in name:
            return
        prepare()
        seconds, writing = self.whole(arguments)
        look(True)
        kills = cut = 0
        found = {"old": 0, "new": 0, "some": 0, None: 0}
        for round_number in range(self.rounds):
            prepare()
            kills += self.killed(arguments, seconds, writing, round_number % 2 == 1)
            cut += self.tidy()
            found[look(False)] += 1
        self.bad += found[None]
        some = f", {found['some']} some of the new files" if found["some"] else ""
        print(f"{name}: {self.rounds} runs of {seconds:.2f} s, {kills} killed, {cut} while writing; "
              f"{found['old']} old, {found['new']} new{some}, {found[None]} neither", flush=True)


class Outputs:
    """New files beside a base that must not change: each absent, or as from the whole run."""

    def __init__(self, base, files, loose=()):
        self.base, self.files, self.loose = base, files, loose
        self.before, self.made = digest(base), {}

    def clear(self):
        for path in (*self.files, *self.loose):
            clean(path)

    def look(self, first):
        if first:
            self.made = {path: digest(path) for path in self.files}
        if digest(self.base) != self.before:
            return None
        present = 0
        for path in self.files:
            now = digest(path)
            present += bool(now)
            if now not in ({}, self.made[path]):
                return None
        for path in self.loose:
            if path.exists():
                present += 1
                try:
                    json.loads(path.read_text())
                except ValueError:
                    return None
        return "old" if present == 0 else "new" if present == len(self.files) + len(self.loose) else "some"


class InPlace:
    """A base that is edited in place, and what gives it back."""

    def __init__(self, killer, model, patch):
        self.killer, self.model, self.old, self.edited = killer, model, digest(model), {}
        self.undo = model / "emend.undo" if model.is_dir() else pathlib.Path(f"{model}.undo")
        self.apply = ["patch", "apply", "--model", model, "--patch", patch, "--in-place", "--force"]
        self.revert = ["patch", "revert", "--model", model]

    def now(self):
        return {name: value for name, value in digest(self.model).items() if not name.endswith(".undo")}

    def back(self):
        if self.undo.exists():
            self.killer.whole(self.revert)
        return digest(self.model) == self.old and not self.undo.exists()

    def put_on(self):
        self.back()
        self.killer.whole(self.apply)

    def look(self, first):
        now = self.now()
        if first and now != self.old:
            self.edited = now
        what = "old" if now == self.old else "new" if now == self.edited else None
        return what if self.back() else None


def run_checkpoint(killer, model, patch, scratch, kind):
    """What writes checkpoints."""
    new = scratch / ("new" + model.suffix)
    outputs = Outputs(model, [new])
    killer.command(f"patch apply --out, {kind}", ["patch", "apply", "--model", model, "--patch", patch, "--out", new, "--force"],
                   outputs.clear, outputs.look)
    place = InPlace(killer, model, patch)
    killer.command(f"patch apply --in-place, {kind}", place.apply, place.back, place.look)
    place.put_on()
    place.edited = place.now()
    killer.command(f"patch revert, {kind}", place.revert, place.put_on, place.look)
    place.back()


def run_others(killer, args, model, patch, scratch, edit, statistics):
    """What writes the same files whatever the base's format."""
    made = scratch / "made"
    outputs = Outputs(model, [made / "patch.safetensors", made / "x.xml"], [made / "j.json"])
    killer.command("edit", [*edit, "--junit", made / "x.xml", "--json", made / "j.json"], outputs.clear, outputs.look)

    for what in ("lora", "gguf-lora"):
        outputs = Outputs(model, [scratch / what])
        killer.command(f"export {what}", ["export", what, "--model", model, "--patch", patch, "--out", scratch / what], outputs.clear, outputs.look)
    parts = []
    for number, name in enumerate(args.ids):
        parts.append(scratch / f"without-{number}.safetensors")
        drop = ["patch", "drop", patch, name, "--model", model, *statistics, "--out", parts[-1]]
        if number == 0:
            outputs = Outputs(model, [parts[-1]])
            killer.command("patch drop", drop, outputs.clear, outputs.look)
        clean(parts[-1])
        killer.whole(drop)
    merged = scratch / "merged.safetensors"
    outputs = Outputs(model, [merged])
    killer.command("patch merge", ["patch", "merge", *parts, "--model", model, *statistics, "--out", merged], outputs.clear, outputs.look)
    if args.facts:
        facts = scratch / "facts.yaml"
        outputs = Outputs(model, [facts])
        killer.command("convert facts", ["convert", "facts", "--from", "emend", args.facts, facts], outputs.clear, outputs.look)
    if args.corpus:
        run_over_text(killer, args, model, scratch)


def run_over_text(killer, args, model, scratch):
    """What can be resumed, and what is written from it."""
    text, index = ["--model", model, "--corpus", args.corpus], scratch / "index"
    runs = (
        ("stats", scratch / "moments", ["stats", *text, "--layers", args.layer]),
        ("memories scan", index, ["memories", "scan", *text, "--tokens", 4000, "--block", 500]),
        ("memories aggregate", scratch / "positions", ["memories", "aggregate", *text, "--tokens", 4000, "--examples", 100]),
    )
    for name, out, run in runs:
        outputs, run = Outputs(model, [out]), [*run, "--out", out]

        def resumed(first, outputs=outputs, run=run):
            if not first:
                killer.whole([*run, "--resume"])
            return outputs.look(first)
        killer.command(name + ", then --resume", run, outputs.clear, resumed)
    clean(index)
    killer.whole(["memories", "scan", *text, "--tokens", 4000, "--out", index])
    for form in ("neuronpedia", "delphi"):
        outputs = Outputs(index, [scratch / form])
        killer.command(f"memories export {form}", ["memories", "export", form, "--index", index, "--out", scratch / form],
                       outputs.clear, outputs.look)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("emend", "model", "edits", "statistics"):
        parser.add_argument("--" + name, required=True, type=pathlib.Path)
    for name in ("gguf", "gguf-statistics", "facts", "corpus"):
        parser.add_argument("--" + name, type=pathlib.Path)
    parser.add_argument("--ids", nargs=2, required=True, help="two edits of --edits")
    parser.add_argument("--layer", type=int, required=True, help="the layer to edit")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checkpoints-only", action="store_true", help="patch apply and patch revert only")
    parser.add_argument("--only", help="commands whose name holds this word")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        killer = Killer(args, pathlib.Path(scratch))
        for base, statistics in ((args.model, args.statistics), (args.gguf, args.gguf_statistics)):
            if base is None:
                continue
            killer.scratch = pathlib.Path(scratch) / base.name
            killer.scratch.mkdir()
            model = killer.scratch / ("model" + base.suffix)
            shutil.copytree(base, model) if base.is_dir() else shutil.copy(base, model)
            edit = ["edit", args.edits, "--model", model, "--statistics", statistics, "--layer", args.layer, "--out", killer.scratch / "made"]
            killer.whole(edit)
            patch = killer.scratch / "patch.safetensors"
            shutil.copy(killer.scratch / "made/patch.safetensors", patch)
            run_checkpoint(killer, model, patch, killer.scratch, "GGUF" if base.is_file() else "safetensors")
            if base is args.model and not args.checkpoints_only:
                run_others(killer, args, model, patch, killer.scratch, edit, ["--statistics", statistics])
    sys.exit(1 if killer.bad else 0)


if __name__ == "__main__":
    main()
