"""The torch of the environment that emend is built for: where it lies, and what a wheel says of it.

pip builds in an environment of its own, where the packages of the one that it installs into cannot be imported. The folder of
that one is known all the same, so that `pip install .` takes the torch that is there and downloads no second one.

As a program it prints the folder of the torch package, for CMake; pyproject.toml names it as the provider of dependencies.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import sysconfig
from pathlib import Path


def find() -> Path:
    """The folder of the torch package: EMEND_LIBTORCH, what can be imported, or what lies in this Python's site-packages."""
    given = os.environ.get("EMEND_LIBTORCH")
    if given:
        return Path(given)
    spec = importlib.util.find_spec("torch")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    for name in ("purelib", "platlib"):
        folder = Path(sysconfig.get_path(name)) / "torch"
        if (folder / "version.py").exists():
            return folder
    sys.exit(
        f"emend is built for the torch that is installed, and {sys.prefix} has none: pip install torch first, then "
        "pip install emend --no-build-isolation where the build has an environment of its own"
    )


def version(folder: Path) -> str:
    """"2.13.0", without what stands behind the plus sign."""
    if not (folder / "version.py").exists():
        sys.exit(f"{folder} is no torch package, which a wheel needs: version.py is missing")
    text = (folder / "version.py").read_text(encoding="utf-8")
    found = re.search(r"__version__ = '([^'+]+)", text)
    if found is None:
        sys.exit(f"{folder}/version.py does not say which torch this is")
    return found.group(1)


class Dependencies:
    """What the wheel depends on: exactly the torch that it was built for, since no other fits its binary interface."""

    @staticmethod
    def dynamic_metadata(_settings: object, _project: object) -> dict[str, list[str]]:
        return {"dependencies": [f"torch=={version(find())}"]}


if __name__ == "__main__":
    print(find())
