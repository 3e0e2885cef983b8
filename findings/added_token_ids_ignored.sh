#!/usr/bin/env bash
# findings/added_token_ids_ignored.sh
#
# Packages: transformers 5.24.0, tokenizers 0.23.3 (PyPI).
#
# "added_tokens_decoder" of tokenizer_config.json and added_tokens.json state an id for every token. For a
# tokenizer with a tokenizer.json these ids are not used: a token that tokenizer.json does not hold gets the
# next free id, in the order of the stated ones. A file that says 905 gives 6, without a warning. Embedding
# rows that were trained for the stated ids then belong to other tokens.
#
# "id" in "added_tokens" of tokenizer.json itself is ignored in the same way.
#
# So: a reader that wants the ids of transformers numbers new tokens itself and takes the stated ids for the
# order only.
#
# Output (a vocabulary of 6 tokens, ids 0 to 5):
#   added_tokens_decoder  {'905': '<b>', '700': '<a>'}   ->  {'<a>': 6, '<b>': 7}
#   added_tokens.json     {'<b>': 905, '<a>': 700}       ->  {'<a>': 6, '<b>': 7}
#   tokenizer.json        {'<b>': 905, '<a>': 700}       ->  {'<b>': 6, '<a>': 7}
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 tokenizers==0.23.3

cat > ids.py << 'PYTHON'
import json
import pathlib
import sys

from transformers import PreTrainedTokenizerFast

changed = False


def token(content):
    return {"content": content, "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}


def check(name, added, files, stated, expected):
    global changed
    folder = pathlib.Path(name)
    folder.mkdir()
    document = {"version": "1.0", "added_tokens": added, "normalizer": None, "post_processor": None, "decoder": None,
                "pre_tokenizer": {"type": "WhitespaceSplit"}, "model": {"type": "WordLevel", "unk_token": "u",
                "vocab": {word: i for i, word in enumerate(["u", "v", "w", "x", "y", "z"])}}}
    files = {"tokenizer.json": document, **files}
    for file, content in files.items():
        (folder / file).write_text(json.dumps(content))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
    seen = {content: tokenizer.convert_tokens_to_ids(content) for content in expected}
    print(f"{name:21} {stated!s:30} ->  {seen}")
    changed = changed or seen != expected


decoder = {"905": token("<b>"), "700": token("<a>")}
table = {"<b>": 905, "<a>": 700}
check("added_tokens_decoder", [], {"tokenizer_config.json": {"added_tokens_decoder": decoder}},
      {id: entry["content"] for id, entry in decoder.items()}, {"<a>": 6, "<b>": 7})
check("added_tokens.json", [], {"tokenizer_config.json": {}, "added_tokens.json": table}, table, {"<a>": 6, "<b>": 7})
check("tokenizer.json", [{"id": id, **token(content)} for content, id in table.items()], {}, table, {"<b>": 6, "<a>": 7})
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python ids.py
echo "as stated"
