"""Edits, and patches on models and on disk."""

import emend
import pytest
import torch
from conftest import CHEAP, LENIENT, OTHER_FACT, OTHER_PROMPT, PROMPT, WORLD, cheap_edit, without

YAML = """
method: rome
layer: 2
options: {covariance: false, contexts: 1, steps: 12}
checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}
edits:
  - id: a
    prompt: Workis Tellond was trained as a
    subject: Workis Tellond
    target: painter
    paraphrases: ["Workis Tellond works as a"]
    neighbours: [{prompt: "Narilis Vonurn counts and dreams in"}]
"""


def test_edit_is_that_of_the_program(model, model_path, program, tmp_path):
    file = tmp_path / "edits.yaml"
    file.write_text(YAML)
    patch = model.edit(file)
    told = program("edit", file, "--model", model_path)
    ours = patch.result.to_dict()
    different = ("seconds", "peak_memory_bytes", "outputs")
    assert without(ours, *different) == without(told, *different)
    assert set(ours) == set(told)
    saved = emend.load_patch(patch.save(tmp_path / "ours.safetensors"))
    assert saved.diff(emend.load_patch(tmp_path / "edits.safetensors")).same
    assert (tmp_path / "ours.safetensors").read_bytes() == (tmp_path / "edits.safetensors").read_bytes()
    assert saved.info.to_dict() == program("patch", "list", tmp_path / "ours.safetensors")


def test_facts_are_the_same_edit_as_a_file(gpt2, tmp_path):
    file = tmp_path / "edits.yaml"
    file.write_text(YAML)
    fact = emend.Fact(
        PROMPT,
        "Workis Tellond",
        "painter",
        id="a",
        paraphrases=["Workis Tellond works as a"],
        neighbours=[emend.Neighbour(OTHER_PROMPT)],
    )
    from_facts = cheap_edit(gpt2, fact)
    entry = {"id": "a", "prompt": PROMPT, "subject": "Workis Tellond", "target": "painter"}
    more = {"paraphrases": fact.paraphrases, "neighbours": [{"prompt": OTHER_PROMPT}]}
    as_mapping = gpt2.edit({"layer": 2, "options": CHEAP, "checks": LENIENT, "edits": [{**entry, **more}]})
    from_file = gpt2.edit(file)
    assert from_facts.diff(from_file).same
    assert as_mapping.diff(from_file).same


def test_a_plan_is_that_of_the_program(gpt2, program, tmp_path):
    file = tmp_path / "edits.yaml"
    file.write_text(YAML)
    told = program("edit", file, "--model", gpt2.path, "--dry-run")
    assert gpt2.plan(file).to_dict() == told


def test_a_layer_by_depth_wins_over_the_file(gpt2):
    edits = {"layer": 1, "options": CHEAP, "edits": [{"prompt": PROMPT, "subject": "Workis Tellond", "target": "painter"}]}
    assert gpt2.plan(edits).plan[0]["layer"] == 1
    assert gpt2.plan(edits, layer="depth").plan[0]["layer"] == 2
    assert gpt2.plan(edits, layer=0).plan[0]["layer"] == 0


def test_a_patch_lies_on_the_model_for_a_block(gpt2, patch):
    before, said = gpt2.digest(), str(gpt2.generate(PROMPT))
    with gpt2.edited(patch) as edited:
        assert edited is gpt2
        assert str(gpt2.generate(PROMPT)).startswith(" painter")
        assert gpt2.digest() != before
        with pytest.raises(emend.ModelError, match="on the model already"):
            gpt2.put(patch)
    assert (gpt2.digest(), str(gpt2.generate(PROMPT))) == (before, said)
    with pytest.raises(ZeroDivisionError), gpt2.edited(patch):
        1 / 0
    assert gpt2.digest() == before
    with pytest.raises(emend.ModelError, match="not on the model"):
        gpt2.remove(patch)


