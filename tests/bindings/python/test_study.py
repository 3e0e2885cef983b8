"""Locating facts, statistics, benchmarks, and how results show themselves."""

import json

import pytest
from conftest import CHEAP, PROMPT, WORLD, without


def test_locate_is_that_of_the_program(gpt2, program, tmp_path):
    trace = gpt2.locate(PROMPT, "Workis Tellond", samples=2)
    told = program("locate", "--model", gpt2.path, "--prompt", PROMPT, "--subject", "Workis Tellond", "--samples", 2)
    assert without(trace.to_dict(), "peak_memory_bytes") == without(told, "peak_memory_bytes")
    grid = trace.grid(0, "mlp")
    assert grid.shape == (len(trace.facts[0]["tokens"]), gpt2.layers)
    assert trace.ranking[0]["score"] >= trace.ranking[-1]["score"]


def test_statistics_are_those_of_the_program(gpt2, program, tmp_path):
    given = {"corpus": [WORLD / "text.txt"], "layers": [2], "tokens": 3000}
    ours = gpt2.statistics(tmp_path / "ours", **given)
    told = program("stats", "--model", gpt2.path, "--out", tmp_path / "theirs", "--corpus", WORLD / "text.txt",
                   "--layers", 2, "--tokens", 3000)
    different = ("seconds", "peak_memory_bytes", "outputs", "matmul_flops", "peak_bytes")
    assert without(ours.to_dict(), *different) == without(told, *different)
    files = [folder / "layer_2.safetensors" for folder in (tmp_path / "ours", tmp_path / "theirs")]
    assert files[0].read_bytes() == files[1].read_bytes()
    gpt2.statistics(tmp_path / "bare", texts=False, **given)
    kept = [{file.name for file in (tmp_path / name).iterdir()} for name in ("ours", "bare")]
    assert kept[1] < kept[0] and "layer_2.safetensors" in kept[1]
    planned = gpt2.statistics(tmp_path / "planned", plan_only=True, **given)
    assert planned.plan["tokens"] == ours.plan["tokens"] and not (tmp_path / "planned").exists()


def test_evaluate_is_that_of_the_program(gpt2, program, tmp_path):
    options = tmp_path / "cheap.yaml"
    options.write_text("method: rome\nlayer: 2\noptions: " + json.dumps(CHEAP) + "\n")
    given = {"records": (0, 3), "generations": 0, "drift_tokens": 0, "other_subjects": 2, "hold_out": True}
    ours = gpt2.evaluate("emend", WORLD / "edits.jsonl", tmp_path / "ours", method_files=[options], **given)
    told = program("eval", "--model", gpt2.path, "--dataset", "emend", "--data", WORLD / "edits.jsonl", "--options", options,
                   "--records", "0:3", "--generations", 0, "--drift-tokens", 0, "--other-subjects", 2, "--hold-out",
                   "--out", tmp_path / "theirs")
    different = ("seconds", "records_per_minute", "peak_memory_bytes")
    assert without(ours.to_dict(), *different) == without(told, *different)
    assert ours.methods[0]["records"] == 3
    assert [(tmp_path / run / "records.jsonl").read_bytes() for run in ("ours", "theirs")][0] == (
        tmp_path / "theirs" / "records.jsonl").read_bytes()
    assert "<html" in ours.html


def test_results_show_themselves(gpt2, patch):
    trace = gpt2.locate(PROMPT, "Workis Tellond", samples=1, severed=False, knockout=False)
    page = trace.html
    assert page.lstrip().lower().startswith("<!doctype html") and "<svg" in page
    shown = trace._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and "&lt;svg" in shown
    assert "painter" in patch.result.html and patch._repr_html_().startswith("<iframe")
    assert "painter" in patch.result.text and repr(patch.result).startswith("<EditResult: ")
    said = gpt2.generate(PROMPT)
    assert said.html is None and "<pre>" in said._repr_html_()


def test_documents_are_copies(patch):
    document = patch.result.to_dict()
    document["edits"].clear()
    assert patch.result.to_dict()["edits"]
    assert json.loads(json.dumps(patch.result.to_dict())) == patch.result.to_dict()


def test_frames(gpt2, patch):
    pandas = pytest.importorskip("pandas")
    frame = patch.result.to_frame()
    assert isinstance(frame, pandas.DataFrame) and frame.loc[0, "after.argmax_target"]
    assert list(gpt2.generate(PROMPT, top=3).to_frame()["id"]) == [t.id for t in gpt2.next_tokens(PROMPT, 3)]
