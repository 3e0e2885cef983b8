"""Do the LoRA folders of `emend export lora` say in PEFT what the edited model says? A table over many checkpoints.

    python tools/check_peft.py --emend build/release/emend [--work DIR] [CHECKPOINT_OR_FOLDER...]

Takes each folder with config.json and model.safetensors, by default all of tests/data/families. A copy of each gets a tokenizer
of single letters unless it has one, and three facts are written: one to layer 0 and two to layer 1, a patch for each layer. The
base is opened by `transformers`, the adapter of the second patch and that of both (ranks 1 and 2) by PEFT:

    PEFT     largest difference of the log-probabilities of all ids behind each prompt from those of `emend generate --patch`
    auto     the same for AutoPeftModelForCausalLM, which finds the base by the name in adapter_config.json
    merged   largest difference at any position of merge_and_unload() from `patch apply`, both read by `transformers`
    off      the same of the adapter switched off from the base
    moved    how far the edit moves the logits, for comparison

All of it over the spread of the logits: their standard deviation over ids, mean over positions. Prints a table in Markdown; exit
code 4 when a difference is above --bar (2e-5).
Needs torch, transformers, peft. Seen to pass with torch 2.13.0, transformers 5.24.0, peft 0.21.2.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

LETTERS = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,?0123456"
PROMPTS = ["Bern is in", "The Rhine is", "What is Bern?"]
PATCHES = {
    "first": (0, [("one", "Bern is in", "Bern")]),
    "second": (1, [("two", "The Rhine is", "Rhine"), ("three", "Ulm has", "Ulm")]),
}
HEAD = ["checkpoint", "modules", "ranks", "PEFT", "auto", "merged", "off", "moved"]


def letters_tokenizer(size):
    """Of `size` ids, 64 or more: letters, and characters that no text has."""
    vocabulary = {"<s>": 0, "</s>": 1}
    for letter in LETTERS[:62]:
        vocabulary[letter.replace(" ", "\u2581")] = len(vocabulary)
    for id in range(len(vocabulary), size):
        vocabulary[chr(0xE000 + id)] = id
    special = [{"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
               for i, text in enumerate(["<s>", "</s>"])]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": None, "post_processor": None,
        "decoder": {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary, "merges": []},
    }


def edit_file(layer, facts):
    """`facts`: name, prompt, subject, target. Whether they take is for other tests: a change of the weight is wanted."""
    rows = [f"  - {{id: {name}, prompt: {json.dumps(prompt)}, subject: {json.dumps(subject)}, target: {json.dumps(target)}}}"
            for name, prompt, subject, target in facts]
    return "\n".join(["method: rome", f"layer: {layer}", "options: {covariance: false, stop_probability: 0.6}", "edits:", *rows,
                      "checks: {efficacy: 0, drift: 1e9}", "outputs: {patch: patch.safetensors}", ""])


class Emend:
    def __init__(self, program, work):
        self.program, self.work = program, work

    def run(self, *words, allowed=(0,)):
        done = subprocess.run([str(self.program), *map(str, words), "--threads", "1", "--quiet"], capture_output=True, text=True)
        if done.returncode not in allowed:
            raise RuntimeError(f"emend {words[0]}: exit code {done.returncode}: {done.stderr.strip()}")

    def likely(self, model, prompt):
        """The likeliest letter but one behind a prompt: random models hardly learn to say what they never would."""
        self.run("generate", prompt, "--model", model, "--max-new", 1, "--top", 20, "--json", self.work / "generate.json")
        texts = [entry["text"] for entry in json.loads((self.work / "generate.json").read_text())["top"]]
        return " " + [text for text in texts if text.strip().isalnum()][1].strip()

    def edit(self, model, name):
        """The patch of an edit; one whose checks fail will do."""
        file, (layer, facts) = self.work / "edit.yaml", PATCHES[name]
        file.write_text(edit_file(layer, [(*fact, self.likely(model, fact[1] + " ")) for fact in facts]))
        self.run("edit", file, "--model", model, "--out", self.work / name, "--keep-going", allowed=(0, 4, 5))
        return self.work / name / "patch.safetensors"

    def answers(self, model, patches, size):
        """For each prompt its ids and the log-probabilities of all ids behind it."""
        import torch

        answers = []
        for prompt in PROMPTS:
            words = ["generate", prompt, "--model", model, "--max-new", 1, "--top", size, "--json", self.work / "generate.json"]
            self.run(*words, *[word for patch in patches for word in ("--patch", patch)])
            result = json.loads((self.work / "generate.json").read_text())
            values = torch.empty(size, dtype=torch.float64)
            values[[entry["id"] for entry in result["top"]]] = torch.tensor([entry["logprob"] for entry in result["top"]], dtype=torch.float64)
            answers.append((result["tokens"], values))
        return answers


def attention_of(folder):
    """Eager attention reads every setting, but adds the terms of ALiBi twice (findings/falcon_adds_alibi_twice.sh)."""
    return "sdpa" if json.loads((folder / "config.json").read_text()).get("alibi") else "eager"


def open_base(folder):
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, attn_implementation=attention_of(folder)).eval()


def logits_of(model, ids):
    import torch

    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()


def spread_of(logits):
    return logits.std(-1).mean().item()


def largest(pairs):
    """The largest difference of the second from the first, over the spread of the first."""
    return max((found - expected).abs().max().item() / spread_of(expected) for expected, found in pairs)


def behind(model, answers):
    """Pairs of log-probabilities of the last position: emend's and the model's."""
    return [(expected[None], logits_of(model, ids)[-1:].log_softmax(-1)) for ids, expected in answers]


def check_adapter(emend, model, patches):
    """A row of the table without its first cell."""
    from peft import AutoPeftModelForCausalLM, PeftModel

    folder, applied = emend.work / "lora", emend.work / "applied"
    for written in (folder, applied):
        shutil.rmtree(written, ignore_errors=True)
    given = [word for patch in patches for word in ("--patch", patch)]
    emend.run("export", "lora", "--model", model, *given, "--out", folder, "--force")
    emend.run("patch", "apply", "--model", model, *given, "--out", applied, "--force", allowed=(0, 4))
    base, edited = open_base(model), open_base(applied)
    size = base.get_output_embeddings().weight.shape[0]
    answers = emend.answers(model, patches, size)
    texts = [ids for ids, _ in answers]
    before = [logits_of(base, ids) for ids in texts]
    wanted = [logits_of(edited, ids) for ids in texts]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        adapted = PeftModel.from_pretrained(base, str(folder)).eval()
    for warning in warned:
        if not issubclass(warning.category, FutureWarning):  # those speak of calls of PEFT itself
            print(f"    {model.name}: {warning.message}", file=sys.stderr)
    auto = AutoPeftModelForCausalLM.from_pretrained(str(folder), attn_implementation=attention_of(model)).eval()
    row = [largest(behind(adapted, answers)), largest(behind(auto, answers))]
    with adapted.disable_adapter():
        off = largest(zip(before, [logits_of(adapted, ids) for ids in texts]))
    merged = adapted.merge_and_unload()
    row += [largest(zip(wanted, [logits_of(merged, ids) for ids in texts])), off, largest(zip(before, wanted))]
    config = json.loads((folder / "adapter_config.json").read_text())
    ranks = config.get("rank_pattern") or {name: config["r"] for name in config["target_modules"]}
    return config["target_modules"], list(ranks.values()), row


def lengthen(file):
    """Some tiny models turn texts of more than 16 ids otherwise from their beginning, and the texts of an edit cross that."""
    config = json.loads(file.read_text())
    if (config.get("rope_parameters") or {}).get("original_max_position_embeddings", 64) < 64:
        config["rope_parameters"]["original_max_position_embeddings"] = 64
        if "original_max_position_embeddings" in config:
            config["original_max_position_embeddings"] = 64
        file.write_text(json.dumps(config))


def vocabulary_size(model):
    config = json.loads((model / "config.json").read_text())
    return config.get("text_config", config).get("vocab_size", 64)


def check_checkpoint(emend, source, bar):
    model = emend.work / source.name
    shutil.copytree(source, model, ignore=shutil.ignore_patterns("logits*", "configs", "*.gguf"))
    lengthen(model / "config.json")
    if not (model / "tokenizer.json").exists():
        (model / "tokenizer.json").write_text(json.dumps(letters_tokenizer(vocabulary_size(model))))
    passed = True
    first, second = emend.edit(model, "first"), emend.edit(model, "second")
    for patches in ([second], [first, second]):
        modules, ranks, row = check_adapter(emend, model, patches)
        passed = passed and max(row[:4]) <= bar and row[4] > 100 * bar
        cells = [source.name, ", ".join(modules), ", ".join(map(str, ranks)), *[f"{value:.1e}" for value in row]]
        print("| " + " | ".join(cells) + " |", flush=True)
    return passed


def checkpoints_in(paths):
    for path in paths:
        inside = [path] if (path / "config.json").exists() else sorted(path.iterdir())
        yield from (folder for folder in inside if (folder / "config.json").exists() and (folder / "model.safetensors").exists())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emend", required=True, type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, help="folder for what is written; a temporary one by default")
    parser.add_argument("--bar", type=float, default=2e-5)
    parser.add_argument("checkpoints", nargs="*", type=pathlib.Path, default=[pathlib.Path("tests/data/families")])
    args = parser.parse_args()
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    failed = []
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    for source in checkpoints_in(args.checkpoints):
        with tempfile.TemporaryDirectory(dir=args.work) as work:
            try:
                passed = check_checkpoint(Emend(args.emend.resolve(), pathlib.Path(work)), source, args.bar)
            except Exception as error:  # a table of all is wanted, whatever one of them does
                print(f"| {source.name} | {type(error).__name__}: {str(error).splitlines()[0]} |" + " |" * (len(HEAD) - 2), flush=True)
                passed = False
        failed += [] if passed else [source.name]
    print(f"\n{len(failed)} failed: {', '.join(failed)}" if failed else "\nAll passed.")
    sys.exit(4 if failed else 0)


if __name__ == "__main__":
    main()
