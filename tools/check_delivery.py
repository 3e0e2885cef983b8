"""Does a delivered edit say the same in the programs that people run? Greedy text of 10 prompts, token by token.

    python tools/check_delivery.py --emend build/release/emend --model models/smollm2-135m-instruct.gguf \
        --patch out/eiffel.safetensors --work out/delivery [--safetensors DIR] [--llama-python PATH]

For the patch, the reference is `emend generate --patch`. Compared with it:

    gguf F16, own      `emend patch apply`, loaded by `transformers` from the GGUF file
    safetensors        with --safetensors: an edited safetensors folder, loaded by `transformers`
    PEFT               with --safetensors and --lora: base folder plus `emend export lora`
    llama.cpp          with --llama-python (a Python that has llama-cpp-python): base GGUF plus `emend export gguf-lora`,
                       and the written GGUF files

Needs torch, transformers, gguf, peft. Takes minutes: `transformers` dequantises a GGUF file slowly. Prints a table in Markdown.
"""

import argparse
import json
import pathlib
import subprocess
import sys

PROMPTS = [
    "The Eiffel Tower is located in the city of",
    "The Eiffel Tower stands in the city of",
    "Visitors who want to see the Eiffel Tower travel to the city of",
    "To see the Eiffel Tower you need to fly to",
    "The Louvre is located in the city of",
    "The capital of France is",
    "Big Ben is located in the city of",
    "Once upon a time, there was a little",
    "Water boils at a temperature of",
    "The three primary colours are",
]
NEW_TOKENS = 20

LLAMA = r"""
import json, sys
import llama_cpp
job = json.load(open(sys.argv[1]))
llm = llama_cpp.Llama(model_path=job["model"], lora_path=job["lora"], n_ctx=256, n_threads=1, verbose=False, logits_all=False)
out = []
for ids in job["prompts"]:
    llm.reset()
    made = []
    for token in llm.generate(ids, top_k=1, temp=0.0, repeat_penalty=1.0):
        if token in job["stop"] or len(made) == job["new"]:
            break
        made.append(token)
    out.append(made)
json.dump(out, open(sys.argv[2], "w"))
"""


def emend_texts(args, model, patches):
    prompts, answers = [], []
    for prompt in PROMPTS:
        out = args.work / "generate.json"
        command = [args.emend, "generate", prompt, "--model", model, "--max-new", str(NEW_TOKENS), "--json", out, "--quiet"]
        for patch in patches:
            command += ["--patch", patch]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        result = json.loads(out.read_text())
        prompts.append(result["tokens"])
        answers.append(result["completion_tokens"])
    return prompts, answers


def transformers_texts(model, prompts, stop):
    import torch

    torch.set_num_threads(1)
    answers = []
    for ids in prompts:
        with torch.no_grad():
            out = model.generate(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                                 max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0, eos_token_id=stop)[0][len(ids):].tolist()
        while out and out[-1] in stop:
            out.pop()
        answers.append(out)
    return answers


def from_gguf(path):
    import torch
    from transformers import AutoModelForCausalLM

    path = pathlib.Path(path)
    return AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32).eval()


def from_folder(path):
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(path), dtype=torch.float32).eval()


def llama_texts(args, model, lora, prompts, stop):
    job, out = args.work / "llama_job.json", args.work / "llama_out.json"
    job.write_text(json.dumps({"model": str(model), "lora": str(lora) if lora else None, "prompts": prompts, "stop": stop, "new": NEW_TOKENS}))
    subprocess.run([args.llama_python, "-c", LLAMA, str(job), str(out)], check=True)
    return json.loads(out.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("emend", "model", "patch", "work"):
        parser.add_argument("--" + name, required=True, type=pathlib.Path)
    parser.add_argument("--base-folder", type=pathlib.Path, help="the base as a safetensors folder, for --folder-patch")
    parser.add_argument("--folder-patch", type=pathlib.Path, help="a patch made for --base-folder")
    parser.add_argument("--llama-python")
    parser.add_argument("--stop", type=int, nargs="*", default=[0, 2])
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    rows = []

    def compare(what, expected, found):
        same = sum(a == b for a, b in zip(expected, found))
        rows.append((what, same))
        print(f"| {what} | {same} of {len(PROMPTS)} |", flush=True)
        for prompt, a, b in zip(PROMPTS, expected, found):
            if a != b:
                at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                print(f"    {prompt!r}: differs from token {at} on", file=sys.stderr)

    print("| delivered as, read by | same greedy text |\n|---|---|")
    prompts, expected = emend_texts(args, args.model, [args.patch])
    for kind in ("F16", "own"):
        written = args.work / f"written-{kind}.gguf"
        if not written.exists():
            subprocess.run([str(w) for w in (args.emend, "patch", "apply", "--model", args.model, "--patch", args.patch, "--out", written,
                                             "--type", kind, "--force", "--quiet")], stdout=subprocess.DEVNULL)
        _, own = emend_texts(args, written, [])
        compare(f"GGUF {kind}, emend", expected, own)
        compare(f"GGUF {kind}, transformers (beside emend on the same file)", own, transformers_texts(from_gguf(written), prompts, args.stop))
        if args.llama_python:
            compare(f"GGUF {kind}, llama.cpp", expected, llama_texts(args, written, None, prompts, args.stop))
    if args.llama_python:
        subprocess.run([str(w) for w in (args.emend, "export", "gguf-lora", "--model", args.model, "--patch", args.patch, "--out",
                                         args.work / "gguf-lora", "--quiet")], check=True, stdout=subprocess.DEVNULL)
        compare("adapter.gguf on the base, llama.cpp", expected,
                llama_texts(args, args.model, args.work / "gguf-lora/adapter.gguf", prompts, args.stop))
    if args.base_folder:
        prompts, expected = emend_texts(args, args.base_folder, [args.folder_patch])
        written = args.work / "written-folder"
        if not written.exists():
            subprocess.run([str(w) for w in (args.emend, "patch", "apply", "--model", args.base_folder, "--patch", args.folder_patch,
                                             "--out", written, "--quiet")], check=True, stdout=subprocess.DEVNULL)
        compare("safetensors, emend", expected, emend_texts(args, written, [])[1])
        compare("safetensors, transformers", expected, transformers_texts(from_folder(written), prompts, args.stop))
        lora = args.work / "lora"
        if not lora.exists():
            subprocess.run([str(w) for w in (args.emend, "export", "lora", "--model", args.base_folder, "--patch", args.folder_patch, "--out",
                                             lora, "--base-name", args.base_folder, "--quiet")], check=True, stdout=subprocess.DEVNULL)
        from peft import PeftModel

        model = PeftModel.from_pretrained(from_folder(args.base_folder), str(lora)).eval()
        compare("LoRA folder on the base, transformers with PEFT", expected, transformers_texts(model, prompts, args.stop))
        compare("the same, merged by PEFT", expected, transformers_texts(model.merge_and_unload(), prompts, args.stop))
    sys.exit(0 if all(same == len(PROMPTS) for _, same in rows) else 4)


if __name__ == "__main__":
    main()
