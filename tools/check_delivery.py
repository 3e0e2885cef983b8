"""Does a delivered edit say the same in the programs that people run? Greedy text of 10 prompts, token by token.

    python tools/check_delivery.py --emend build/release/emend --model MODEL --patch P --work DIR
        [--prompts FILE] [--llama-python PATH]

The reference is `emend generate --patch`. MODEL is a GGUF file or a safetensors folder.

    GGUF         `patch apply` in F16 and in the own type, read by emend and by `transformers`; the F16 file saved as a
                 safetensors folder by `transformers`, read by both; `export lora` on the base, saved likewise, with PEFT;
                 with --llama-python (a Python that has llama-cpp-python) the files and `export gguf-lora` in llama.cpp,
                 as they are and with every weight as F32: beside quantised weights llama.cpp rounds activations to 8 bits,
                 which says nothing about the edit
    safetensors  `patch apply`, read by emend and by `transformers`; `export lora` on the base with PEFT, also merged

--prompts: one a line, for a model that knows nothing of Paris. Needs torch, transformers, gguf, peft. Takes minutes:
`transformers` is slow on GGUF files. Prints a table in Markdown; exit code 4 when a text differs.
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
llm = llama_cpp.Llama(model_path=job["model"], lora_path=job["lora"], n_ctx=256, n_threads=1, n_threads_batch=1, verbose=False)
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


def emend_texts(args, model, patches, expected_prompts=None):
    """Ids of the prompts and of what follows them."""
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
    if expected_prompts and prompts != expected_prompts:
        sys.exit(f"{model}: the tokenizer gives other ids")
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


def as_folder(model, path):
    """A model that `transformers` read from GGUF, as safetensors: it is quantised no more."""
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(path)


def as_f32(source, target):
    """A GGUF file with the same metadata and every tensor as F32."""
    import gguf
    import numpy as np

    reader = gguf.GGUFReader(str(source))
    writer = gguf.GGUFWriter(str(target), reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type", "general.quantization_version"):
            continue
        kind = field.types[0]
        writer.add_key_value(name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def llama_texts(args, model, lora, prompts, stop):
    job, out = args.work / "llama_job.json", args.work / "llama_out.json"
    job.write_text(json.dumps({"model": str(model), "lora": str(lora) if lora else None, "prompts": prompts, "stop": stop, "new": NEW_TOKENS}))
    subprocess.run([args.llama_python, "-c", LLAMA, str(job), str(out)], check=True)
    return json.loads(out.read_text())


class Check:
    def __init__(self, args):
        self.args, self.rows = args, []
        self.prompts, self.expected = emend_texts(args, args.model, [args.patch])

    def run(self, *words):
        """A command of emend; a failed check (exit code 4) is for the table to tell."""
        code = subprocess.run([str(self.args.emend), *map(str, words), "--quiet"], stdout=subprocess.DEVNULL).returncode
        if code not in (0, 4):
            sys.exit(f"{words}: exit code {code}")

    def compare(self, what, found, expected=None):
        expected = expected or self.expected
        same = sum(a == b for a, b in zip(expected, found))
        self.rows.append(same)
        first = sum(a[:1] == b[:1] for a, b in zip(expected, found))
        print(f"| {what} | {same} of {len(found)} | {first} of {len(found)} |", flush=True)
        for prompt, a, b in zip(PROMPTS, expected, found):
            if a != b:
                at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                print(f"    {prompt!r}: differs from token {at} on", file=sys.stderr)

    def read(self, model):
        return transformers_texts(model, self.prompts, self.args.stop)

    def peft(self, base_model):
        from peft import PeftModel

        lora = self.args.work / "lora"
        if not lora.exists():
            self.run("export", "lora", "--model", self.args.model, "--patch", self.args.patch, "--out", lora)
        model = PeftModel.from_pretrained(base_model, str(lora)).eval()
        self.compare("`export lora` on the base: transformers with PEFT", self.read(model))
        with model.disable_adapter():
            self.compare("the adapter switched off: beside emend on the base", self.read(model), emend_texts(self.args, self.args.model, [])[1])
        self.compare("the same, merged by PEFT", self.read(model.merge_and_unload()))

    def llama(self, what, model, adapter, expected):
        """llama.cpp beside emend on the same weights, as they are stored and as F32."""
        plain = as_f32(model, self.args.work / "f32.gguf")
        for note, path in (("", model), (", all weights as F32", plain)):
            self.compare(f"{what}{note}: llama.cpp, beside emend", llama_texts(self.args, path, adapter, self.prompts, self.args.stop), expected)
        plain.unlink()

    def gguf(self):
        for kind in ("F16", "own"):
            written = self.args.work / f"written-{kind}.gguf"
            if not written.exists():
                self.run("patch", "apply", "--model", self.args.model, "--patch", self.args.patch, "--out", written, "--type", kind, "--force")
            _, own = emend_texts(self.args, written, [])
            self.compare(f"`patch apply`, GGUF {kind}: emend", own)
            model = from_gguf(written)
            self.compare(f"`patch apply`, GGUF {kind}: transformers, beside emend on the same file", self.read(model), own)
            if self.args.llama_python:
                self.llama(f"`patch apply`, GGUF {kind}", written, None, own)
            if kind == "F16":
                from transformers import AutoTokenizer

                folder = self.args.work / "converted"
                as_folder(model, folder)
                tokenizer = AutoTokenizer.from_pretrained(str(written.parent), gguf_file=written.name)
                tokenizer.save_pretrained(folder)
                self.compare("the F16 file as safetensors: transformers", self.read(from_folder(folder)))
                if len(tokenizer) <= model.config.vocab_size:  # else `transformers` made up tokens that the model has not
                    self.compare("the F16 file as safetensors: emend", emend_texts(self.args, folder, [], self.prompts)[1])
        if self.args.llama_python:
            self.run("export", "gguf-lora", "--model", self.args.model, "--patch", self.args.patch, "--out", self.args.work / "gguf-lora")
            self.llama("`export gguf-lora` on the base", self.args.model, self.args.work / "gguf-lora/adapter.gguf", self.expected)
            self.llama("the base alone", self.args.model, None, emend_texts(self.args, self.args.model, [])[1])
        self.peft(from_gguf(self.args.model))

    def folder(self):
        written = self.args.work / "written"
        if not written.exists():
            self.run("patch", "apply", "--model", self.args.model, "--patch", self.args.patch, "--out", written, "--force")
        _, own = emend_texts(self.args, written, [])
        self.compare("`patch apply`, safetensors: emend", own)
        self.compare("`patch apply`, safetensors: transformers, beside emend on the same file", self.read(from_folder(written)), own)
        self.peft(from_folder(self.args.model))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("emend", "model", "patch", "work"):
        parser.add_argument("--" + name, required=True, type=pathlib.Path)
    parser.add_argument("--prompts", type=pathlib.Path)
    parser.add_argument("--llama-python")
    parser.add_argument("--stop", type=int, nargs="*", default=[0, 2], help="ids that end a text")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.prompts:
        PROMPTS[:] = args.prompts.read_text().splitlines()
    print("| delivered as: read by | same greedy text | same first token |\n|---|---|---|")
    check = Check(args)
    check.gguf() if args.model.is_file() else check.folder()
    sys.exit(0 if all(same == len(PROMPTS) for same in check.rows) else 4)


if __name__ == "__main__":
    main()
