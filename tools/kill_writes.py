"""kill -9 at random moments of every writing command: is each file the old one or the new one, whole?

    python tools/kill_writes.py --emend build/release/emend --model tests/data/world/gpt2 --patch P.safetensors \
        --statistics stats --id ID [--gguf M.gguf --gguf-patch Q.safetensors] [--rounds 200] [--seed 1]

`--patch` is a patch for --model with at least two edits, one of them ID; `--statistics` what it was made with. Each command
is run once to its end, then `--rounds` times with a kill at a random share of the time that it took. What is looked at:

    patch apply --out      the base unchanged; the new checkpoint absent or the same bytes as from the whole run
    patch apply --in-place every file the old or the new one; `patch revert` gives the base back
    patch revert           the same, and a second revert ends it
    export lora, gguf-lora, patch drop, --json, --junit   absent, or the same bytes

Standard library only. Prints one line a command; exit code 1 when something else was found.
"""

import argparse
import hashlib
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time


def digest(path):
    """Names and hashes of a file, or of all files of a folder; temporary ones of killed runs left out."""
    path = pathlib.Path(path)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
    return {str(p.relative_to(path.parent)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in files if not any(part.startswith(".emend-") for part in p.parts)}


class Killer:
    def __init__(self, emend, rounds, seed):
        self.emend, self.rounds, self.random, self.bad = str(emend), rounds, random.Random(seed), 0

    def whole(self, arguments):
        began = time.monotonic()
        run = subprocess.run([self.emend, *map(str, arguments), "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if run.returncode not in (0, 4):
            sys.exit(f"{arguments}: exit code {run.returncode}: {run.stderr.decode()}")
        return time.monotonic() - began

    def killed(self, arguments, seconds):
        child = subprocess.Popen([self.emend, *map(str, arguments), "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        return child.wait() == -signal.SIGKILL

    def command(self, name, arguments, prepare, look):
        prepare()
        seconds = self.whole(arguments)
        look(True)
        kills = bad = 0
        for _ in range(self.rounds):
            prepare()
            kills += self.killed(arguments, seconds * self.random.uniform(0.1, 1.1))
            if not look(False):
                bad += 1
        self.bad += bad
        print(f"{name}: {self.rounds} runs of {seconds:.2f} s, {kills} killed, {bad} neither old nor new", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("emend", "model", "patch", "statistics"):
        parser.add_argument("--" + name, required=True, type=pathlib.Path)
    parser.add_argument("--id", required=True)
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--gguf-patch", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    killer = Killer(args.emend, args.rounds, args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for base, patch in ((args.model, args.patch), (args.gguf, args.gguf_patch)):
            if base is None:
                continue
            model = scratch / base.name
            kind = "GGUF" if base.is_file() else "safetensors"
            shutil.copytree(base, model) if base.is_dir() else shutil.copy(base, model)
            old = digest(model)
            undo = model / "emend.undo" if model.is_dir() else pathlib.Path(str(model) + ".undo")
            out = scratch / ("new" + base.suffix)
            produced = {}

            def clean(path):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

            def tidy():
                for left in list(scratch.glob(".emend-*")) + list(scratch.glob("*/.emend-*")):
                    clean(left)

            def new_file(path):
                """Old: nothing there. New: the bytes of the whole run."""
                def look(first):
                    if first:
                        produced[path] = digest(path)
                    tidy()
                    return digest(model) == old and digest(path) in ({}, produced[path])
                return look

            def without_undo():
                now = digest(model)
                return {name: value for name, value in now.items() if not name.endswith(".undo")}

            def back():
                for _ in range(3):
                    if not undo.exists():
                        break
                    killer.whole(["patch", "revert", "--model", model])
                return digest(model) == old

            edited = {}

            def in_place(first):
                tidy()
                if first:
                    edited.update(without_undo())
                known = all(value in (old.get(name), edited.get(name)) for name, value in without_undo().items())
                return known and back()

            common = ["--model", model, "--patch", patch]
            killer.command(f"patch apply --out, {kind}", ["patch", "apply", *common, "--out", out, "--force"], lambda: clean(out), new_file(out))
            killer.command(f"patch apply --in-place, {kind}", ["patch", "apply", *common, "--in-place", "--force"], back, in_place)
            killer.command(f"patch revert, {kind}", ["patch", "revert", "--model", model],
                           lambda: (back(), killer.whole(["patch", "apply", *common, "--in-place", "--force"])), in_place)
            if base is args.model:
                for what, place in (("lora", scratch / "lora"), ("gguf-lora", scratch / "g")):
                    killer.command(f"export {what}", ["export", what, *common, "--out", place], lambda: clean(place), new_file(place))
                dropped = scratch / "dropped.safetensors"
                killer.command("patch drop", ["patch", "drop", patch, args.id, "--model", model, "--statistics", args.statistics, "--out", dropped],
                               lambda: clean(dropped), new_file(dropped))
    sys.exit(1 if killer.bad else 0)


if __name__ == "__main__":
    main()
