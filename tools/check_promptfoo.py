"""Does promptfoo ask what `emend export promptfoo` writes, and does it judge as it is meant? Exits with 1 where not.

    python3 tools/check_promptfoo.py --promptfoo node_modules/.bin/promptfoo EDITS.yaml --model M --patch P [--record FILE]

Starts `emend serve` with the patch, exports the edit file with the server's address, lets promptfoo's own program run it, once against the patch and
once against the base, and compares each of its results:

    asked     the prompt is the question's text, byte for byte
    answered  the text is what the server itself answers to this prompt (temperature 0, 16 tokens)
    judged    it counts as passed if, and only if, the text holds the right answer and not the other one
    ended     the exit code is 100 if a test failed, else 0

--record FILE keeps the configuration and what promptfoo made of it, as tests/data/promptfoo holds it. The program is build/release/emend. Needs promptfoo
(an npm package) and the Python package yaml. Seen to pass with promptfoo 0.121.20 on node 20, which says that it wants node 22.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import yaml

PROGRAM = "build/release/emend"


class Server:
    def __init__(self, options):
        command = [PROGRAM, "serve", "--model", options.model, "--patch", options.patch, "--port", "0", "--quiet"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.match(r"Serving (.*) at (http://127\.0\.0\.1:(\d+)/v1)", line)
        if not found:
            raise SystemExit(f"no server: {line!r}")
        self.base, self.edited = found[1].split(", ")
        self.url, self.port = found[2], int(found[3])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)

    def answer(self, name, prompt):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        body = json.dumps({"model": name, "prompt": prompt, "temperature": 0, "max_tokens": 16})
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        return json.load(connection.getresponse())["choices"][0]["text"]


def run(options, server, name, folder):
    """The configuration, the results of promptfoo, its exit code."""
    command = [PROGRAM, "export", "promptfoo", options.edits, "--out", folder, "--provider", f"openai:completion:{name}", "--url", server.url]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    environment = dict(os.environ, PROMPTFOO_DISABLE_TELEMETRY="1", PROMPTFOO_DISABLE_UPDATE="1", PROMPTFOO_CONFIG_DIR=str(folder / "home"))
    done = subprocess.run([options.promptfoo.resolve(), "eval", "-c", "promptfooconfig.yaml", "--no-cache", "--no-table", "--no-write", "-o", "out.json"],
                          cwd=folder, env=environment, capture_output=True, text=True)
    if not (folder / "out.json").exists():
        raise SystemExit(done.stdout + done.stderr)
    text = (folder / "promptfooconfig.yaml").read_text(encoding="utf-8")
    return text, json.loads((folder / "out.json").read_text(encoding="utf-8"))["results"]["results"], done.returncode


def compare(server, name, text, results, code):
    """What is wrong, in lines; and how many tests passed."""
    tests, wrong = yaml.safe_load(text)["tests"], []
    if len(results) != len(tests):
        wrong.append(f"{len(results)} results of {len(tests)} tests")
    passed = 0
    for test, result in zip(tests, sorted(results, key=lambda one: one["testIdx"])):
        prompt, (right, other) = test["vars"]["prompt"], (one["value"] for one in test["assert"])
        if result["prompt"]["raw"] != prompt:
            wrong.append(f"asked {result['prompt']['raw']!r} in place of {prompt!r}")
            continue
        answer, expected = (result.get("response") or {}).get("output"), server.answer(name, prompt)
        if answer != expected:
            wrong.append(f"{prompt!r}: answered {answer!r}, the server says {expected!r}")
        holds = right in expected and other not in expected
        passed += holds
        if result["success"] != holds:
            wrong.append(f"{prompt!r}: judged {result['success']}, {expected!r} with {right!r} and without {other!r} is {holds}")
    if code != (0 if passed == len(tests) else 100):
        wrong.append(f"exit code {code} with {passed} of {len(tests)} passed")
    return wrong, passed


def record(text, results):
    """What a test compares with: no ids, times and costs."""
    return {"config": text, "results": [{"prompt": one["prompt"]["raw"], "success": one["success"],
                                         "assertions": [part["assertion"] for part in one["gradingResult"]["componentResults"]]}
                                        for one in sorted(results, key=lambda one: one["testIdx"])]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edits")
    parser.add_argument("--promptfoo", type=pathlib.Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--patch", required=True)
    parser.add_argument("--record", type=pathlib.Path)
    options = parser.parse_args()
    failed = False
    with Server(options) as server, tempfile.TemporaryDirectory() as place:
        for name in (server.edited, server.base):
            text, results, code = run(options, server, name, pathlib.Path(place) / name)
            wrong, passed = compare(server, name, text, results, code)
            print(f"{name}: {passed} of {len(results)} tests passed, exit code {code}; {len(wrong)} differences")
            print("".join(f"  {line}\n" for line in wrong), end="")
            failed = failed or bool(wrong)
            if options.record and name == server.base:
                text = text.replace(server.url, "http://127.0.0.1:8080/v1")
                options.record.write_text(json.dumps(record(text, results), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
