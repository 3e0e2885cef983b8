#!/usr/bin/env bash
# findings/additional_chat_template_hides_default.sh
#
# Packages: transformers 5.24.0 with tokenizers and jinja2 as it asks for them (PyPI; without torch).
#
# A checkpoint folder may hold a chat template in tokenizer_config.json, one in chat_template.jinja, and named ones in the
# folder additional_chat_templates. They do not add up as one would think:
#   - One file in additional_chat_templates, under any name, makes transformers forget the template in
#     tokenizer_config.json. A model that rendered chats stops to do so once a "rag.jinja" is put there:
#     ValueError, "This model has multiple chat templates with no default specified".
#   - additional_chat_templates/default.jinja wins over chat_template.jinja beside it.
#   - tools=[] is not "no tools": it picks the template named tool_use, where tools=None picks the default.
#
# So: read additional_chat_templates/default.jinja first, then chat_template.jinja, then tokenizer_config.json, and pass None
# for no tools.
#
# Output (each template writes its own name):
#   tokenizer_config.json alone                         CONFIG
#   and additional_chat_templates/rag.jinja             ValueError
#   and chat_template.jinja                             FILE
#   and additional_chat_templates/default.jinja         ADDITIONAL
#   and additional_chat_templates/tool_use.jinja        ADDITIONAL
#   the same with tools=[]                              TOOLS
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 jinja2==3.1.6

cat > templates.py << 'PYTHON'
import json
import pathlib
import sys

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

folder = pathlib.Path("model")
additional = folder / "additional_chat_templates"
additional.mkdir(parents=True)
Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>")).save(str(folder / "tokenizer.json"))
changed = False


def check(name, expected, **options):
    """The text of a chat through what the folder holds now, or the name of the error."""
    global changed
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
        text = tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False, **options)
    except Exception as error:
        text = type(error).__name__
    print(f"{name:51} {text}")
    if text != expected:
        print(f"CHANGED: expected {expected}", file=sys.stderr)
        changed = True


config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "CONFIG"}
(folder / "tokenizer_config.json").write_text(json.dumps(config))
check("tokenizer_config.json alone", "CONFIG")
(additional / "rag.jinja").write_text("RAG")
check("and additional_chat_templates/rag.jinja", "ValueError")
(folder / "chat_template.jinja").write_text("FILE")
check("and chat_template.jinja", "FILE")
(additional / "default.jinja").write_text("ADDITIONAL")
check("and additional_chat_templates/default.jinja", "ADDITIONAL")
(additional / "tool_use.jinja").write_text("TOOLS")
check("and additional_chat_templates/tool_use.jinja", "ADDITIONAL")
check("the same with tools=[]", "TOOLS", tools=[])
sys.exit(changed)
PYTHON
venv/bin/python templates.py 2> errors || { cat errors >&2; exit 1; }
echo "as stated"
