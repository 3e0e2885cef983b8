#!/usr/bin/env python3
"""Writes edits into a GGUF file's own types, one after the other, asks the written file, and takes each back.

    build/release/tests/bench/own_file_edits MODEL.gguf RECORDS STATISTICS all LAYER patches=DIR,...
    tools/own_file_edits.py --model MODEL.gguf --records RECORDS --patches DIR --statistics STATISTICS
        [--count N] [--node FOLDER] [--emend build/release/emend] [--work FOLDER]

The bench scores each edit in memory, on the weights that the file would hold, and leaves a patch of each. Here N of these patches (spread
evenly over the records; default: all) go through the file itself:

    1. `emend patch apply --in-place --type own` on a copy of the file.
    2. A fresh load of the copy answers the prompt, the paraphrases and the neighbours: probabilities of whole answers and greedy text
       (`emend edit --dry-run` on a file in which each of them is an edit of its own).
    3. With --node (a folder where `npm install node-llama-cpp@3.21.1` was run) llama.cpp continues the prompt of the copy greedily.
    4. `emend patch revert`: the copy has its old SHA-256 again.

Prints Markdown. Exit code 4 when a file does not change or does not come back byte for byte, or the prompt does not get the target.
"""
import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def sha256(file):
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def run(program, *words, allowed=(0,)):
    """The command's JSON result."""
    command = [program, *words, "--threads", 1, "--json", "-", "--quiet"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode not in allowed:
        raise RuntimeError(f"emend {words[0]}: exit code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def questions(record):
    """What is asked about a record: (kind, prompt, the answer that should win, the other one)."""
    asked = [("prompt", record["prompt"], record["target"], record["was"])]
    asked += [("paraphrase", prompt, record["target"], record["was"]) for prompt in record["paraphrases"]]
    return asked + [("neighbour", one["prompt"], one["answer"], record["target"]) for one in record["neighbours"]]


def ask(program, model, record, work):
    """(kind, whether the wanted answer is likelier, greedy text) of each question."""
    asked = questions(record)
    file = work / "questions.jsonl"
    # Each prompt is its own subject: nothing is edited.
    file.write_text("".join(json.dumps({"prompt": prompt, "subject": prompt, "target": wanted, "was": other}) + "\n"
                            for _, prompt, wanted, other in asked))
    result = run(program, "edit", file, "--model", model, "--layer", 0, "--dry-run")
    return [(kind, entry["before"]["p_target"] > entry["before"]["p_was"], entry["before"]["completion"])
            for (kind, *_), entry in zip(asked, result["edits"], strict=True)]


def spread(items, count):
    return [items[i * len(items) // count] for i in range(count)] if count and count < len(items) else items


def one_record(args, llama, record, copy, before):
    """The cells of a row, and whether all is as it should be."""
    written = run(args.emend, "patch", "apply", "--model", copy, "--patch", args.patches / f"{record['id']}.safetensors", "--in-place",
                  "--type", "own", "--force", "--statistics", args.statistics, allowed=(0, 4))["tensors"][0]
    changed = sha256(copy) != before
    answers = ask(args.emend, copy, record, args.work)
    said = "-"
    if llama:
        ids = run(args.emend, "generate", record["prompt"], "--model", copy, "--max-new", 1)["tokens"]
        (_, said), = llama.answers(copy, None, [ids], new=4, float32=False)
    subprocess.run([str(args.emend), "patch", "revert", "--model", str(copy), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    restored = sha256(copy) == before

    def held(kind):
        of_kind = [holds for one, holds, _ in answers if one == kind]
        return f"{sum(of_kind)} of {len(of_kind)}"

    feedback = written["feedback"]
    good = changed and restored and answers[0][1] and (not llama or said.strip().startswith(record["target"]))
    return [record["id"], f"{record['was']} -> {record['target']}", f"{written['name']} {written['is']}", repr(answers[0][2].strip()), repr(said),
            held("paraphrase"), held("neighbour"), f"{100 * feedback['share_worst']:.1f} %", f"{100 * feedback['stray']:.1f} %",
            f"{feedback['blocks_changed']} of {feedback['blocks']}", "yes" if restored else "NO"], good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emend", default="build/release/emend", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--records", required=True, type=pathlib.Path)
    parser.add_argument("--patches", required=True, type=pathlib.Path)
    parser.add_argument("--statistics", required=True, type=pathlib.Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--node", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, help="folder for the copy; a temporary one by default")
    args = parser.parse_args()

    llama = None
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        args.work = pathlib.Path(work)
        if args.node:
            sys.path.insert(0, str(HERE))
            from check_llama_cpp import LlamaCpp
            llama = LlamaCpp(args.node, args.work)
        copy = args.work / "edited.gguf"
        shutil.copyfile(args.model, copy)
        before = sha256(copy)
        records = [json.loads(line) for line in args.records.read_text().splitlines()]
        print("| id | was -> target | tensor | emend says | llama.cpp says | paraphrases | neighbours | realised, least | stray | blocks changed "
              "| restored |\n|---|---|---|---|---|---|---|---|---|---|---|")
        failed = []
        for record in spread([one for one in records if (args.patches / f"{one['id']}.safetensors").exists()], args.count):
            cells, good = one_record(args, llama, record, copy, before)
            print("| " + " | ".join(cells) + " |", flush=True)
            failed += [] if good else [record["id"]]
            if sha256(copy) != before:
                break
    print(f"\n{len(failed)} failed: {', '.join(failed)}" if failed else "\nAll passed.")
    return 4 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
