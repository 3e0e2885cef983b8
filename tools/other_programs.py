"""What the scripts share that compare emend with packages of other people: are they installed, and in the version that was checked?"""

import atexit
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile

SKIPPED = 77  # the exit code by which ctest knows a test that could not be run


def require(*names):
    """Ends the script with SKIPPED, naming what is missing, where one of these packages cannot be imported."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: this needs {', '.join(missing)}, which {sys.executable} does not have", file=sys.stderr)
        sys.exit(SKIPPED)


def stay_offline():
    """Before the first import of such a package: nothing is downloaded, and what it caches lies in a folder that goes with the script."""
    folder = tempfile.mkdtemp(prefix="emend-caches-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": folder, "XDG_CACHE_HOME": folder}


def warn_of_another_version(name, checked):
    """Says on stderr that a package has another version than the one with which the script was checked."""
    found = importlib.metadata.version(name)
    if found != checked:
        print(f"{name} {found} is installed; this was checked with {checked}, and figures or imports may differ", file=sys.stderr)
