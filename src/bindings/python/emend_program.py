"""The command `emend` of the wheel: starts the program that lies in the package.

It does not import the package, and so not torch either: the program is up as fast as when it is called by its path.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"emend: the Python package {package} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def _version(file: Path, name: str) -> str:
    """The version that a Python file gives a name, without running it and without what stands behind "+"; empty: none."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.search(rf"^{name} = ['\"]([^'\"+]+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def _require_torch(package: Path, torch: Path) -> None:
    built_for, found = _version(package / "_build.py", "TORCH_VERSION"), _version(torch / "version.py", "__version__")
    if built_for and found and built_for != found:
        sys.exit(
            f"emend: this emend was built for torch {built_for}, found torch {found}: install it "
            f'(pip install "torch=={built_for}"), or build emend again with the torch that is there'
        )


def main() -> None:
    """Replaces this process by the program, which takes the arguments."""
    package = _folder("emend")
    program = package / "bin" / "emend"
    if not program.exists():
        sys.exit(f"emend: {program} is missing; a wheel has it (scripts/wheel.sh)")
    torch = _folder("torch")
    _require_torch(package, torch)
    # The package's own too: libraries in it need others of it, and the program's search path is for its own needs alone.
    libraries = [str(package / "lib"), str(torch / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(path for path in libraries if path)
    os.execv(program, ["emend", *sys.argv[1:]])


if __name__ == "__main__":
    main()
