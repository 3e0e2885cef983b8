#!/usr/bin/env python3
"""Reads what `emend memories export delphi` wrote with delphi's own reader, and compares it with the index.

    python tools/check_delphi.py --emend build/release/emend --index INDEX --tokenizer DIR [--layer N] [--cells 20]

Exports INDEX into a temporary folder, opens it as delphi.latents.LatentDataset does for its explainers and scorers, and
looks at cells with examples: every activation that `emend memories cell` lists must come up in delphi's records with the same
token row and number, and the sampler must find training examples. `--tokenizer`: a folder that transformers loads the model's tokenizer
from (delphi decodes the windows with it).

Needs the packages eai-delphi (installed without its dependencies is enough), torch, transformers, safetensors, asyncer,
jaxtyping, orjson, blobfile, simple_parsing. delphi imports faiss and sentence_transformers for examples that do not activate
by likeness; where they are missing, empty modules stand in for them, since that source is not used here.
"""

import argparse
import importlib.machinery
import importlib.util
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import types


def stand_in(name, **members):
    if importlib.util.find_spec(name) is None:
        module = types.ModuleType(name)
        for member, value in members.items():
            setattr(module, member, value)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = module


def emend(program, *words):
    done = subprocess.run([program, "memories", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"emend memories {' '.join(map(str, words))}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emend", required=True)
    parser.add_argument("--index", required=True, type=pathlib.Path)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--layer", type=int)
    parser.add_argument("--cells", type=int, default=20)
    args = parser.parse_args()

    stand_in("faiss")
    stand_in("sentence_transformers", SentenceTransformer=object)
    import torch
    from delphi.config import ConstructorConfig, SamplerConfig
    from delphi.latents.loader import LatentDataset
    from transformers import AutoTokenizer

    head = json.loads((args.index / "index.json").read_text())
    layer = head["layers"][0] if args.layer is None else args.layer
    layer = layer["layer"] if isinstance(layer, dict) else layer
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "cache"
        emend(args.emend, "export", "delphi", "--index", args.index, "--out", out)
        module = f"layers.{layer}.mlp"
        tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
        # delphi's defaults, but for how many examples there must be.
        constructing = ConstructorConfig(min_examples=1, n_non_activating=5)
        sampling = SamplerConfig(n_examples_train=4, n_examples_test=4, n_quantiles=2, train_type="top")
        dataset = LatentDataset(out, sampling, constructing, tokenizer=tokenizer, modules=[module])
        wanted, seen, records, missing = args.cells, 0, 0, []
        for data in dataset.buffers[0]:
            if seen == wanted:
                break
            seen += 1
            cell = data.latent.latent_index
            shown = pathlib.Path(scratch) / "cell.json"
            emend(args.emend, "cell", f"L{layer}D{cell}", "--index", args.index, "--json", shown, "--quiet")
            triggers = json.loads(shown.read_text())["triggers"]
            found = {}
            for (row, position, number), activation in zip(
                data.activation_data.locations.tolist(), data.activation_data.activations.tolist()
            ):
                if number != cell:
                    missing.append(f"L{layer}D{cell}: a location of cell {number}")
                found.setdefault((position, dataset.tokens[row, position].item()), []).append(activation)
            for example in triggers["high"] + triggers["low"]:
                ids = [key for key, values in found.items() if key[0] == example["position"] and
                       any(math.isclose(v, example["coefficient"], rel_tol=1e-5) for v in values)]
                if abs(example["coefficient"]) > 1e-5 and not ids:
                    missing.append(f"L{layer}D{cell}: {example['coefficient']} at position {example['position']}")
            record = dataset._process_latent(data)
            if record is not None and record.train:
                records += 1
        print(f"{module}: {len(dataset.buffers)} shard, tokens {list(dataset.tokens.shape)}, {seen} cells read, "
              f"{records} with training examples, {len(missing)} faults")
        for fault in missing[:10]:
            print("  " + fault)
        if missing or seen == 0 or records == 0 or not isinstance(dataset.tokens, torch.Tensor):
            sys.exit(1)


if __name__ == "__main__":
    main()
