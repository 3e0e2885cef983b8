"""What an edit does to a model besides its facts, beside what the program tells of it."""

import json

import emend
import pytest
from conftest import CHEAP, LENIENT, OTHER_FACT, PROMPT, ROOT, WORLD, cheap_edit, without

DATA = ROOT / "tests" / "data"
RUN = ("seconds", "peak_memory_bytes", "outputs")


@pytest.fixture
def saved(patch, tmp_path):
    """The patch as a file, so that the program can read it; its name is the file's then."""
    return emend.load_patch(patch.save(tmp_path / "a.safetensors"))


def test_abilities_are_those_of_the_program(gpt2, saved, program, tmp_path):
    data = [DATA / "abilities" / name for name in ("arc.jsonl", "piqa.jsonl")]
    before = gpt2.digest()
    found = gpt2.abilities(data, [saved], out=tmp_path / "out")
    assert "<html" in found.html and ">piqa<" in found.html
    told = program("eval", "abilities", "--model", gpt2.path, "--data", *data, "--patch", saved.name)
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    assert [task["name"] for task in found.tasks] == ["arc", "piqa"] and found.patches == [saved.name]
    assert (tmp_path / "out" / "items.jsonl").exists() and gpt2.digest() == before
    assert "arc" in found.text
    alone = gpt2.abilities(data[:1])
    assert "after" not in alone.tasks[0]["metrics"]["acc"]
    with pytest.raises(emend.UsageError):
        gpt2.abilities([])
    with pytest.raises(emend.IoError, match="nowhere.jsonl"):
        gpt2.abilities([tmp_path / "nowhere.jsonl"])
    items = tmp_path / "items.jsonl"
    items.write_bytes(data[0].read_bytes())
    with pytest.raises(emend.IoError, match="belongs to the input"):
        gpt2.abilities([items], out=tmp_path)
    assert items.read_bytes() == data[0].read_bytes() and not (tmp_path / "abilities.json").exists()


def test_a_patch_that_failed_is_told_of(gpt2):
    edits = {
        "edits": [{"prompt": PROMPT, "subject": "Workis Tellond", "target": "painter"}],
        "layer": 2,
        "drift_text": "Workis Tellond was trained as a stone cutter.",
    }
    with pytest.warns(emend.CheckFailed, match="drift"):
        failed = gpt2.edit(edits, options=CHEAP, checks={**LENIENT, "drift": 1.0})
    assert not failed.passed
    with pytest.warns(UserWarning, match="marked as failed"):
        gpt2.abilities([DATA / "abilities" / "arc.jsonl"], [failed])


def test_survival_is_that_of_the_program(gpt2, saved, program, tmp_path):
    later = emend.load_patch(cheap_edit(gpt2, OTHER_FACT).save(tmp_path / "later.safetensors"))
    saved.export_lora(tmp_path / "lora", model=gpt2)
    before = gpt2.digest()
    found = gpt2.survive([saved], types=["F16", "q4_0"], later=[later], adapters=[tmp_path / "lora"])
    told = program("eval", "survive", "--model", gpt2.path, "--patch", saved.name, "--types", "F16", "q4_0", "--later",
                   later.name, "--adapter", tmp_path / "lora", codes=(0, 4))
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    assert {row["weights"] for row in found.rows} >= {"as edited", "later edits", "adapter merged"}
    assert "<html" in found.html and gpt2.digest() == before
    with pytest.raises(emend.UsageError, match="Q9"):
        gpt2.survive([saved], types=["Q9"])
    with pytest.raises(emend.UsageError):
        gpt2.survive([saved])


def test_kl_is_that_of_the_program(gpt2, saved, program, tmp_path):
    text = DATA / "kl" / "text.txt"
    ours, theirs = tmp_path / "ours.kld", tmp_path / "theirs.kld"
    written = gpt2.write_kl_base(ours, text, context=16, chunks=6)
    options = ["--text", text, "--context", 16, "--chunks", 6]
    told = program("eval", "kl", "--model", gpt2.path, "--write-base", theirs, *options)
    assert written.perplexity == told["perplexity"] and written.base["positions"] == 42
    assert ours.read_bytes() == theirs.read_bytes()
    found = emend.kl(gpt2.path, ours, patches=[saved.name], quantised=gpt2.path, text=text)
    told = program("eval", "kl", "--model", gpt2.path, "--base", ours, "--text", text, "--patch", saved.name,
                   "--quantised", gpt2.path)
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    assert [row["name"] for row in found.models] == ["model", "edited", "quantised", "edited, quantised"]
    edited = gpt2.write_kl_base(tmp_path / "edited.kld", text, [saved], context=16, chunks=6)
    assert edited.perplexity != written.perplexity
    own = tmp_path / "own.txt"
    own.write_bytes(text.read_bytes())
    with pytest.raises(emend.IoError, match="belongs to the input"):
        gpt2.write_kl_base(own, own, context=16)
    assert own.read_bytes() == text.read_bytes()


