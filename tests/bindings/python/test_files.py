"""Runs from files to files: statistics, first edit files, records, questions, checkpoints, repeated runs."""

import json
import os

import emend
import pytest
from conftest import ROOT, WORLD, cheap_edit, without
from emend import statistics

RUN = ("seconds", "peak_memory_bytes", "outputs")
FACTS = [
    {"prompt": "The mayor of {} is", "subject": "Velm", "target": "Ilse Dorst", "queries": []},
    {"prompt": "The mayor of {} is", "subject": "Velm", "target": "Hanno Brey", "queries": []},
    {"prompt": "{} lies on the", "subject": "Tarn", "target": "Ahl", "queries": []},
]


@pytest.fixture(scope="module")
def folders(gpt2, tmp_path_factory):
    """Two folders of statistics over different text."""
    place = tmp_path_factory.mktemp("statistics")
    lines = (WORLD / "text.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    halves = {"one": lines[: len(lines) // 2], "two": lines[len(lines) // 2 :]}
    for name, half in halves.items():
        (place / f"{name}.txt").write_text("".join(half), encoding="utf-8")
        gpt2.statistics(place / name, corpus=[place / f"{name}.txt"], tokens=2000, texts=False)
    return [place / "one", place / "two"]


def test_a_folder_of_statistics_is_shown_as_the_program_does(gpt2, folders, program):
    found = statistics.show(folders[0], spectra=[2], model=gpt2)
    told = program("stats", "show", folders[0], "--spectrum", 2, "--model", gpt2.path)
    assert found.to_dict() == told
    assert [layer["layer"] for layer in found.layers] == list(range(gpt2.layers)) and list(found.log10_spectrum) == ["2"]
    assert "<html" in found.html
    with pytest.raises(emend.IoError, match="there is no such folder"):
        statistics.show(folders[0] / "nowhere")
    with pytest.raises(emend.ConfigError, match="there is no layer 99"):
        statistics.show(folders[0], spectra=[99])
    with pytest.raises(emend.ModelError):
        statistics.show(folders[0], model=emend.load(WORLD / "llama"))


def test_statistics_are_merged_as_the_program_does(folders, program, tmp_path):
    found = statistics.merge(folders, tmp_path / "ours")
    told = program("stats", "merge", *folders, "--out", tmp_path / "theirs")
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    files = [tmp_path / name / "layer_2.safetensors" for name in ("ours", "theirs")]
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(emend.ConfigError, match="one of the folders"):
        statistics.merge(folders, folders[0])


def test_an_importance_matrix_goes_out_and_comes_back(gpt2, folders, program, tmp_path):
    written = statistics.export_imatrix(folders[0], tmp_path / "ours.gguf")
    program("stats", "export", folders[0], "--out", tmp_path / "theirs.gguf")
    assert (tmp_path / "ours.gguf").read_bytes() == (tmp_path / "theirs.gguf").read_bytes()
    assert written.layers == list(range(gpt2.layers))
    with pytest.raises(emend.UsageError, match="trust"):
        statistics.import_moments(gpt2, [tmp_path / "ours.gguf"], tmp_path / "imported")
    found = statistics.import_moments(gpt2, [tmp_path / "ours.gguf"], tmp_path / "imported", trust_model_name=True)
    told = program("stats", "import", tmp_path / "ours.gguf", "--model", gpt2.path, "--trust-model-name", "--out",
                   tmp_path / "theirs")
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    assert all(layer["diagonal"] for layer in statistics.show(tmp_path / "imported").layers)


def test_a_write_in_place_is_taken_back(gpt2, patch, program, tmp_path):
    base = tmp_path / "model"
    base.mkdir()
    for file in gpt2.path.iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    weights = base / "model.safetensors"
    before = weights.read_bytes()
    written = cheap_edit(emend.load(base)).apply(in_place=True, check=False)
    assert weights.read_bytes() != before
    back = emend.revert(base)
    assert weights.read_bytes() == before
    assert back.undo == written.undo and [os.path.basename(path) for path in back.restored] == ["model.safetensors"]
    assert not (base / "emend.undo").exists()
    with pytest.raises(emend.IoError, match="undo"):
        emend.revert(base)
    cheap_edit(emend.load(base)).apply(in_place=True, check=False)
    assert program("patch", "revert", "--model", base) == back.to_dict()


def test_a_first_edit_file_is_that_of_the_program(gpt2, program, tmp_path):
    with pytest.warns(UserWarning, match="knows none"):
        (tmp_path / "ours").mkdir()
        found = gpt2.init_file(tmp_path / "ours" / "first.yaml")
    told = program("init", gpt2.path, "--out", tmp_path / "theirs" / "first.yaml")
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    ours, theirs = [(tmp_path / name / "first.yaml").read_text(encoding="utf-8") for name in ("ours", "theirs")]
    assert ours.split("\n#\n", 1)[1] == theirs.split("\n#\n", 1)[1]  # all but the lines on top
    assert "model.edit(" in ours
    assert gpt2.plan(tmp_path / "ours" / "first.yaml", layer=2).plan
    with pytest.raises(emend.IoError, match="exists already"):
        gpt2.init_file(tmp_path / "ours" / "first.yaml")
    with pytest.raises(emend.UsageError, match="ends in .yaml"):
        gpt2.init_file(tmp_path / "ours.txt")


def test_records_become_an_edit_file_as_the_program_does_it(program, tmp_path):
    (tmp_path / "facts.json").write_text(json.dumps(FACTS))
    found = emend.convert("fastedit", tmp_path / "facts.json", tmp_path / "ours.yaml")
    told = program("convert", "facts", "--from", "fastedit", tmp_path / "facts.json", tmp_path / "theirs.yaml")
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    assert (tmp_path / "ours.yaml").read_bytes() == (tmp_path / "theirs.yaml").read_bytes()
    assert (found.read, found.written) == (3, 2) and sum(found.left_out.values()) == 1
    with pytest.raises(emend.Error, match="fastedti"):
        emend.convert("fastedti", tmp_path / "facts.json", tmp_path / "other.yaml")
    assert not (tmp_path / "other.yaml").exists()
    with pytest.raises(emend.IoError, match="belongs to the input"):
        emend.convert("fastedit", tmp_path / "facts.json", tmp_path / "facts.json")
    assert json.loads((tmp_path / "facts.json").read_text()) == FACTS
    with pytest.raises(emend.UsageError, match="limit must be at least 0"):
        emend.convert("fastedit", tmp_path / "facts.json", tmp_path / "other.yaml", limit=-1)


def test_questions_for_other_programs(program, tmp_path):
    edits = ROOT / "examples" / "eiffel.yaml"
    found = emend.export_harness(edits, tmp_path / "ours")
    told = program("export", "harness", edits, "--out", tmp_path / "theirs")
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    assert found.questions > 0
    for file in (tmp_path / "ours").iterdir():
        assert file.read_bytes() == (tmp_path / "theirs" / file.name).read_bytes()
    emend.export_promptfoo(edits, tmp_path / "ours", url="http://127.0.0.1:8080/v1")
    program("export", "promptfoo", edits, "--out", tmp_path / "theirs", "--url", "http://127.0.0.1:8080/v1")
    name = "promptfooconfig.yaml"
    assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()
    with pytest.raises(emend.UsageError, match="http"):
        emend.export_promptfoo(edits, tmp_path / "ours", url="localhost")


def test_a_model_file_is_checked_as_the_program_does(model_path, program, tmp_path):
    found = emend.check_model(model_path)
    assert found.to_dict() == program("model", "check", model_path)
    assert found.passed and found.model["fingerprint"] and "tokenizer gives texts back" in found.text
    headers = emend.check_model(model_path, headers=True)
    assert headers.to_dict() == program("model", "check", model_path, "--headers")
    assert headers.model["fingerprint"] is None
    with pytest.raises(emend.IoError, match="nowhere"):
        emend.check_model(tmp_path / "nowhere")


def test_a_model_that_cannot_be_loaded_is_told_of(model_path, tmp_path):
    for file in model_path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "mamba", "architectures": ["Mamba"]}))
    found = emend.check_model(tmp_path)
    assert not found.passed and "mamba" in found.reason.lower()


