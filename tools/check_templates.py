#!/usr/bin/env python3
"""Published chat templates, rendered by emend and by jinja2 as transformers calls it: is the text the same?

    python3 -m venv venv && venv/bin/pip install transformers==5.24.0 jinja2==3.1.6
    cmake --build build/release --target render_templates
    venv/bin/python tools/check_templates.py --program build/release/tests/text/jinja/render_templates PATH...

A PATH is a *.jinja file, a tokenizer_config.json, a JavaScript test file of the npm package @huggingface/jinja (its
templates stand in back quotes or double quotes behind `chat_template:`), a folder (all *.jinja files below it), or an
archive (.whl, .zip, .tar.gz) with such files. For each template the conversations of tools/fixtures/chat_templates.py and
those below are rendered both ways. A conversation that jinja2 refuses counts as the same where emend refuses it too. The templates
are read where they are; nothing is stored. Ends with 1 where a text differs.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "fixtures"))
import chat_templates  # noqa: E402

MORE = {
    "answer in parts": ([{"role": "user", "content": [{"type": "text", "text": "Where is the tower?"}]}], {}),
    "answer with reasoning": ([chat_templates.USER, {"role": "assistant", "content": "Paris", "reasoning_content": "France?"},
                               chat_templates.USER], {}),
    "call without an answer": ([chat_templates.RULES, chat_templates.USER, {**chat_templates.CALL, "content": None},
                                {"role": "tool", "tool_call_id": "abcdefghi", "name": "find_height", "content": "{\"metres\": 330}"}],
                               {"tools": chat_templates.TOOLS}),
    "thinking": ([chat_templates.USER], {"enable_thinking": True}),
    "developer": ([{"role": "developer", "content": "Be short."}, chat_templates.USER], {}),
}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "`": "`", "'": "'", '"': '"', "\\": "\\", "$": "$"}


def of_javascript(text):
    """The string literals behind `chat_template:`."""
    pattern = re.compile(r'chat_template:\s*(`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')', re.S)
    for match in pattern.finditer(text):
        inner = match[1][1:-1]
        yield re.sub(r"\\(u[0-9a-fA-F]{4}|.)", lambda escape: chr(int(escape[1][1:], 16)) if len(escape[1]) > 1
                     else ESCAPES.get(escape[1], escape[1]), inner, flags=re.S)


def of_file(name, data):
    """The templates of one file, as (name, text)."""
    text = data.decode()
    if name.endswith((".js", ".ts")):
        yield from ((f"{name}#{i}", template) for i, template in enumerate(of_javascript(text)))
    elif name.endswith(".json"):
        found = json.loads(text).get("chat_template") or []
        for entry in [{"name": "default", "template": found}] if isinstance(found, str) else found:
            yield f"{name}#{entry['name']}", entry["template"]
    else:
        yield name, text


def is_wanted(name):
    return name.endswith(".jinja")


def of_path(path):
    if path.is_dir():
        for file in sorted(path.rglob("*.jinja")):
            yield from of_file(str(file.relative_to(path)), file.read_bytes())
    elif path.suffix in (".whl", ".zip"):
        archive = zipfile.ZipFile(path)
        for name in filter(is_wanted, sorted(archive.namelist())):
            yield from of_file(name, archive.read(name))
    elif path.name.endswith((".tar.gz", ".tgz")):
        archive = tarfile.open(path)
        for member in archive:
            if member.isfile() and is_wanted(member.name):
                yield from of_file(member.name, archive.extractfile(member).read())
    else:
        yield from of_file(path.name, path.read_bytes())


def as_given(messages):
    """The messages as transformers hands them to a template: it knows several names for the reasoning of an answer."""
    alias = getattr(chat_templates.chat_template_utils, "_alias_reasoning_fields", None)
    return alias(messages) if alias else messages


def first_difference(ours, theirs):
    at = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), min(len(ours), len(theirs)))
    return f"at {at}: {ours[at:at + 50]!r} instead of {theirs[at:at + 50]!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default="build/release/tests/text/jinja/render_templates")
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    templates = {}
    for path in arguments.paths:
        templates.update(of_path(path))
    conversations = {**chat_templates.CONVERSATIONS, **MORE}
    requests, wanted = [], []
    for name, template in templates.items():
        for title, (messages, options) in conversations.items():
            variables = {**chat_templates.SPECIAL, "messages": as_given(messages), "tools": None, "documents": None,
                         "add_generation_prompt": True, **options}
            requests.append(json.dumps({"template": template, "variables": variables}))
            wanted.append((name, title, chat_templates.render(template, messages, options)))
    answers = subprocess.run([arguments.program], input="\n".join(requests) + "\n", stdout=subprocess.PIPE, text=True, check=True).stdout
    same, differing = {name: 0 for name in templates}, 0
    rendered = dict(same)
    for (name, title, theirs), line in zip(wanted, answers.splitlines(), strict=True):
        answer = json.loads(line)
        ours = answer.get("text")
        rendered[name] += theirs is not None
        if ours == theirs:
            same[name] += 1
            continue
        differing += 1
        why = answer.get("error") if ours is None else "jinja2 refuses it" if theirs is None else first_difference(ours, theirs)
        print(f"{name}, {title}: {why}")
    for name in templates:
        print(f"{same[name]:3} of {len(conversations)} the same ({rendered[name]} with a text)  {name}")
    print(f"{len(templates)} templates, {len(wanted)} conversations, {sum(rendered.values())} with a text, {differing} differ")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
