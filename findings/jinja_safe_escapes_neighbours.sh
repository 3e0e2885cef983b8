#!/usr/bin/env bash
# findings/jinja_safe_escapes_neighbours.sh
#
# Packages: jinja2 3.1.6, markupsafe 3.0.3 (PyPI).
#
# The filter `safe` says "do not escape this". In an environment with autoescape off, which is the default and what
# transformers renders chat templates with, it makes `+` escape everything else. `x | safe` returns a Markup of the
# package markupsafe; Markup is a subclass of str whose __add__ and __radd__ escape the other side, and they know nothing
# of autoescape. In a chat template
#     {{ '<|user|>' + message.content | safe + '<|end|>' }}
# writes &lt;|user|&gt; and &lt;|end|&gt; in place of the control tokens, and the tokenizer then sees plain text. Nothing
# warns. `~` is compiled to a plain join of strings and escapes nothing, and so do {{ }}, the filter `join` and the
# filter `replace`. The method `replace` does escape its new text.
#
# So: an interpreter of chat templates has to remember which strings came from `safe` or `escape`, also with autoescape
# off, and a template should use `~`, or leave `safe` out.
#
# Output:
#   {{ '<|user|>' + x | safe + '<|end|>' }}          &lt;|user|&gt;a<b&lt;|end|&gt;
#   {{ '<|user|>' + x + '<|end|>' }}                 <|user|>a<b<|end|>
#   {{ '<|user|>' ~ x | safe ~ '<|end|>' }}          <|user|>a<b<|end|>
#   {{ ['<|user|>', x | safe] | join }}              <|user|>a<b
#   {{ x | safe | replace('a', '<') }}               <<b
#   {{ (x | safe).replace('a', '<') }}               &lt;<b
#   {{ x | upper | safe + '<' }}                     A<B&lt;
#   {{ (x | safe).upper() + '<' }}                   A<B&lt;
#   {{ x | safe | length }}                          3
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet --no-deps jinja2==3.1.6 markupsafe==3.0.3

cat > render.py << 'PYTHON'
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment

environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
assert environment.autoescape is False, "autoescape is on"
seen = {
    "{{ '<|user|>' + x | safe + '<|end|>' }}": "&lt;|user|&gt;a<b&lt;|end|&gt;",
    "{{ '<|user|>' + x + '<|end|>' }}": "<|user|>a<b<|end|>",
    "{{ '<|user|>' ~ x | safe ~ '<|end|>' }}": "<|user|>a<b<|end|>",
    "{{ ['<|user|>', x | safe] | join }}": "<|user|>a<b",
    "{{ x | safe | replace('a', '<') }}": "<<b",
    "{{ (x | safe).replace('a', '<') }}": "&lt;<b",
    "{{ x | upper | safe + '<' }}": "A<B&lt;",
    "{{ (x | safe).upper() + '<' }}": "A<B&lt;",
    "{{ x | safe | length }}": "3",
}
changed = False
for template, expected in seen.items():
    text = environment.from_string(template).render(x="a<b")
    print(f"{template:48} {text}")
    if text != expected:
        print(f"CHANGED: expected {expected}", file=sys.stderr)
        changed = True
sys.exit(changed)
PYTHON
venv/bin/python render.py
echo "as stated"
