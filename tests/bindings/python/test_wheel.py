"""What a wheel says of the torch that it was built for, and the command that it brings."""

import importlib.util
import shutil
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from emend import _build

SOURCES = ROOT / "src" / "bindings" / "python"


@pytest.fixture
def installed_torch():
    spec = importlib.util.spec_from_file_location("installed_torch", SOURCES / "wheel" / "installed_torch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_wheel_depends_on_the_torch_that_is_installed(installed_torch):
    wanted = torch.__version__.split("+")[0]
    assert installed_torch.Dependencies.dynamic_metadata({}, {}) == {"dependencies": [f"torch=={wanted}"]}
    assert _build.TORCH_VERSION == wanted


def test_another_torch_can_be_named(installed_torch, tmp_path, monkeypatch):
    (tmp_path / "version.py").write_text("__version__ = '2.12.1+cu126'\ndebug = False\n")
    monkeypatch.setenv("EMEND_LIBTORCH", str(tmp_path))
    assert installed_torch.find() == tmp_path
    assert installed_torch.version(tmp_path) == "2.12.1"
    with pytest.raises(SystemExit, match="is no torch package"):
        installed_torch.version(tmp_path / "nowhere")


@pytest.fixture
def site_packages(tmp_path):
    """A package that must not be imported, and the command beside it, as a wheel installs them."""
    (tmp_path / "emend" / "bin").mkdir(parents=True)
    (tmp_path / "emend" / "__init__.py").write_text("raise ImportError('the command imports nothing')")
    shutil.copy(SOURCES / "emend_program.py", tmp_path)
    return tmp_path


def call(site_packages, *arguments):
    command = [sys.executable, site_packages / "emend_program.py", *arguments]
    return subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, check=False)


def test_the_command_says_when_its_program_is_missing(site_packages):
    done = call(site_packages, "--version")
    assert done.returncode == 1 and "emend/bin/emend is missing" in done.stderr


def test_the_command_is_the_program(site_packages):
    program = site_packages / "emend" / "bin" / "emend"
    program.write_text('#!/bin/sh\necho "$@"; echo "$LD_LIBRARY_PATH"; exit 4\n')
    program.chmod(0o755)
    done = call(site_packages, "edit", "a b.yaml")
    arguments, libraries = done.stdout.splitlines()
    assert (done.returncode, arguments) == (4, "edit a b.yaml")
    assert libraries.split(":")[0] == str(site_packages / "emend" / "lib")  # of libraries that need others of the wheel
    assert libraries.endswith("torch/lib")


def test_the_command_refuses_another_torch_with_both_versions(site_packages):
    program = site_packages / "emend" / "bin" / "emend"
    program.write_text("#!/bin/sh\necho started\n")
    program.chmod(0o755)
    found = torch.__version__.split("+")[0]
    for version, code in ((found, 0), ("1.0.2", 1)):
        (site_packages / "emend" / "_build.py").write_text(f'TORCH_VERSION = "{version}"\n')
        done = call(site_packages, "--version")
        assert done.returncode == code
    assert done.stdout == "" and f"built for torch 1.0.2, found torch {found}: install it" in done.stderr
