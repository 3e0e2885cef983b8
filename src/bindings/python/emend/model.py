"""Models: loading them, and all that can be asked of them."""

from __future__ import annotations

import os

from . import _core
from ._asking import Asking
from ._editing import Editing
from ._measuring import Measuring
from ._patching import Patching
from ._progress import Progress, Watcher
from ._studying import Studying
from .facts import PathLike


class Model(Asking, Editing, Patching, Studying, Measuring):
    """A language model with what lies on it.

    Made by :func:`load` or :func:`wrap`. Threads may share a model: one call at a time uses it, the others wait, with the GIL
    released. Runs (``edit``, ``verify``, ``locate``, ``statistics``, ``evaluate``, ``abilities``, ``apply`` and others) are on the model as it was
    loaded: patches that are on it are off meanwhile. ``generate``, ``next_tokens``, ``logits`` and ``hidden`` see the patches.
    """


def load(
    path: PathLike,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int = 0,
    weight_bytes: int = 0,
    progress: Progress = None,
) -> Model:
    """Loads a model: a folder with safetensors, a .safetensors file beside its config.json, or a .gguf file.

    ``device``: "cpu", "cuda", "cuda:0,cuda:1". ``dtype``: "float32", "bfloat16", on CUDA also "float16". ``threads``: of torch,
    for the whole process; 0: as torch has them. ``weight_bytes``: how much of the weights is held in memory at once; 0: all.
    Raises IoError, FormatError (a broken file), ModelError (an unknown architecture, missing tensors).
    """
    options = {"device": device, "dtype": dtype, "threads": threads, "weight_bytes": weight_bytes}
    with Watcher(progress) as watcher:
        return Model(_core.load(os.fspath(path), options, watcher))