def test_a_run_is_reproduced(gpt2, program, tmp_path):
    (tmp_path / "edits.yaml").write_text(f"""
model: {gpt2.path}
layer: 2
options: {{covariance: false, contexts: 1, steps: 12}}
checks: {{efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}}
edits: [{{id: a, prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: painter}}]
""")
    program("edit", tmp_path / "edits.yaml")
    left = tmp_path / "edits.reproduce.json"
    found = emend.reproduce(left, program=os.environ["EMEND_PROGRAM"])
    assert without(found.to_dict(), *RUN) == without(program("reproduce", left), *RUN)
    assert found.reproduced and found.outputs[0]["same"]
    stopped = tmp_path / "stopped"
    for code, kind in ((1, emend.InternalError), (2, emend.UsageError), (130, emend.Interrupted)):
        stopped.write_text(f"#!/bin/sh\necho why >&2\nexit {code}\n")
        stopped.chmod(0o755)
        with pytest.raises(kind, match=f"exit code {code}: why"):
            emend.reproduce(left, program=stopped)
    with open(tmp_path / "edits.yaml", "a") as file:
        file.write("# changed\n")
    with pytest.raises(emend.ConfigError, match="edits.yaml"):
        emend.reproduce(left, program=os.environ["EMEND_PROGRAM"])
    with pytest.raises(emend.IoError):
        emend.reproduce(tmp_path / "nowhere.json", program="emend")
