#!/usr/bin/env python3
"""Real vocabularies in GGUF, with the token ids that their own tokenizers gave: does emend give the same?

    cmake --build build/release --target encode_texts
    python3 tools/check_vocabularies.py --program build/release/tests/text/encode_texts FOLDER [NAME...]

FOLDER holds NAME.gguf (a vocabulary without tensors) with NAME.gguf.inp (texts, each behind a line __ggml_vocab_test__) and
NAME.gguf.out (the ids of each on a line), as the folder vendor/llama.cpp/models of the source package llama-cpp-python does: these ids
come from transformers. Without NAMEs all of them. A vocabulary that emend refuses is named with its reason. Ends with 1
where ids differ.
"""
import argparse
import json
import pathlib
import subprocess
import sys

SEPARATOR = "\n__ggml_vocab_test__\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default="build/release/tests/text/encode_texts")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    failed = False
    for answers in sorted(arguments.folder.glob("*.gguf.out")):
        file = answers.with_suffix("")
        if arguments.names and file.stem not in arguments.names:
            continue
        texts = file.with_suffix(".gguf.inp").read_bytes().decode().split(SEPARATOR)
        wanted = [[int(id) for id in line.split()] for line in answers.read_text().split("\n")[:len(texts)]]
        run = subprocess.run([arguments.program, file], input="".join(json.dumps(text) + "\n" for text in texts),
                             capture_output=True, text=True)
        if run.returncode:
            print(f"{file.stem}: refused: {run.stderr.strip()}")
            continue
        ours = [json.loads(line) for line in run.stdout.splitlines()]
        differing = [i for i in range(len(texts)) if ours[i] != wanted[i]]
        print(f"{file.stem}: {len(texts) - len(differing)} of {len(texts)} texts have the same ids")
        for i in differing:
            print(f"  {texts[i]!r}\n    ours   {ours[i]}\n    theirs {wanted[i]}")
        failed |= bool(differing)
    sys.exit(failed)


if __name__ == "__main__":
    main()
