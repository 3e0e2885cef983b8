"""Patches on a model: laid on it, verified, merged, written into checkpoints and adapters."""

from __future__ import annotations

import contextlib
import warnings
from typing import Iterable, Iterator, List, Optional, Tuple, TypeVar

from ._model_base import ModelBase
from ._progress import Progress, Watcher
from .errors import CheckFailed, ModelError
from .facts import PathLike
from .patch import Patch, named, warn_of_failed_checks
from .results import Adapter, Application, Composition, Verification

Laid = TypeVar("Laid", bound="Patching")


class Patching(ModelBase):
    """The calls that use patches."""

    def put(self, patch: Patch, *, force: bool = False) -> None:
        """Lays a patch over what is on the model, until :meth:`remove` takes it off; other threads see it, too.

        Raises ModelError for a patch of another base and for one that is on the model already; and unless ``force``, which
        makes it a warning, for one that is marked as failed or writes a key that another patch on the model writes, too.
        """
        if patch in self._numbers:
            raise ModelError(f"{patch.name}: it is on the model already")
        self._numbers[patch], let_pass = self._core.lay(patch._core, patch.name, force)
        for warning in let_pass:
            warnings.warn(warning, UserWarning, stacklevel=2)
        self._changed([patch])

    def remove(self, patch: Patch) -> None:
        """Takes a patch off; the weights are then byte for byte those without it. Raises ModelError if it is not there."""
        if patch not in self._numbers:
            raise ModelError(f"{patch.name}: it is not on the model")
        self._core.take_off(self._numbers.pop(patch))
        self._changed([patch])

    @contextlib.contextmanager
    def edited(self: Laid, *patches: Patch, force: bool = False) -> Iterator[Laid]:
        """Lays patches on the model for the time of a ``with`` block, in their order, and raises as :meth:`put` does; then the
        weights are the same bytes as before."""
        laid: List[Patch] = []
        try:
            for patch in patches:
                self.put(patch, force=force)
                laid.append(patch)
            yield self
        finally:
            for patch in reversed(laid):
                self.remove(patch)

    def _changed(self, patches: Iterable[Patch]) -> None:
        """Called when weights that patches write have become other tensors."""

    def verify(
        self, patches: Iterable[Patch], *, token_budget: Optional[int] = None, progress: Progress = None
    ) -> Verification:
        """Lays patches on the model in their order, measures all facts and checks again and compares with what they stored.

        Warns with :class:`CheckFailed` if one does not hold.
        """
        with Watcher(progress) as watcher:
            passed, report = self._core.verify(named(patches), {"token_budget": token_budget}, watcher)
        result = Verification._of(report)
        if not passed:
            self._warn(f"verify: {report.brief}")
        return result

    def _warn(self, text: str) -> None:
        warnings.warn(text, CheckFailed, stacklevel=4)

    def merge(
        self,
        patches: Iterable[Patch],
        *,
        statistics: Optional[PathLike] = None,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Tuple[Patch, Composition]:
        """Several patches as one whose facts are solved together, and how that measures."""
        options = {"statistics": statistics, "token_budget": token_budget}
        with Watcher(progress) as watcher:
            core, report = self._core.merge(named(patches), options, watcher)
        composition = Composition._of(report)
        warn_of_failed_checks("the merged patch", composition.checks, stacklevel=2)
        return Patch(core, "patch", self), composition

    def apply(
        self,
        patches: Iterable[Patch],
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
    ) -> Application:
        """Writes a checkpoint with patches in its weights; see :meth:`Patch.apply`."""
        options = {
            "out": out,
            "in_place": in_place,
            "undo": undo,
            "type": type,
            "statistics": statistics,
            "imatrix": imatrix,
            "force": force,
            "check": check,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            report = self._core.apply(named(patches), options, watcher)
        result = Application._of(report)
        if result.passed is False:
            self._warn(f"{result.written}: {report.brief}")
        return result

    def export_lora(
        self,
        patches: Iterable[Patch],
        out: PathLike,
        *,
        gguf: bool = False,
        base_name: Optional[str] = None,
        force: bool = False,
    ) -> Adapter:
        """Writes patches as one adapter; see :meth:`Patch.export_lora`."""
        options = {
            "format": "gguf-lora" if gguf else "lora",
            "out": out,
            "base_name": base_name,
            "force": force,
        }
        return Adapter._of(self._core.export_adapters(named(patches), options))
