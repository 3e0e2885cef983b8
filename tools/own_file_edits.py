#!/usr/bin/env python3
"""Writes edits into a GGUF file's own types, one after the other, asks the written file, and takes each back.

    build/release/tests/bench/own_file_edits MODEL.gguf RECORDS STATISTICS all LAYER patches=DIR,...
    tools/own_file_edits.py --model MODEL.gguf --records RECORDS --patches DIR --statistics STATISTICS
        [--count N] [--node FOLDER] [--emend build/release/emend] [--work FOLDER]

The bench scores each edit in memory, on the weights that the file would hold, and leaves a patch of each. Here N of these patches (spread
evenly over the records; default: all) go through the file itself:

    1. `emend patch apply --in-place --type own` on a copy of the file; it loads what it wrote and asks the prompt, the paraphrases and
       the neighbours again.
    2. With --node (a folder where `npm install node-llama-cpp@3.21.1` was run) llama.cpp continues the prompt greedily, from the copy.
    3. `emend patch revert`: the copy has its old SHA-256 again.

Prints Markdown. Exit code 4 when a file does not change or does not come back byte for byte, when the target is not likelier, or
when llama.cpp does not say it.
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


def ids_of(args, prompts):
    """The token ids of each prompt, which llama.cpp is given: it adds none of its own."""
    file = args.work / "generated.json"
    command = [args.emend, "generate", "--loop", "--model", args.model, "--max-new", 1, "--threads", 1, "--json", file, "--quiet"]
    subprocess.run([str(word) for word in command], input="\n".join(prompts) + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
    return [one["tokens"] for one in json.loads(file.read_text())["prompts"]]


def spread(items, count):
    return [items[i * len(items) // count] for i in range(count)] if count and count < len(items) else items


def one_record(args, llama, record, ids, copy, before):
    """The cells of a row, and whether all is as it should be."""
    applied = run(args.emend, "patch", "apply", "--model", copy, "--patch", args.patches / f"{record['id']}.safetensors", "--in-place",
                  "--type", "own", "--force", "--statistics", args.statistics, allowed=(0, 4))
    written, states = applied["tensors"][0], applied["patches"][0]["edits"][0]
    changed = sha256(copy) != before
    said = llama.answers(copy, None, [ids], new=4, float32=False)[0][1] if llama else "-"
    subprocess.run([str(args.emend), "patch", "revert", "--model", str(copy), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    restored = sha256(copy) == before

    prompt = states["after"]
    paraphrases = [one["after"]["p_target"] > one["after"]["p_was"] for one in states["paraphrases"]]
    neighbours = [one["after"]["p_answer"] > one["after"]["p_target"] for one in states["neighbours"]]
    feedback = written["feedback"]
    good = changed and restored and prompt["p_target"] > prompt["p_was"] and (not llama or said.strip().startswith(record["target"]))
    return [record["id"], f"{record['was']} -> {record['target']}", f"{written['name']} {written['is']}", repr(prompt["completion"].strip()), repr(said),
            f"{sum(paraphrases)} of {len(paraphrases)}", f"{sum(neighbours)} of {len(neighbours)}", f"{100 * feedback['share_worst']:.1f} %",
            f"{100 * feedback['stray']:.1f} %", f"{feedback['blocks_changed']} of {feedback['blocks']}", "yes" if restored else "NO"], good


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
        chosen = spread([one for one in records if (args.patches / f"{one['id']}.safetensors").exists()], args.count)
        ids = ids_of(args, [record["prompt"] for record in chosen]) if llama else [None] * len(chosen)
        for record, prompt_ids in zip(chosen, ids):
            cells, good = one_record(args, llama, record, prompt_ids, copy, before)
            print("| " + " | ".join(cells) + " |", flush=True)
            failed += [] if good else [record["id"]]
            if sha256(copy) != before:
                break
    print(f"\n{len(failed)} failed: {', '.join(failed)}" if failed else "\nAll passed.")
    return 4 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
