"""What every part of a model stands on: its sizes, its names and its weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple, Union

import torch

from . import _core
from ._keywords import with_keywords
from .patch import Patch
from .results import ModelSummary

Prompt = Union[str, Sequence[int]]
"""Text, or token ids as they are (then BOS and form play no part)."""

Layers = Union[None, str, int, Sequence[int]]
"""None: what the edits say; "auto": a kept decision, else a trial; "depth": the rule by depth alone; a number, or several for a
method that writes several layers."""


def layer_options(layer: Layers) -> Dict[str, Any]:
    """What the options of the core call ``layers`` and ``layer_rule``."""
    if layer is None or isinstance(layer, str):
        if layer not in (None, "auto", "depth"):
            raise TypeError(f'layer must be a number, several numbers, "auto" or "depth", found {layer!r}')
        return {"layers": [], "layer_rule": layer}
    return {"layers": [layer] if isinstance(layer, int) else list(layer), "layer_rule": None}


def heard(warned: Tuple[_core.Report, Sequence[str]], stacklevel: int = 3) -> _core.Report:
    """The report of a call, whose warnings are told to the caller of the caller."""
    report, remarks = warned
    for remark in remarks:
        warnings.warn(with_keywords(remark), UserWarning, stacklevel=stacklevel)
    return report


class ModelBase:
    """A model that is in memory, and what it is."""

    def __init__(self, core: _core.Model) -> None:
        self._core = core
        self._info: Dict[str, Any] = core.info
        self._numbers: Dict[Patch, int] = {}  # of the patches that are on it

    @property
    def path(self) -> Path:
        """The file or folder that it was loaded from."""
        return Path(self._info["path"])

    @property
    def family(self) -> str:
        """"llama", "gpt2", ..."""
        return str(self._info["family"])

    @property
    def layers(self) -> int:
        """Number of blocks; layers count from 0."""
        return int(self._info["layers"])

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self._info["d_model"])

    @property
    def d_ff(self) -> int:
        """Width of the feed-forward layers: the length of a key."""
        return int(self._info["d_ff"])

    @property
    def vocab(self) -> int:
        """Rows of the embedding table."""
        return int(self._info["vocab"])

    @property
    def fingerprint(self) -> str:
        """Of all weights and the tokenizer as they were loaded, 64 hexadecimal digits. Patches carry it."""
        return str(self._info["fingerprint"])

    @property
    def device(self) -> str:
        """"cpu", "cuda:0", or several joined by commas."""
        return str(self._info["device"])

    @property
    def dtype(self) -> str:
        """Of weights and activations: "float32", "bfloat16" or "float16"."""
        return str(self._info["dtype"])

    def summary(self) -> ModelSummary:
        """Parameters by part and the tokenizer, as ``emend model info`` tells them."""
        return ModelSummary._of(self._core.summary())

    def digest(self) -> str:
        """XXH3-128 of all weights as they are in memory now, with what lies on them."""
        return self._core.digest()

    def down_projection(self, layer: int) -> torch.Tensor:
        """The value projection of a layer that edits write, [d_model, d_ff], as it is now. The memory is the model's own:
        do not write to it."""
        return self._core.down_projection(layer)

    def __repr__(self) -> str:
        return f"<Model {self.path.name}: {self.family}, {self.layers} layers, d_model {self.d_model}, {self.dtype}>"

    def _ids(self, prompt: Prompt, bos: str, form: str) -> List[int]:
        if isinstance(prompt, str):
            return self._core.encode(prompt, {"bos": bos, "form": form})
        return [int(token) for token in prompt]
