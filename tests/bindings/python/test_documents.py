"""The tutorial, the notebook and the types."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.fixture
def source_tree(tmp_path, monkeypatch):
    """A folder that looks like the project's, and in which results may be written."""
    (tmp_path / "tests" / "data").mkdir(parents=True)
    for data in ("world", "abilities", "kl"):
        shutil.copytree(ROOT / "tests" / "data" / data, tmp_path / "tests" / "data" / data)
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "eiffel.yaml", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tutorial_runs(source_tree):
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    names = {"__name__": "tutorial"}
    for block in blocks:
        if "transformers" in block:
            pytest.importorskip("transformers")
        exec(compile(block, "docs/python.md", "exec"), names)


def test_the_notebook_runs(source_tree):
    notebook = json.loads((ROOT / "examples" / "python_tour.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 4
    names = {"__name__": "notebook"}
    for cell in cells:
        *lines, last = cell.rstrip().split("\n")
        exec(compile("\n".join(lines), "python_tour.ipynb", "exec"), names)
        try:
            shown = eval(compile(last, "python_tour.ipynb", "eval"), names)
        except SyntaxError:
            exec(compile(last, "python_tour.ipynb", "exec"), names)
            continue
        if hasattr(shown, "_repr_html_"):
            assert "<" in shown._repr_html_()


def test_types_are_sound():
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", f"--cache-dir={ROOT / 'build' / 'mypy'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stub_names_what_the_extension_has():
    from emend import _core

    stub = (ROOT / "src" / "bindings" / "python" / "emend" / "_core.pyi").read_text(encoding="utf-8")
    told = set(re.findall(r"def (\w+)", stub))
    classes = [getattr(_core, name) for name in ("Model", "Patch", "Report")]
    there = {name for each in (_core, *classes) for name in vars(each) if not name.startswith("_")}
    assert there - {"Model", "Patch", "Report"} == told
