"""The command `emend` of the wheel: starts the program that lies in the package.

It does not import the package, and so not torch either: the program is up as fast as when it is called by its path.
"""

import importlib.util
import os
import sys
from pathlib import Path


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"emend: the Python package {package} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def main() -> None:
    """Replaces this process by the program, which takes the arguments."""
    program = _folder("emend") / "bin" / "emend"
    if not program.exists():
        sys.exit(f"emend: {program} is missing; a wheel has it (scripts/wheel.sh)")
    libraries = [str(_folder("torch") / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(path for path in libraries if path)
    os.execv(program, ["emend", *sys.argv[1:]])


if __name__ == "__main__":
    main()
