"""Patches: edits as values, in memory and on disk."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Protocol, Tuple

from . import _core
from ._progress import Progress, Watcher
from .errors import CheckFailed, UsageError
from .facts import PathLike
from .results import Adapter, Application, Composition, Difference, EditResult, PatchInfo, Verification

_CoreModel = _core.Model


class PatchedModel(Protocol):
    """What a patch asks of the model that it is of; :class:`Model` has it all."""

    _core: _CoreModel

    def verify(
        self, patches: Iterable["Patch"], *, token_budget: Optional[int] = None, progress: Progress = None
    ) -> Verification: ...

    def apply(
        self,
        patches: Iterable["Patch"],
        out: Optional[PathLike] = None,
        *,
        in_place: bool = False,
        undo: Optional[PathLike] = None,
        type: Optional[str] = None,
        statistics: Optional[PathLike] = None,
        imatrix: Optional[PathLike] = None,
        force: bool = False,
        check: bool = True,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Application: ...

    def export_lora(
        self,
        patches: Iterable["Patch"],
        out: PathLike,
        *,
        gguf: bool = False,
        base_name: Optional[str] = None,
        force: bool = False,
    ) -> Adapter: ...


def warn_of_failed_checks(what: str, checks: Iterable[Dict[str, Any]], stacklevel: int = 3) -> None:
    """Warns with the names of the checks that were measured and do not hold."""
    failed = [str(check["name"]) for check in checks if check["status"] == "failed"]
    if failed:
        warnings.warn(f"{what}: a check failed: {', '.join(failed)}", CheckFailed, stacklevel=stacklevel + 1)


class Patch:
    """An edit: low-rank changes of feed-forward matrices, what they were made for, and how they measured.

    Made by :meth:`Model.edit`, or read by :func:`load_patch`. A patch does not change; ``with model.edited(patch)`` lays it on
    a model for a while, :meth:`apply` writes it into a checkpoint, :meth:`export_lora` makes an adapter of it.
    """

    def __init__(
        self, core: _core.Patch, name: str, model: Optional[PatchedModel] = None, result: Optional[EditResult] = None
    ) -> None:
        self._core = core
        self._model = model
        self._file = ""  # where it lies, of one that was read
        self.name = name
        """What messages call it: its path, or "patch"."""
        self.result = result
        """How the edit went, of a patch that :meth:`Model.edit` made; else None."""

    @property
    def passed(self) -> bool:
        """Whether all checks held when the patch was made."""
        return self._core.passed

    @property
    def base_fingerprint(self) -> str:
        """Of the model that it was made for, 64 hexadecimal digits; no other model takes it."""
        return self._core.base_fingerprint

    @property
    def layers(self) -> List[int]:
        """The layers whose down projection it changes. Empty: every target was the answer already."""
        return self._core.blocks

    @property
    def info(self) -> PatchInfo:
        """Facts, checks, and what the patch was made with, as ``emend patch list`` tells it."""
        return PatchInfo._of(self._core.report(self._file))

    def save(self, path: PathLike) -> Path:
        """Writes the patch as one safetensors file (docs/formats.md), whole or not at all; returns the path."""
        self._core.save(path)
        return Path(path)

    def _model_for(self, model: Optional[PatchedModel]) -> PatchedModel:
        chosen = model or self._model
        if chosen is None:
            raise UsageError("a patch that was read from a file does not know its model: give model=")
        return chosen

    def verify(
        self, model: Optional[PatchedModel] = None, *, token_budget: Optional[int] = None, progress: Progress = None
    ) -> Verification:
        """Measures every fact and check again on the model, and compares with what the patch stored.

        ``model``: the one that made the patch, if none is given. Other patches on it are off meanwhile. Warns with
        :class:`CheckFailed` if a check fails. Raises ModelError for a patch of another base.
        """
        return self._model_for(model).verify([self], token_budget=token_budget, progress=progress)

    def apply(
        self,
        out: Optional[PathLike] = None,
        *,
        in_place: bool = False,
        undo: Optional[PathLike] = None,
        type: Optional[str] = None,
        statistics: Optional[PathLike] = None,
        imatrix: Optional[PathLike] = None,
        force: bool = False,
        check: bool = True,
        model: Optional[PatchedModel] = None,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Application:
        """Writes a checkpoint with the patch in its weights: ``out`` a new one, ``in_place`` the base itself.

        As ``emend patch apply``: what was written is loaded and checked again unless ``check`` is false. ``type``: how the
        changed weights are stored ("F16", "Q8_0", "own"); ``statistics`` and ``imatrix`` weigh the rounding to a quantised
        type. A write in place leaves an undo file (``emend patch revert``).
        """
        return self._model_for(model).apply(
            [self],
            out,
            in_place=in_place,
            undo=undo,
            type=type,
            statistics=statistics,
            imatrix=imatrix,
            force=force,
            check=check,
            token_budget=token_budget,
            progress=progress,
        )

    def export_lora(
        self,
        out: PathLike,
        *,
        gguf: bool = False,
        base_name: Optional[str] = None,
        force: bool = False,
        model: Optional[PatchedModel] = None,
    ) -> Adapter:
        """Writes the patch as an adapter: a folder for PEFT, or with ``gguf`` a file for llama.cpp.

        ``base_name``: what adapter_config.json names as its base; None: the model's folder.
        """
        return self._model_for(model).export_lora([self], out, gguf=gguf, base_name=base_name, force=force)

    def drop(
        self,
        id: str,
        *,
        statistics: Optional[PathLike] = None,
        model: Optional[PatchedModel] = None,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Tuple["Patch", Composition]:
        """The patch without one of its facts, and how that measures."""
        chosen = self._model_for(model)
        options = {"statistics": statistics, "token_budget": token_budget}
        with Watcher(progress) as watcher:
            core, report = chosen._core.drop(self.name, self._core, id, options, watcher)
        composition = Composition._of(report)
        warn_of_failed_checks(f"{self.name} without {id}", composition.checks)
        return Patch(core, "patch", chosen), composition

    def diff(self, other: "Patch") -> Difference:
        """How this patch and another one differ: facts, layers, settings."""
        return Difference._of(_core.diff_patches(self._core, other._core))

    def __repr__(self) -> str:
        return f"<Patch {self.name}: {self._core.report(self._file).brief}>"

    def _repr_html_(self) -> Optional[str]:
        return (self.result or self.info)._repr_html_()


def named(patches: Iterable[Patch]) -> List[Tuple[str, _core.Patch]]:
    """Patches as the extension takes them, each with the name that messages give it."""
    return [(patch.name, patch._core) for patch in patches]


def load_patch(path: PathLike) -> Patch:
    """Reads a patch file. Raises FormatError for a broken one, IoError if it cannot be read."""
    patch = Patch(_core.load_patch(path), os.fspath(path))
    patch._file = os.fspath(path)
    return patch
