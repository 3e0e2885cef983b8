"""What the tests share: the small models of the source tree, one cheap edit, and the program to compare with."""

import json
import os
import subprocess
from pathlib import Path

import emend
import pytest

ROOT = Path(__file__).resolve().parents[3]
WORLD = ROOT / "tests" / "data" / "world"
PROMPT = "Workis Tellond was trained as a"
OTHER_PROMPT = "Narilis Vonurn counts and dreams in"
CHEAP = {"covariance": False, "contexts": 1, "steps": 12}  # no statistics, few steps
LENIENT = {"efficacy": 0, "paraphrase": 0, "neighbourhood": 0, "drift": 1000}
FACT = emend.Fact(PROMPT, "Workis Tellond", "painter", id="a")
OTHER_FACT = emend.Fact(OTHER_PROMPT, "Narilis Vonurn", "Kevic", id="b")


@pytest.fixture(scope="session", params=["gpt2", "llama"])
def model_path(request):
    return WORLD / request.param


@pytest.fixture(scope="session")
def model(model_path):
    return emend.load(model_path)


@pytest.fixture(scope="session")
def gpt2():
    return emend.load(WORLD / "gpt2")


def cheap_edit(model, *facts, **options):
    return model.edit(facts or FACT, **{"layer": 2, "options": CHEAP, "checks": LENIENT, **options})


@pytest.fixture(scope="session")
def patch(gpt2):
    return cheap_edit(gpt2)


@pytest.fixture
def program(tmp_path):
    """Runs the program and returns what it writes with --json."""
    path = os.environ.get("EMEND_PROGRAM")
    if not path:
        pytest.skip("EMEND_PROGRAM does not name the program")

    def run(*arguments, codes=(0,)):
        file = tmp_path / "result.json"
        command = [path, *map(str, arguments), "--json", str(file), "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in codes, done.stderr
        return json.loads(file.read_text(encoding="utf-8"))

    return run


def without(document, *names):
    """A copy of a document without what differs from run to run."""
    if isinstance(document, dict):
        return {key: without(value, *names) for key, value in document.items() if key not in names}
    if isinstance(document, list):
        return [without(value, *names) for value in document]
    return document
