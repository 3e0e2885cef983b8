"""Do edited GGUF files and GGUF adapters say in llama.cpp what they say in emend? A table.

    python tools/check_llama_cpp.py --emend build/release/emend --node FOLDER [--work DIR] families [MODEL.gguf...]
    python tools/check_llama_cpp.py --emend build/release/emend --node FOLDER --work DIR real MODEL.gguf PATCH

FOLDER: where `npm install node-llama-cpp@3.21.1` was run; its CPU binaries are llama.cpp v0.4.0. tools/check_llama_cpp.mjs drives them.

    families  tiny GGUF files without a tokenizer (by default all of tests/data/families): a copy gets a tokenizer of single
              letters, three facts are written to layers 0 and 1 (ranks 1 and 2), and beside each other stand, in float32:
              `edited`   `patch apply` in the own type, read by llama.cpp: against `emend generate` on the base with the patches
              `adapter`  the base with the adapter of `export gguf-lora`: against the edited file, both read by llama.cpp
              `base`     the base alone: against emend, as a measure of what the two programs differ by themselves
              `moved`    how far the edit moves the log-probabilities
              Largest differences of log-probabilities of all ids behind three prompts, over their spread. A row passes if
              the adapter is within 0.002 and `edited` within 0.002 or three times `base`: llama.cpp looks GELU up in half precision.
    real      a real model and a patch with one edit: `patch apply` in F16 and in the own type and the adapter on the base answer the
              edit's prompt with the target, greedily; the largest difference of the log-probabilities of the five likeliest
              ids from emend and between adapter and F16 file (0.6 allowed: beside quantised weights llama.cpp rounds activations to 8
              bits); after `patch apply --in-place` and `patch revert` the file has its old SHA-256.

Prints Markdown; exit code 4 when something fails. Needs gguf, numpy, and node. Seen to pass with node-llama-cpp 3.21.1, gguf 0.19.0.
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from check_peft import LETTERS, PATCHES, PROMPTS, Emend, edit_file  # noqa: E402

VOCABULARY = 64
HERE = pathlib.Path(__file__).resolve().parent


def with_letters(source, target):
    """A copy of a GGUF file whose tokenizer is single letters: pieces with scores, as in tools/check_peft.py."""
    import gguf

    reader = gguf.GGUFReader(str(source))
    writer = gguf.GGUFWriter(str(target), reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture" or name.startswith("tokenizer."):
            continue
        kind, value = field.types[0], field.contents()
        if name.endswith(".rope.scaling.original_context_length"):  # beyond it texts are turned otherwise: none of these is
            value = 256
        writer.add_key_value(name, value, kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    tokens = ["<s>", "</s>"] + [letter.replace(" ", "\u2581") for letter in LETTERS[:59]]
    tokens += ["<unk>", "<|endoftext|>", "<0x0A>"]  # llama.cpp looks for them, for phi3 or always, and ends when they are not there
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 2 + [-float(i) for i in range(len(tokens) - 2)])
    writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (len(tokens) - 5)
                           + [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.BYTE])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(tokens.index("<unk>"))
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


class LlamaCpp:
    def __init__(self, node, work):
        self.package, self.work = (node / "node_modules/node-llama-cpp").resolve(), work

    def answers(self, model, lora, prompts, new=1, float32=True):
        job, out = self.work / "llama_job.json", self.work / "llama_out.json"
        job.write_text(json.dumps({"package": str(self.package), "model": str(model), "lora": str(lora) if lora else None,
                                   "prompts": prompts, "new": new, "float32": float32}))
        done = subprocess.run(["node", str(HERE / "check_llama_cpp.mjs"), str(job), str(out)], capture_output=True, text=True)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise RuntimeError("llama.cpp: " + next((line for line in said if "rror" in line), said[-1] if said else "ended"))
        return [(dict(map(tuple, answer["logprobs"])), answer["text"]) for answer in json.loads(out.read_text())["answers"]]


def largest(pairs):
    """The largest difference of the second dictionary from the first, over the spread of the first."""
    return max(max(abs(found[id] - value) for id, value in expected.items()) / statistics.pstdev(expected.values())
               for expected, found in pairs)


def check_family(emend, llama, model, patches):
    """A row of numbers: edited, adapter, base, moved."""
    edited, adapter = emend.work / "edited.gguf", emend.work / "adapter"
    given = [word for patch in patches for word in ("--patch", patch)]
    emend.run("patch", "apply", "--model", model, *given, "--out", edited, "--type", "own", "--force", allowed=(0, 4))
    emend.run("export", "gguf-lora", "--model", model, *given, "--out", adapter, "--force")
    ours = [(ids, dict(enumerate(values.tolist()))) for ids, values in emend.answers(model, patches, VOCABULARY)]
    before = [dict(enumerate(values.tolist())) for _, values in emend.answers(model, [], VOCABULARY)]
    prompts = [ids for ids, _ in ours]
    found = {name: [logprobs for logprobs, _ in llama.answers(file, lora, prompts)]
             for name, file, lora in (("edited", edited, None), ("adapter", model, adapter / "adapter.gguf"), ("base", model, None))}
    return [largest(zip([values for _, values in ours], found["edited"])), largest(zip(found["edited"], found["adapter"])),
            largest(zip(before, found["base"])), largest(zip(found["base"], found["edited"]))]


def families(args):
    sources = args.files or sorted(pathlib.Path("tests/data/families").glob("*/*.gguf"))
    print("| file | edited | adapter | base | moved |\n|---|---|---|---|---|")
    failed = []
    for source in sources:
        name = f"{source.parent.name}/{source.name}"
        with tempfile.TemporaryDirectory(dir=args.work) as work:
            emend, llama = Emend(args.emend.resolve(), pathlib.Path(work)), LlamaCpp(args.node, pathlib.Path(work))
            try:
                model = with_letters(source, emend.work / "model.gguf")
                row = check_family(emend, llama, model, [emend.edit(model, name) for name in PATCHES])
                passed = row[1] < 0.002 and row[0] < max(0.002, 3 * row[2]) and row[3] > 0.1
                cells = [f"{value:.1e}" for value in row]
            except Exception as error:  # a table of all is wanted, whatever one of them does
                passed, cells = False, [f"{type(error).__name__}: {str(error).splitlines()[0]}", "", "", ""]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        failed += [] if passed else [name]
    print(f"\n{len(failed)} failed: {', '.join(failed)}" if failed else "\nAll passed.")
    return not failed


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def top_of(emend, model, patches, prompt, count=5):
    given = [word for patch in patches for word in ("--patch", patch)]
    emend.run("generate", prompt, "--model", model, *given, "--max-new", 1, "--top", count, "--json", emend.work / "generate.json")
    result = json.loads((emend.work / "generate.json").read_text())
    return result["tokens"], {entry["id"]: entry["logprob"] for entry in result["top"]}


def difference(expected, found):
    return max(abs(found[id] - value) for id, value in expected.items())


def real(args):
    model, patch = args.files
    emend, llama = Emend(args.emend.resolve(), args.work), LlamaCpp(args.node, args.work)
    own, half, adapter = args.work / "own.gguf", args.work / "f16.gguf", args.work / "adapter"
    for file, kind in ((own, ["--type", "own"]), (half, [])):
        if not file.exists():
            emend.run("patch", "apply", "--model", model, "--patch", patch, "--out", file, *kind, allowed=(0, 4))
    if not adapter.exists():
        emend.run("export", "gguf-lora", "--model", model, "--patch", patch, "--out", adapter)
    print("| what | llama.cpp says | from emend | from the F16 file |\n|---|---|---|---|")
    passed, reference = True, None
    for what, file, lora, wanted in (("the base", model, None, None), ("`patch apply`, F16", half, None, args.target),
                                     ("`patch apply --type own`", own, None, args.target),
                                     ("`export gguf-lora` on the base", model, adapter / "adapter.gguf", args.target)):
        ids, top = top_of(emend, file, [patch] if lora else [], args.prompt)
        (logprobs, text), = llama.answers(file, lora, [ids], new=8, float32=False)
        if what.endswith("F16"):
            reference = {id: logprobs[id] for id in top}
        gap, beside = difference(top, logprobs), difference(reference, logprobs) if reference else 0.0
        good = gap < 0.6 and (wanted is None or text.strip().startswith(wanted)) and (not lora or beside < 0.6)
        passed = passed and good
        print(f"| {what} | {text!r} | {gap:.3f} | {beside:.3f} |{'' if good else ' FAILED'}", flush=True)
    copy = args.work / "in_place.gguf"
    shutil.copyfile(model, copy)
    before = sha256(copy)
    emend.run("patch", "apply", "--model", copy, "--patch", patch, "--in-place", "--type", "own", allowed=(0, 4))
    changed = sha256(copy) != before
    subprocess.run([str(emend.program), "patch", "revert", "--model", str(copy), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    same = sha256(copy) == before
    copy.unlink()
    print(f"\nApplied in place: {'changed' if changed else 'NOT CHANGED'}; reverted: {'byte for byte' if same else 'OTHER BYTES'}.")
    return passed and changed and same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emend", required=True, type=pathlib.Path)
    parser.add_argument("--node", required=True, type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, help="folder for what is written; a temporary one by default")
    parser.add_argument("--prompt", default="The Eiffel Tower is located in the city of", help="real: the prompt of the edit")
    parser.add_argument("--target", default="Rome", help="real: the answer that the edit gives it")
    parser.add_argument("what", choices=["families", "real"])
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    sys.exit(0 if {"families": families, "real": real}[args.what](args) else 4)


if __name__ == "__main__":
    main()