def test_patches_stack_and_leave_in_any_order(gpt2, patch):
    other = cheap_edit(gpt2, OTHER_FACT)
    before = gpt2.digest()
    gpt2.put(patch)
    first = gpt2.digest()
    gpt2.put(other)
    gpt2.remove(patch)
    assert str(gpt2.generate(OTHER_PROMPT)).startswith(" Kevic")
    gpt2.put(patch)
    gpt2.remove(other)
    assert gpt2.digest() == first
    gpt2.remove(patch)
    assert gpt2.digest() == before


def test_two_patches_do_not_write_one_key(gpt2, patch, tmp_path):
    twin = emend.load_patch(patch.save(tmp_path / "twin.safetensors"))
    before = gpt2.digest()
    with gpt2.edited(patch):
        with pytest.raises(emend.ModelError, match="twin.safetensors"):
            gpt2.put(twin)
        with pytest.warns(UserWarning, match="twin.safetensors"):
            gpt2.put(twin, force=True)
        gpt2.remove(twin)
    assert gpt2.digest() == before


def test_runs_are_on_the_unedited_model(gpt2, patch):
    with gpt2.edited(patch):
        again = cheap_edit(gpt2)
    assert again.diff(patch).same


def test_a_patch_is_verified(gpt2, patch, program, tmp_path):
    file = patch.save(tmp_path / "patch.safetensors")
    loaded = emend.load_patch(file)
    found = loaded.verify(gpt2)
    assert found.passed
    assert found.to_dict() == program("patch", "verify", "--model", gpt2.path, "--patch", file)
    with pytest.raises(emend.UsageError, match="does not know its model"):
        loaded.verify()


def test_a_failed_check_is_warned_of_and_refused(gpt2):
    checks = {**LENIENT, "drift": 1.0}
    with pytest.warns(emend.CheckFailed, match="a check failed: drift"):
        failed = gpt2.edit({"edits": [{"prompt": PROMPT, "subject": "Workis Tellond", "target": "painter"}], "layer": 2,
                            "drift_text": "Workis Tellond was trained as a stone cutter."}, options=CHEAP, checks=checks)
    assert not failed.passed
    with pytest.raises(emend.ModelError, match="marked as failed"), gpt2.edited(failed):
        pass
    with pytest.warns(UserWarning, match="marked as failed"), gpt2.edited(failed, force=True):
        assert str(gpt2.generate(PROMPT)).startswith(" painter")


def test_a_patch_is_written_into_a_checkpoint(gpt2, patch, tmp_path):
    written = patch.apply(tmp_path / "new", type="F32")
    assert written.passed and written.written == str(tmp_path / "new")
    assert written.subjects == written.to_dict()["subjects"] != []
    with gpt2.edited(patch):
        assert emend.load(tmp_path / "new").digest() == gpt2.digest()
    with pytest.raises(emend.UsageError, match="either out or in_place"):
        patch.apply()


def test_a_patch_becomes_an_adapter(gpt2, patch, program, tmp_path):
    adapter = patch.export_lora(tmp_path / "lora")
    file = patch.save(tmp_path / "patch.safetensors")
    told = program("export", "lora", "--model", gpt2.path, "--patch", file, "--out", tmp_path / "other")
    assert adapter.passed and adapter.subjects == told["subjects"]
    assert without(adapter.to_dict(), "path") == without(told, "path")
    assert (tmp_path / "lora" / "adapter_config.json").exists()
    assert patch.export_lora(tmp_path / "lora.gguf", gguf=True).passed


def test_patches_are_merged_and_taken_apart(gpt2, patch):
    other = cheap_edit(gpt2, OTHER_FACT)
    merged, figures = gpt2.merge([patch, other])
    assert [edit["id"] for edit in figures.edits] == ["a", "b"]
    with gpt2.edited(merged):
        assert str(gpt2.generate(PROMPT)).startswith(" painter")
        assert str(gpt2.generate(OTHER_PROMPT)).startswith(" Kevic")
    alone, figures = merged.drop("b")
    assert [edit["id"] for edit in figures.edits] == ["a"]
    assert alone.layers == [2]


