"""A model that `transformers` has loaded already: traced and edited through its own weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Tuple

from . import _core
from .errors import ModelError
from .facts import PathLike
from .model import Model
from .patch import Patch
from .results import StatisticsResult

if TYPE_CHECKING:
    import torch
    import transformers


class WrappedModel(Model):
    """A :class:`Model` over the weights of a module of `transformers`: there is no second copy of them.

    What lies on it lies on the module, too: within ``with wrapped.edited(patch)`` and after ``wrapped.put(patch)`` the module
    itself computes with the edited weights. The module's parameters must not be changed by others: every call looks whether
    one was replaced or written to, and ``edit``, ``statistics`` and ``verify`` compare all numbers.
    """

    def __init__(self, core: _core.Model, module: "transformers.PreTrainedModel") -> None:
        self._held = core
        self._module = module
        self._parameters: Dict[str, "torch.nn.Parameter"] = dict(module.named_parameters())
        self._down = {block: (name, transposed) for block, name, transposed in core.down_projections()}
        self._seen: Dict[str, Tuple[int, int]] = {}
        self._look_again(self._parameters)
        self._digest = core.base_digest()
        super().__init__(core)

    @property
    def module(self) -> "transformers.PreTrainedModel":
        """The module whose weights these are."""
        return self._module

    # Every call of the library goes through here.
    @property
    def _core(self) -> _core.Model:
        self._require_untouched()
        return self._held

    @_core.setter
    def _core(self, core: _core.Model) -> None:
        self._held = core

    def _look_again(self, names: Iterable[str]) -> None:
        for name in names:
            parameter = self._parameters[name]
            self._seen[name] = (parameter.data_ptr(), parameter._version)

    def _require_untouched(self) -> None:
        for name, parameter in self._parameters.items():
            if self._seen[name] != (parameter.data_ptr(), parameter._version):
                self._refuse(f"its parameter {name}")

    def _require_same_numbers(self) -> None:
        if self._core.base_digest() != self._digest:
            self._refuse("one of its parameters")

    def _refuse(self, what: str) -> None:
        raise ModelError(f"the wrapped model was changed outside: {what}; call emend.wrap again")

    def _changed(self, patches: Iterable[Patch]) -> None:
        for block in sorted({block for patch in patches for block in patch.layers}):
            if block not in self._down:
                continue
            name, transposed = self._down[block]
            weight = self._held.down_projection(block)
            self._parameters[name].data = weight.t() if transposed else weight
            self._look_again([name])

    def edit(self, *given: Any, **options: Any) -> Patch:
        self._require_same_numbers()
        return super().edit(*given, **options)

    def verify(self, *given: Any, **options: Any) -> Any:
        self._require_same_numbers()
        return super().verify(*given, **options)

    def statistics(self, *given: Any, **options: Any) -> StatisticsResult:
        self._require_same_numbers()
        return super().statistics(*given, **options)

    edit.__doc__, verify.__doc__, statistics.__doc__ = Model.edit.__doc__, Model.verify.__doc__, Model.statistics.__doc__


def _folder_of(module: "transformers.PreTrainedModel") -> Optional[Path]:
    name = str(module.name_or_path or "")
    return Path(name) if name and Path(name).is_dir() else None


def wrap(
    model: "transformers.PreTrainedModel",
    tokenizer: Optional["transformers.PreTrainedTokenizerBase"] = None,
    *,
    path: Optional[PathLike] = None,
) -> WrappedModel:
    """The model of `transformers` as a :class:`Model`, over the same weights.

    ``tokenizer``: its tokenizer; None: the files in the folder that the model was loaded from. ``path``: what stands for the
    model's path, beside which statistics are kept; None: that folder, or the model's name in the current folder.

    Queries, keys and values, and gate and up projections, are put side by side, as the pass needs them; the module's
    parameters become parts of those. The fingerprint is that of a checkpoint with the same bytes: a model that was loaded in
    the type of its file ("auto") takes the patches and statistics of that file. Raises ModelError for an architecture that
    emend does not know, quantised weights, and parameters of several types or devices.
    """
    folder = _folder_of(model)
    shown = Path(path) if path is not None else folder or Path.cwd() / (Path(str(model.name_or_path or "model")).name)
    parameters = dict(model.named_parameters())

    def moved(name: str, view: "torch.Tensor") -> None:
        parameters[name].data = view

    with tempfile.TemporaryDirectory(prefix="emend-tokenizer-") as saved:
        if tokenizer is not None:
            tokenizer.save_pretrained(saved)
            folder = Path(saved)
        options = {"config": model.config.to_json_string(), "path": shown, "tokenizer": folder}
        tensors: List[Tuple[str, "torch.Tensor"]] = [(name, p.detach()) for name, p in parameters.items()]
        core = _core.wrap(tensors, options, moved)
    return WrappedModel(core, model)