def test_kl_of_answers_is_that_of_the_program(gpt2, saved, program, tmp_path):
    questions = tmp_path / "questions.txt"
    questions.write_text(f"{PROMPT}\n\nThe firm of Grilmigco Works\n")
    found = gpt2.answer_kl(questions, [saved], tokens=3, form="raw")
    told = program("eval", "kl", "--model", gpt2.path, "--patch", saved.name, "--questions", questions,
                   "--answer-tokens", 3, "--form", "raw")
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    given = gpt2.answer_kl([PROMPT, "The firm of Grilmigco Works"], [saved], tokens=3, form="raw")
    assert given.by_token == found.by_token
    assert found.questions[0]["tokens"][0]["kl"] > found.questions[1]["tokens"][0]["kl"]
    with pytest.raises(emend.ModelError, match="chat template"):
        gpt2.answer_kl(questions, [saved])


def test_two_benchmarks_compare_as_the_program_does(gpt2, program, tmp_path):
    for name, steps in (("few", 4), ("more", 12)):
        options = tmp_path / f"{name}.yaml"
        options.write_text(f"method: rome\nlayer: 2\nlabel: {name}\noptions: " + json.dumps({**CHEAP, "steps": steps}) + "\n")
        gpt2.evaluate("emend", WORLD / "edits.jsonl", tmp_path / name, method_files=[options], records=(0, 3),
                      generations=0, drift_tokens=0)
    found = emend.compare(tmp_path / "few", tmp_path / "more", draws=200)
    told = program("eval", "compare", tmp_path / "few", tmp_path / "more", "--draws", 200)
    assert found.to_dict() == told
    assert found.shared == 3 and found.metrics["efficacy_success"]["n"] == 3
    with pytest.raises(emend.IoError, match="nowhere"):
        emend.compare(tmp_path / "few", tmp_path / "nowhere")


def test_a_checkpoint_is_inspected_as_the_program_does(gpt2, program, tmp_path):
    patch = cheap_edit(gpt2, options={"contexts": 1, "steps": 12}, statistics=tmp_path / "stats")
    saved = emend.load_patch(patch.save(tmp_path / "a.safetensors"))
    patch.apply(tmp_path / "edited", check=False)
    (tmp_path / "names.txt").write_text("Workis Tellond\nNarilis Vonurn\n")
    edited = emend.load(tmp_path / "edited")
    given = {"base": gpt2.path, "subjects": tmp_path / "names.txt", "statistics": tmp_path / "stats"}
    found = edited.inspect(patches=[saved], **given)
    told = program("model", "inspect", tmp_path / "edited", "--base", gpt2.path, "--patches", saved.name, "--subjects",
                   tmp_path / "names.txt", "--statistics", tmp_path / "stats")
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    assert [entry["layer"] for entry in found.weights] == [2] and found.unexplained < 0.01
    assert [entry["edited"] for entry in found.subjects["scores"]] == [True, False]
    with pytest.raises(emend.UsageError, match="base is missing"):
        edited.inspect(subjects=tmp_path / "names.txt")
    with pytest.raises(emend.UsageError, match="without the option subjects"):
        edited.inspect(gpt2.path, false_alarms=0.1)
    with pytest.raises(emend.UsageError, match="leave one out"):
        edited.inspect(edited_score=0.4, false_alarms=0.1, **given)
    for name, value in (("edited_score", 1.5), ("false_alarms", 0.9)):
        with pytest.raises(emend.UsageError, match=f"the option {name} must be from"):
            edited.inspect(**{name: value}, **given)
    with pytest.warns(UserWarning, match="the option false_alarms changes nothing here"):
        edited.inspect(false_alarms=0.1, **given)
