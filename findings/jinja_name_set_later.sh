#!/usr/bin/env bash
# findings/jinja_name_set_later.sh
#
# Packages: jinja2 3.1.6, markupsafe 3.0.3 (PyPI).
#
# A template is given n = 7. What {{ n }} writes inside a loop, a macro, {% filter %}, {% with %} or {% call %} depends on
# lines further down that have not run yet: if the block around sets n there, n is undefined inside, and {{ n }} writes
# nothing. The value that the caller gave is not looked at. Jinja2 decides once for the whole block whether a name is the
# block's own, by the first thing that the block itself does with it; what inner blocks do is not counted. So
#   - one {{ n }} or {% if n %} of the outer block before the loop brings the value back, also in the loop
#   - so does a {% set %} inside of {% if %}, wherever it stands, and whether or not it runs
#   - a macro sees the value of the later {% set %} once that has run
# Nothing warns: undefined values write as nothing, and are false in {% if %}.
#
# So: an interpreter that looks names up as it goes gives another text than jinja2 for such chat templates, and a template
# should set its defaults at the top, inside of {% if %}.
#
# Output (n = 7; each line a template and its text):
#   {% for x in 'ab' %}[{{ n }}]{% endfor %}                                               [7][7]
#   {% for x in 'ab' %}[{{ n }}]{% endfor %}{% set n = 1 %}                                [][]
#   {{ n }}{% for x in 'ab' %}[{{ n }}]{% endfor %}{% set n = 1 %}                         7[7][7]
#   {% for x in 'ab' %}[{{ n }}]{% endfor %}{% if false %}{% set n = 1 %}{% endif %}       [7][7]
#   {% filter upper %}[{{ n }}]{% endfilter %}{% set n = 1 %}                              []
#   {% macro m() %}[{{ n }}]{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}                [][1]
#   {% if true %}[{{ n }}]{% endif %}{% set n = 1 %}                                       [7]
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
seen = {
    "{% for x in 'ab' %}[{{ n }}]{% endfor %}": "[7][7]",
    "{% for x in 'ab' %}[{{ n }}]{% endfor %}{% set n = 1 %}": "[][]",
    "{{ n }}{% for x in 'ab' %}[{{ n }}]{% endfor %}{% set n = 1 %}": "7[7][7]",
    "{% for x in 'ab' %}[{{ n }}]{% endfor %}{% if false %}{% set n = 1 %}{% endif %}": "[7][7]",
    "{% filter upper %}[{{ n }}]{% endfilter %}{% set n = 1 %}": "[]",
    "{% macro m() %}[{{ n }}]{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}": "[][1]",
    "{% if true %}[{{ n }}]{% endif %}{% set n = 1 %}": "[7]",
}
changed = False
for template, expected in seen.items():
    text = environment.from_string(template).render(n=7)
    print(f"{template:86} {text}")
    if text != expected:
        print(f"CHANGED: expected {expected}", file=sys.stderr)
        changed = True
sys.exit(changed)
PYTHON
venv/bin/python render.py
echo "as stated"
