"""What the scripts share that compare emend with packages of other people: are they installed, and in the version that was checked?"""

import importlib.metadata
import importlib.util
import sys

SKIPPED = 77  # the exit code by which ctest knows a test that could not be run


def require(*names):
    """Ends the script with SKIPPED, naming what is missing, where one of these packages cannot be imported."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: this needs {', '.join(missing)}, which {sys.executable} does not have", file=sys.stderr)
        sys.exit(SKIPPED)


def warn_of_another_version(name, checked):
    """Says on stderr that a package has another version than the one with which the script was checked."""
    found = importlib.metadata.version(name)
    if found != checked:
        print(f"{name} {found} is installed; this was checked with {checked}, and figures or imports may differ", file=sys.stderr)