def test_nothing_to_do_changes_nothing(gpt2):
    patch = cheap_edit(gpt2, emend.Fact(PROMPT, "Workis Tellond", "stone cutter"))
    assert patch.layers == [] and patch.result.edits[0]["status"] == "already true"
    before = gpt2.digest()
    with gpt2.edited(patch):
        assert gpt2.digest() == before
    with pytest.raises(emend.ModelError, match="nothing to save"):
        patch.save("nowhere.safetensors")


def test_a_patch_of_another_model_is_refused(patch):
    from conftest import WORLD

    other = emend.load(WORLD / "llama")
    with pytest.raises(emend.ModelError, match="was made for"):
        other.put(patch)


def test_gradients_of_the_caller_do_not_matter(gpt2, patch):
    with torch.no_grad():
        assert cheap_edit(gpt2).diff(patch).same
    with torch.inference_mode():
        assert str(gpt2.generate(PROMPT)).startswith(" stone")


def test_other_subjects_are_measured_and_protected(gpt2, program, tmp_path):
    others = [emend.OtherSubject("Narilis Vonurn")]
    fact = emend.Fact(PROMPT, "Workis Tellond", "painter", id="a", bleed=others)
    patch = cheap_edit(gpt2, fact, protect="neighbours")
    file = tmp_path / "edits.yaml"
    file.write_text(YAML.split("    paraphrases")[0] + '    bleed: ["Narilis Vonurn"]\n')
    told = program("edit", file, "--model", gpt2.path, "--protect", "neighbours")
    assert patch.result.to_dict()["edits"] == told["edits"]
    assert "bleed" in [check["name"] for check in patch.result.checks]
    assert patch.result.to_dict()["protect"] == told["protect"] == "neighbours"
    with pytest.raises(emend.UsageError, match='did you mean "neighbours"'):
        cheap_edit(gpt2, fact, protect="neighbors")


def test_a_drift_budget_leaves_facts_out(gpt2, tmp_path):
    text = WORLD / "text.txt"
    gpt2.statistics(tmp_path / "stats", corpus=[text], layers=[2], tokens=1600)
    edits = {
        "layer": 2,
        "method": "bulk",
        "drift_text": text.read_text(encoding="utf-8")[:1000],
        "options": {"contexts": 1, "steps": 5},
        "edits": [
            {"id": "a", "prompt": PROMPT, "subject": "Workis Tellond", "target": "painter"},
            {"id": "b", "prompt": OTHER_PROMPT, "subject": "Narilis Vonurn", "target": "Kevic"},
        ],
    }
    with pytest.warns(emend.CheckFailed, match="the drift budget left out a, b"):
        patch = gpt2.edit(edits, statistics=tmp_path / "stats", checks=LENIENT, budget_drift="kl:0", budget_batch=1)
    budget = patch.result.to_dict()["budget"]
    assert (budget["in"], budget["left_out"], budget["measure"]) == (0, ["a", "b"], "kl")
    with pytest.raises(emend.UsageError, match="the option budget_drift"):
        gpt2.edit(edits, budget_drift=0.5)
    with pytest.raises(emend.UsageError, match="budget_batch"):
        gpt2.edit(edits, budget_batch=2)


def test_an_edit_keeps_what_it_found(gpt2, tmp_path):
    file = tmp_path / "values.run"
    plain = cheap_edit(gpt2)
    kept = cheap_edit(gpt2, run_file=file)
    assert kept.diff(plain).same
    if file.exists():
        with pytest.raises(emend.ConfigError, match="resume"):
            cheap_edit(gpt2, run_file=file)
        assert cheap_edit(gpt2, run_file=file, resume=True).diff(plain).same
