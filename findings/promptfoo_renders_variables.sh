#!/usr/bin/env bash
# promptfoo renders the values of variables as templates, again and again until nothing changes.
#
# Packages: promptfoo 0.121.20 and @libsql/linux-x64-gnu 0.5.29 (npm). From the distribution: node (20 or later), npm.
#
# A variable's value looks like data: a prompt of a user, as the prompt's template gets it by {{prompt}}. promptfoo renders the
# value with Nunjucks first, and what comes out once more, and so on:
#   "{{ 1 + 1 }}"                                     is asked as "2"
#   "a {# b #} c"                                     is asked as "a  c"
#   "{{Where}}", a name that is not defined           stays "{{Where}}"
#   "{% raw %}{{Where}}{% endraw %}"                  stays as it is, with the tags
#   "{% if %}"                                        ends the test with a template error
# So there is no form in which any text is asked as it is: raw tags are taken away where nothing undefined is inside, and kept
# where something is. Texts that hold "{{", "{%" or "{#" are left out by `emend export promptfoo`.
#
# Exits with 1 if this changed, with 2 if a program is missing.

set -euo pipefail

for program in node npm python3; do
  command -v "$program" > /dev/null || { echo "missing: $program" >&2; exit 2; }
done
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

echo '{}' > package.json
npm install --silent --ignore-scripts --no-audit --no-fund --omit=optional promptfoo@0.121.20 > /dev/null
# The native part of its database is an optional package.
npm pack --silent @libsql/linux-x64-gnu@0.5.29 > /dev/null
mkdir -p node_modules/@libsql/linux-x64-gnu
tar xzf libsql-linux-x64-gnu-0.5.29.tgz -C node_modules/@libsql/linux-x64-gnu --strip-components=1

cat > config.yaml << 'YAML'
prompts: ["{{prompt}}"]
providers: [echo]
tests:
  - {vars: {prompt: "A1 {{ 1 + 1 }}"}}
  - {vars: {prompt: "A2 a {# b #} c"}}
  - {vars: {prompt: "A3 {{Where}}"}}
  - {vars: {prompt: "A4 {% raw %}{{Where}}{% endraw %}"}}
  - {vars: {prompt: "A5 {% if %}"}}
YAML
export PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1 PROMPTFOO_CONFIG_DIR=$temporary/home
node_modules/.bin/promptfoo eval -c config.yaml --no-cache --no-table --no-write -o out.json > log.txt 2>&1 || true

python3 - << 'PYTHON'
import json
import sys

asked = {}
for result in json.load(open("out.json"))["results"]["results"]:
    output = (result.get("response") or {}).get("output")
    asked[result["vars"]["prompt"][:2]] = output if output is not None else "error: " + str(result.get("error"))[:21]
expected = {"A1": "A1 2", "A2": "A2 a  c", "A3": "A3 {{Where}}", "A4": "A4 {% raw %}{{Where}}{% endraw %}",
            "A5": "error: Template render error"}
for name in sorted(expected):
    print(name, "->", asked.get(name))
sys.exit(0 if asked == expected else 1)
PYTHON
