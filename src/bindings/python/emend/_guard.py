"""Whether the torch that is there is the one that the extension was built for.

libtorch promises no binary interface from one version to the next, so that another one would crash somewhere, and late.
"""

from __future__ import annotations

from typing import Any


def require_torch(torch: Any, built_for: str, built_with_cuda: bool) -> None:
    """Raises ImportError unless ``torch`` is of the version ``built_for`` ("2.13.0").

    What stands behind "+" ("cpu", "cu130") may differ, but an extension that was linked with CUDA's libraries needs them.
    """
    found = str(torch.__version__)
    advice = f'install it (pip install "torch=={built_for}"), or build emend again with the torch that is there'
    if found.split("+")[0] != built_for:
        raise ImportError(f"this emend was built for torch {built_for}, found torch {found}: {advice}")
    if not torch.compiled_with_cxx11_abi():
        raise ImportError(f"this emend needs a torch with the C++11 ABI, found torch {found} without it: {advice}")
    if built_with_cuda and torch.version.cuda is None:
        raise ImportError(f"this emend was built for torch {built_for} with CUDA, found torch {found} without: {advice}")
