"""The package beside another torch than its own, beside none, and without numpy: in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import emend
import pytest
import torch
from conftest import PROMPT, WORLD
from emend import _build, _guard

# Not resolved: in a build the Python files are links into the source tree, where _core and _build are not.
PACKAGES = Path(emend.__file__).absolute().parents[1]
OTHERS = Path(torch.__file__).absolute().parents[1]


def run(code, *folders):
    """The code as a program that looks for packages in these folders first, and in its own environment last."""
    path = os.pathsep.join(map(str, folders))
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), f"ended by a signal or not by Python: {done.returncode}\n{done.stderr}"
    return done


def fake_torch(folder, version, abi=True, cuda=None):
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text(
        f"""__version__ = {version!r}
def compiled_with_cxx11_abi():
    return {abi}
class version:
    cuda = {cuda!r}
"""
    )
    return folder


@pytest.mark.parametrize("version", ["1.13.1", "2.10.1+cu126", _build.TORCH_VERSION + "1", "99.0.0a0+git1234", "2.1"])
def test_another_torch_is_refused_with_both_versions(tmp_path, version):
    done = run("import emend", fake_torch(tmp_path, version), PACKAGES)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: this emend was built for torch {_build.TORCH_VERSION}, found torch {version}: ")
    assert f'pip install "torch=={_build.TORCH_VERSION}"' in last
    assert "_core" not in done.stderr, "the extension is not loaded before"


def test_a_torch_without_the_abi_is_refused(tmp_path):
    done = run("import emend", fake_torch(tmp_path, _build.TORCH_VERSION + "+cpu", abi=False), PACKAGES)
    assert f"needs a torch with the C++11 ABI, found torch {_build.TORCH_VERSION}+cpu without it" in done.stderr


def test_a_torch_without_cuda_is_refused_by_a_build_that_needs_it(tmp_path):
    class Without:
        __version__ = "2.13.0+cpu"
        compiled_with_cxx11_abi = staticmethod(lambda: True)

        class version:
            cuda = None

    with pytest.raises(ImportError, match="for torch 2.13.0 with CUDA, found torch 2.13.0.cpu without"):
        _guard.require_torch(Without, "2.13.0", True)
    _guard.require_torch(Without, "2.13.0", False)
    Without.version.cuda = "13.0"
    _guard.require_torch(Without, "2.13.0", True)


def test_without_a_torch_python_says_which_package_is_missing(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    done = run("import emend", tmp_path, PACKAGES)
    assert done.stderr.strip().splitlines()[-1] == "ModuleNotFoundError: No module named 'torch'"


GENERATE = f"""
import warnings
warnings.simplefilter("ignore")
import emend
print(emend.load({str(WORLD / "gpt2")!r}).generate({PROMPT!r}, max_new=3))
"""


def test_numpy_is_not_needed(tmp_path):
    (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError(\"No module named 'numpy'\", name='numpy')\n")
    without, plain = run(GENERATE, tmp_path, PACKAGES, OTHERS), run(GENERATE, PACKAGES, OTHERS)
    assert (without.returncode, plain.returncode) == (0, 0), without.stderr + plain.stderr
    assert without.stdout == plain.stdout != ""
