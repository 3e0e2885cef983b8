"""Feed-forward layers as memories: the same options and documents as the program's."""

import inspect
import json

import emend
import pytest
from conftest import PROMPT, WORLD, cheap_edit, without
from emend import _core, memories

TEXT = WORLD / "text.txt"
SUBJECT = "Workis Tellond"
OTHER_NAMES = {"with": "results", "model": "model_name"}  # words of Python, and names of the package
RUN = ("seconds", "peak_memory_bytes", "outputs", "index")


@pytest.fixture(scope="module")
def index(gpt2, tmp_path_factory):
    folder = tmp_path_factory.mktemp("memories") / "index"
    memories.scan(gpt2, folder, corpus=[TEXT], layers=[2], tokens=3000, top=5, random=2)
    memories.values(gpt2, index=folder, top=5)
    return folder


def test_every_option_of_every_analysis_can_be_given():
    told = json.loads(_core.memory_analyses())
    for name, analysis in told.items():
        function = getattr(memories, "import_labels" if name == "import" else name)
        parameters = inspect.signature(function).parameters
        wanted = [option["name"] for option in analysis["options"]]
        if name in ("export", "report"):
            wanted = [OTHER_NAMES.get(option, option) for option in wanted]
        models = {"needed": {"model"}, "possible": {"model"}, "none": set(), "two": {"first", "second"}}[analysis["model"]]
        extra = {"patches"} if name == "footprint" else set()
        assert set(parameters) - {"progress"} == set(wanted) | models | extra, name
        for option in analysis["options"]:
            parameter = parameters[OTHER_NAMES.get(option["name"], option["name"]) if name in ("export", "report") else option["name"]]
            if option.get("needed"):
                assert parameter.default is inspect.Parameter.empty, (name, option["name"])
            elif name != "scan":
                assert parameter.default is None, (name, option["name"])
    assert len(told) == len(memories.__all__) - 1  # and MemoryResult


def test_what_a_model_says_is_explained_as_the_program_does(gpt2, program):
    found = memories.explain(gpt2, PROMPT, cells=5, effects=True)
    told = program("memories", "explain", "--model", gpt2.path, "--prompt", PROMPT, "--cells", 5, "--effects")
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    assert len(found["cells"]) == 5 and found.keys == list(told)
    assert found["cells"][0]["cell"] in found.text
    assert "<html" in found.html and found["cells"][0]["cell"] in found.html


def test_a_timeline_is_that_of_the_program(gpt2, program):
    found = memories.timeline(gpt2, PROMPT, SUBJECT, samples=2, seed=3)
    options = ["--prompt", PROMPT, "--subject", SUBJECT, "--samples", 2, "--seed", 3]
    assert without(found.to_dict(), *RUN) == without(program("memories", "timeline", "--model", gpt2.path, *options), *RUN)
    assert len(found["layers"]) == gpt2.layers


def test_an_index_is_read_as_the_program_does(gpt2, index, program):
    found = memories.search(["painter"], index, limit=3)
    assert without(found.to_dict(), *RUN) == without(program("memories", "search", "painter", "--index", index, "--limit", 3), *RUN)
    cell = found["cells"][0]["cell"]
    assert cell.startswith("L2D")
    one = memories.cell(cell, index, model=gpt2)
    assert without(one.to_dict(), *RUN) == without(program("memories", "cell", cell, "--index", index), *RUN)
    effects = memories.effects(gpt2, index, cells=2)
    told = program("memories", "effects", "--model", gpt2.path, "--index", index, "--cells", 2)
    assert without(effects.to_dict(), *RUN) == without(told, *RUN)


def test_topics_need_a_model(gpt2, index):
    with pytest.raises(emend.UsageError, match="topics"):
        memories.patterns(index, topics=True, cells=2)
    found = memories.patterns(index, model=gpt2, topics=True, cells=2, top=3)
    assert found["layers"][0]["layer"] == 2


def test_cells_that_are_active_together(gpt2, program):
    found = memories.coactive(gpt2, [TEXT], layers=[2], tokens=1000, pairs=3)
    told = program(
        "memories", "coactive", "--model", gpt2.path, "--corpus", TEXT, "--layers", 2, "--tokens", 1000, "--pairs", 3
    )
    assert without(found.to_dict(), *RUN) == without(told, *RUN)
    assert len(found["pairs"]) == 3


def test_a_footprint_is_that_of_the_patch(gpt2, patch):
    with gpt2.edited(patch):  # it is off meanwhile
        found = memories.footprint(gpt2, [patch], cells=3)
    assert found["patches"] == [patch.name]
    assert [layer["layer"] for layer in found["layers"]] == [2]
    with pytest.raises(emend.UsageError, match="patches"):
        memories.footprint(gpt2, [])


def test_a_setting_becomes_a_patch(gpt2):
    cell = memories.explain(gpt2, PROMPT, cells=1)["cells"][0]["cell"]
    changed = memories.set(gpt2, PROMPT, [f"{cell}=off"], max_new=3)
    patch = memories.bake(gpt2, [f"{cell}=off"], PROMPT)
    with gpt2.edited(patch, force=True):
        assert str(gpt2.generate(PROMPT, max_new=3)) == changed["changed"]["completion"]


def test_two_models_are_compared(gpt2):
    same = memories.compare(gpt2, gpt2, layers=[2], cells=1)
    assert same["layers"][0]["identical"] == same["layers"][0]["cells"]
    other = emend.load(WORLD / "gpt2")
    assert without(memories.compare(gpt2, other, layers=[2], cells=1).to_dict(), *RUN) == without(same.to_dict(), *RUN)
    with pytest.raises(emend.Error, match="cannot be compared cell by cell"):
        memories.compare(gpt2, emend.load(WORLD / "llama"))


def test_bad_options_are_refused_by_name(gpt2, tmp_path):
    with pytest.raises(emend.UsageError, match="cells"):
        memories.explain(gpt2, PROMPT, cells=0)
    with pytest.raises(emend.UsageError, match="lens"):
        memories.values(gpt2, lens="line")
    with pytest.raises(emend.UsageError, match="corpus"):
        memories.scan(gpt2, tmp_path / "index")
    with pytest.raises(emend.IoError, match="nowhere: there is no such folder; an index"):
        memories.search(["a"], tmp_path / "nowhere")
    with pytest.raises(emend.UsageError, match="number of models"):
        _core.memories("explain", "{}", None, None, [], None)
    with pytest.raises(emend.UsageError, match='did you mean "explain"'):
        _core.memories("explian", "{}", None, None, [], None)


def test_an_interrupted_analysis_leaves_the_model_free(gpt2):
    def stop(*_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        memories.compare(gpt2, emend.load(WORLD / "gpt2"), progress=stop)
    assert memories.explain(gpt2, PROMPT, cells=1)["cells"]


def test_the_main_table(gpt2):
    pytest.importorskip("pandas")
    found = memories.explain(gpt2, PROMPT, cells=4)
    assert len(found.to_frame()) == 4
    assert len(found.to_frame("layers")) == gpt2.layers
