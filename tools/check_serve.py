"""Checks `emend serve` with the clients that people use; exits with 1 where something differs.

    python3 tools/check_serve.py harness|client|load [--model tests/data/world/llama] [--patch P]... [--requests 1000] [--clients 16]

harness  lm-evaluation-harness (local-completions, the texts as ids) over HTTP beside `emend eval abilities` in process, for the base and for
         each patch: every log-likelihood, and acc and acc_norm. The items are questions about the invented world, as in harness_speed.py.
client   the openai package: models, completions with echo and logprobs, its exceptions for wrong requests.
load     many clients at once; one request in ten is sent and not waited for. All others must be answered, alike for the same question;
         prints the server's memory on the way.

harness needs lm_eval with its extra "api", torch and transformers; client needs openai; load needs nothing. Where that is not installed the
exit code is 77. The program is build/release/emend, or that of --emend.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import other_programs

HERE = os.path.dirname(os.path.abspath(__file__))


class Server:
    """`emend serve` at a free port, until the with statement ends."""

    def __init__(self, options, *more):
        command = [options.emend, "serve", "--model", options.model, "--port", "0", "--quiet", *more]
        if options.threads:
            command += ["--threads", str(options.threads)]
        for patch in options.patch:
            command += ["--patch", patch]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.match(r"Serving (.*) at http://127\.0\.0\.1:(\d+)/v1", line)
        if not found:
            raise SystemExit(f"no server: {line!r}")
        self.names = found[1].split(", ")
        self.port = int(found[2])
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.last_words = self.process.stdout.read()
        if self.process.wait(60) != 0:
            raise SystemExit(f"the server ended with {self.process.returncode}")

    def resident_kilobytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def expect(condition, text):
    if not condition:
        raise SystemExit("differs: " + text)


# ---- harness

def check_harness(options):
    other_programs.require("lm_eval", "tenacity", "torch", "transformers")
    sys.path[:0] = [HERE, os.path.join(HERE, "fixtures")]
    import harness_reference
    import harness_speed
    from lm_eval.models.openai_completions import LocalCompletionsAPI
    with open("tests/data/world/facts.jsonl", encoding="utf-8") as lines:
        facts = [json.loads(line) for line in lines]
    with tempfile.TemporaryDirectory() as folder, Server(options) as server:
        data = os.path.join(folder, "arc.jsonl")
        harness_speed.write_items(facts, options.items, data)
        for number, name in enumerate(server.names):
            out = os.path.join(folder, str(number))
            command = [options.emend, "eval", "abilities", "--model", options.model, "--data", data, "--out", out, "--quiet"]
            subprocess.run(command + (["--patch", options.patch[number - 1]] if number else []), check=True, stdout=subprocess.DEVNULL)
            when = "after" if number else "before"
            with open(os.path.join(out, "items.jsonl"), encoding="utf-8") as lines:
                ours = [json.loads(line)[when]["loglikelihoods"] for line in lines]
            with open(os.path.join(out, "abilities.json"), encoding="utf-8") as file:
                figures = json.load(file)["tasks"][0]["metrics"]
            model = LocalCompletionsAPI(model=name, base_url=server.url + "/completions", tokenizer=options.tokenizer or options.model,
                                        batch_size=options.batch, max_length=options.max_length, seed=1234,
                                        add_bos_token=True)  # the special tokens that the tokenizer adds by itself; off by default
            began = time.time()
            run = harness_reference.evaluate(model, [harness_reference.task_of("arc", folder)], log_samples=True)
            seconds = time.time() - began
            theirs = {sample["doc_id"]: [float(r[0][0]) for r in sample["resps"]] for sample in run["samples"]["arc"]}
            worst = max(abs(a - b) for item, values in enumerate(ours) for a, b in zip(values, theirs[item], strict=True))
            result = run["results"]["arc"]
            print(f"{name}: {len(ours)} items, largest difference of a log-likelihood {worst:.2g}; acc {result['acc,none']:.4f} over HTTP, "
                  f"{figures['acc'][when]['mean']:.4f} in process; {seconds:.1f} s", flush=True)
            expect(worst < 1e-3, "log-likelihoods")
            for metric in ("acc", "acc_norm"):
                expect(abs(result[metric + ",none"] - figures[metric][when]["mean"]) < 1e-9, metric)


# ---- client

def check_client(options):
    other_programs.require("openai")
    import openai
    with Server(options) as server:
        client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
        names = [model.id for model in client.models.list()]
        expect(names == server.names, f"models: {names}")
        for name in names:
            answer = client.completions.create(model=name, prompt=["The", [1, 2, 3]], max_tokens=4, temperature=0, echo=True, logprobs=2)
            expect([choice.index for choice in answer.choices] == [0, 1], "indices")
            for choice in answer.choices:
                lists = choice.logprobs
                expect(len({len(lists.tokens), len(lists.token_logprobs), len(lists.top_logprobs), len(lists.text_offset)}) == 1, "lengths")
                expect(lists.token_logprobs[0] is None and all(p <= 0 for p in lists.token_logprobs[1:]), "logprobs")
            expect(len(answer.choices[1].logprobs.tokens) <= 7, "three ids and four tokens")
            drawn = [client.completions.create(model=name, prompt="The", max_tokens=8, temperature=1, seed=seed).choices[0].text
                     for seed in (1, 1, 2, 3, 4)]
            expect(drawn[0] == drawn[1] and len(set(drawn)) > 1, "seeds")
        for wrong, kind in (({"model": "nobody"}, openai.NotFoundError), ({"prompt": [10**9]}, openai.BadRequestError),
                            ({"max_tokens": 10**6}, openai.BadRequestError), ({"stream": True}, openai.BadRequestError)):
            try:
                client.completions.create(**({"model": names[0], "prompt": "The", "max_tokens": 1} | wrong))
            except kind as error:
                print(f"{kind.__name__}: {error.message}")
            else:
                expect(False, f"{wrong} was accepted")
    print("openai", openai.__version__, "agrees")


# ---- load

def ask(server, body):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    expect(response.status == 200, f"{response.status}: {text[:300]}")
    return json.dumps(json.loads(text)["choices"])


def ask_and_vanish(server, body, draw):
    data = body.encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        whole = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data
        connection.sendall(whole[:draw.randrange(1, len(whole) + 1)] if draw.random() < 0.5 else whole)
        time.sleep(draw.random() * 0.05)


def check_load(options):
    draw = random.Random(0)
    with open("tests/data/world/facts.jsonl", encoding="utf-8") as lines:
        prompts = [json.loads(line)["prompts"][0] for line in lines][:40]
    with Server(options, "--waiting", "64") as server:
        questions = [json.dumps({"model": name, "prompt": prompt, "max_tokens": 8, "temperature": 0, "echo": True, "logprobs": 1})
                     for prompt in prompts for name in server.names]
        work = [(draw.choice(questions), draw.random() < 0.1) for _ in range(options.requests)]
        answers, memory = {}, []

        def do(number):
            body, vanishes = work[number]
            if vanishes:
                ask_and_vanish(server, body, random.Random(number))
                return
            answers.setdefault(body, set()).add(ask(server, body))
            if number % (options.requests // 10) == 0:
                memory.append((number, server.resident_kilobytes()))

        began = time.time()
        with concurrent.futures.ThreadPoolExecutor(options.clients) as pool:
            list(pool.map(do, range(options.requests)))
        seconds = time.time() - began
        waited = sum(not vanishes for _, vanishes in work)
        last = server.resident_kilobytes()
    print(f"{options.requests} requests of {options.clients} clients in {seconds:.1f} s; {waited} waited and were answered, "
          f"{options.requests - waited} vanished")
    print("resident memory after n requests, MB: " + ", ".join(f"{n}: {kb / 1000:.0f}" for n, kb in sorted(memory)) + f", end: {last / 1000:.0f}")
    print(server.last_words.strip())
    expect(all(len(found) == 1 for found in answers.values()), "answers to one question")
    counted = re.search(r"(\d+) answered, (\d+) refused, (\d+) failed, (\d+) whose", server.last_words)
    expect(int(counted[1]) >= waited and int(counted[3]) == 0, "what the server counted")
    middle = sorted(memory)[len(memory) // 2][1]
    expect(last < 1.05 * middle, f"memory grew from {middle} kB in the middle to {last} kB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["harness", "client", "load"])
    parser.add_argument("--model", default="tests/data/world/llama")
    parser.add_argument("--emend", default="build/release/emend")
    parser.add_argument("--tokenizer", help="a folder with the model's tokenizer; needed for a GGUF file (harness)")
    parser.add_argument("--patch", action="append", default=[])
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0, help="of the server; 0: its own choice")
    options = parser.parse_args()
    {"harness": check_harness, "client": check_client, "load": check_load}[options.what](options)


if __name__ == "__main__":
    main()
