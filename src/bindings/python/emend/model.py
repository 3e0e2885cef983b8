"""Models: loading, asking, studying and editing them."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import torch

from . import _core
from ._progress import Progress, Watcher
from .errors import CheckFailed, ModelError
from .facts import Edits, PathLike, edit_file_options
from .patch import Patch, warn_of_failed_checks
from .results import (
    Adapter,
    Application,
    Composition,
    EditResult,
    Evaluation,
    Generation,
    Hidden,
    ModelSummary,
    NextToken,
    Plan,
    StatisticsResult,
    Trace,
    Verification,
)

Prompt = Union[str, Sequence[int]]
"""Text, or token ids as they are (then BOS and form play no part)."""

Layers = Union[None, str, int, Sequence[int]]
"""None: what the edits say; "auto": a kept decision, else a trial; "depth": the rule by depth alone; a number, or several for a
method that writes several layers."""


def _layers(layer: Layers) -> Dict[str, Any]:
    """What the options of the core call ``layers`` and ``layer_rule``."""
    if layer is None or isinstance(layer, str):
        if layer not in (None, "auto", "depth"):
            raise TypeError(f'layer must be a number, several numbers, "auto" or "depth", found {layer!r}')
        return {"layers": [], "layer_rule": layer}
    return {"layers": [layer] if isinstance(layer, int) else list(layer), "layer_rule": None}


def _named(patches: Iterable[Patch]) -> List[Tuple[str, _core.Patch]]:
    return [(patch.name, patch._core) for patch in patches]


class Model:
    """A language model with what lies on it.

    Made by :func:`load` or :func:`wrap`. Threads may share a model: one call at a time uses it, the others wait, with the GIL
    released. Runs (``edit``, ``verify``, ``locate``, ``statistics``, ``evaluate``, ``apply``) are on the model as it was
    loaded: patches that are on it are off meanwhile. ``generate``, ``next_tokens``, ``logits`` and ``hidden`` see the patches.
    """

    def __init__(self, core: _core.Model) -> None:
        self._core = core
        self._info: Dict[str, Any] = core.info
        self._numbers: Dict[Patch, int] = {}  # of the patches that are on it

    # ---- what it is

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

    # ---- what it says

    def _ids(self, prompt: Prompt, bos: str, form: str) -> List[int]:
        if isinstance(prompt, str):
            return self._core.encode(prompt, {"bos": bos, "form": form})
        return [int(token) for token in prompt]

    def generate(
        self,
        prompt: str,
        *,
        max_new: int = 20,
        top: int = 0,
        temperature: float = 0.0,
        seed: int = 0,
        form: str = "raw",
        bos: str = "auto",
        token_budget: Optional[int] = None,
        progress: Progress = False,
    ) -> Generation:
        """Continues a prompt by at most ``max_new`` tokens, as ``emend generate`` does; ``str()`` of it is the new text.

        ``temperature`` 0: the likeliest token each time; above 0: drawn with ``seed``. ``form`` "chat": the prompt goes through
        the model's chat template. ``bos``: "auto", "none" or a token. ``top``: how many likeliest next tokens to list.
        """
        options = {
            "bos": bos,
            "form": form,
            "max_new": max_new,
            "temperature": temperature,
            "seed": seed,
            "top": top,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return Generation._of(self._core.generate(prompt, options, watcher))

    def next_tokens(self, prompt: str, k: int = 10, *, form: str = "raw", bos: str = "auto") -> List[NextToken]:
        """The ``k`` likeliest next tokens, likeliest first."""
        found = self.generate(prompt, max_new=1, top=k, form=form, bos=bos)
        return [NextToken(**token) for token in found.top]

    def logits(self, prompt: Prompt, *, form: str = "raw", bos: str = "auto") -> torch.Tensor:
        """Logits of the next token behind each token of the prompt: [T, vocab] float32, on the model's (first) device."""
        return self._core.logits(self._ids(prompt, bos, form))

    def hidden(
        self,
        prompt: Prompt,
        site: str = "block_output",
        layers: Optional[Sequence[int]] = None,
        *,
        form: str = "raw",
        bos: str = "auto",
    ) -> Hidden:
        """Vectors inside a pass over the prompt, at one site of the given layers (None: of all).

        Sites, in the order of a block: "embedding" (the stream that enters block 0), "attn_output", "gate" and "up" (scores of
        the feed-forward layer, [T, d_ff]), "key" (input of its down projection, [T, d_ff]), "mlp_output", "block_output" (the
        residual stream behind the block); all others are [T, d_model]. "token_embedding": the row of the token table.
        """
        ids = self._ids(prompt, bos, form)
        wanted = list(range(self.layers)) if layers is None else list(layers)
        vectors = self._core.hidden(ids, site, wanted)
        return Hidden(ids, self._core.pieces(ids), site, wanted, dict(zip(wanted, vectors)))

    # ---- editing

    def _edit_options(
        self,
        edits: Edits,
        settings: Dict[str, Any],
        layer: Layers,
        method: Optional[str],
        statistics: Optional[PathLike],
        form: Optional[str],
        bos: Optional[str],
        run: Dict[str, Any],
    ) -> Dict[str, Any]:
        said = {**_layers(layer), "method": method, "statistics": statistics, "form": form, "bos": bos}
        return {**edit_file_options(edits, settings), **said, **run}

    def edit(
        self,
        edits: Edits,
        *,
        method: Optional[str] = None,
        layer: Layers = None,
        options: Optional[Dict[str, Any]] = None,
        checks: Optional[Dict[str, float]] = None,
        statistics: Optional[PathLike] = None,
        form: Optional[str] = None,
        bos: Optional[str] = None,
        seed: int = 0,
        keep_going: bool = False,
        on: Optional[PathLike] = None,
        memory_bytes: int = 0,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Patch:
        """Makes and checks a patch, as ``emend edit`` does; the model stays as it is.

        ``edits``: the path of an edit file, one :class:`Fact`, several, or a mapping with the keys of an edit file. ``method``,
        ``layer``, ``statistics``, ``form`` and ``bos`` take the place of what a file says. ``statistics``: a folder of second
        moments; None: the one beside the model. Moments that are missing are collected from text that the model writes, and
        saved there. ``on``: the file of a patch whose facts are solved together with these. ``keep_going``: leave out facts
        whose search fails.

        Warns with :class:`CheckFailed` if a check does not hold; ``patch.result`` has the figures. Raises ConfigError for
        edits that cannot be, NumericError for a search that fails.
        """
        run = {
            "seed": seed,
            "keep_going": keep_going,
            "on": on,
            "memory_bytes": memory_bytes,
            "token_budget": token_budget,
        }
        settings = {"options": options, "checks": checks}
        given = self._edit_options(edits, settings, layer, method, statistics, form, bos, run)
        with Watcher(progress) as watcher:
            core, report = self._core.edit(given, watcher)
        result = EditResult._of(report)
        warn_of_failed_checks("the edit", result.checks, stacklevel=2)
        return Patch(core, "patch", self, result)

    def plan(
        self,
        edits: Edits,
        *,
        method: Optional[str] = None,
        layer: Layers = None,
        options: Optional[Dict[str, Any]] = None,
        statistics: Optional[PathLike] = None,
        form: Optional[str] = None,
        bos: Optional[str] = None,
        seed: int = 0,
        on: Optional[PathLike] = None,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Plan:
        """Layers, conflicts and costs of edits without a search, as ``emend edit --dry-run`` tells them."""
        run = {"seed": seed, "keep_going": False, "on": on, "memory_bytes": 0, "token_budget": token_budget}
        given = self._edit_options(edits, {"options": options}, layer, method, statistics, form, bos, run)
        with Watcher(progress) as watcher:
            return Plan._of(self._core.plan(given, watcher))

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
    def edited(self, *patches: Patch, force: bool = False) -> Iterator["Model"]:
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
            passed, report = self._core.verify(_named(patches), {"token_budget": token_budget}, watcher)
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
            core, report = self._core.merge(_named(patches), options, watcher)
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
            report = self._core.apply(_named(patches), options, watcher)
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
        return Adapter._of(self._core.export_adapters(_named(patches), options))

    # ---- studying

    def locate(
        self,
        prompt: Optional[str] = None,
        subject: Optional[str] = None,
        *,
        answer: Optional[str] = None,
        occurrence: int = 0,
        facts: Optional[PathLike] = None,
        limit: int = 0,
        out: Optional[PathLike] = None,
        resume: bool = False,
        form: str = "raw",
        bos: str = "auto",
        noise: str = "s3",
        reference_noise: bool = False,
        samples: int = 10,
        window: int = 0,
        knockout_window: int = 0,
        exact_share: float = 1.0,
        estimates: bool = False,
        severed: bool = True,
        knockout: bool = True,
        trial: int = 0,
        trial_layers: Optional[Sequence[int]] = None,
        check: int = 0,
        trial_data: Optional[PathLike] = None,
        trial_dataset: Optional[str] = None,
        method: Optional[str] = None,
        keep_decision: bool = False,
        statistics: Optional[PathLike] = None,
        seed: int = 0,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Trace:
        """Where the model keeps a fact, by causal tracing, as ``emend locate`` finds it (docs/locate.md).

        Either a ``prompt`` with its ``subject``, or a file of ``facts``. ``samples``: corrupted runs of each fact. ``noise``:
        "s3" is 3 standard deviations of the subjects' embeddings. ``window``: layers restored together; 0: 10 of 48, in
        proportion. ``trial``: edit so many facts of the file at several layers and decide by the measured scores.
        ``keep_decision``: keep the decision in the statistics folder, where ``layer: auto`` looks for it; a trial must have
        edited 10 facts at least.
        """
        options = {
            "prompt": prompt,
            "subject": subject,
            "answer": answer,
            "occurrence": occurrence,
            "facts": facts,
            "limit": limit,
            "out": out,
            "resume": resume,
            "form": form,
            "bos": bos,
            "noise": noise,
            "reference_noise": reference_noise,
            "samples": samples,
            "window": window,
            "knockout_window": knockout_window,
            "exact_share": exact_share,
            "estimates": estimates,
            "severed": severed,
            "knockout": knockout,
            "trial": trial,
            "trial_layers": None if trial_layers is None else list(trial_layers),
            "check": check,
            "trial_data": trial_data,
            "trial_dataset": trial_dataset,
            "method": method,
            "keep_decision": keep_decision,
            "statistics": statistics,
            "seed": seed,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return Trace._of(self._core.locate(options, watcher))

    def statistics(
        self,
        folder: Optional[PathLike] = None,
        *,
        corpus: Optional[Sequence[PathLike]] = None,
        text_field: str = "text",
        layers: Optional[Sequence[int]] = None,
        tokens: int = 0,
        until: Optional[float] = None,
        bos: str = "auto",
        seed: int = 0,
        window: int = 512,
        memory_bytes: int = 0,
        resume: bool = False,
        plan_only: bool = False,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> StatisticsResult:
        """Collects second moments of the keys, C = E[k k^T] [d_ff, d_ff] of each layer, into ``folder`` (None: the one beside
        the model where :meth:`edit` looks for them), as ``emend stats`` does.

        ``corpus``: files and folders of text; None: the model writes the text. ``tokens``: keys to sum; 0: 5 times d_ff of
        own text, 10 times of a corpus; -1: the whole corpus. ``until``: stop when the estimated error of every layer is at most this. ``plan_only``: only say what
        it would take.
        """
        options = {
            "folder": folder,
            "corpus": None if corpus is None else list(corpus),
            "text_field": text_field,
            "layers": None if layers is None else list(layers),
            "tokens": tokens,
            "until": until,
            "bos": bos,
            "seed": seed,
            "window": window,
            "memory_bytes": memory_bytes,
            "resume": resume,
            "plan_only": plan_only,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return StatisticsResult._of(self._core.statistics(options, watcher))

    def evaluate(
        self,
        dataset: str,
        data: PathLike,
        out: PathLike,
        *,
        methods: Sequence[str] = (),
        method_files: Sequence[PathLike] = (),
        layer: Layers = None,
        records: Tuple[int, int] = (0, -1),
        known: bool = False,
        mode: str = "single",
        curve: Optional[str] = None,
        statistics: Optional[PathLike] = None,
        form: str = "raw",
        bos: str = "auto",
        seed: int = 0,
        plus: bool = False,
        edited_neighbours: bool = False,
        generations: int = -1,
        snippets: Optional[PathLike] = None,
        idf: Optional[PathLike] = None,
        drift_text: Optional[PathLike] = None,
        drift_tokens: int = 256,
        resume: bool = False,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Evaluation:
        """Records of a data set through one or several methods, each edited model measured beside the unedited one, as
        ``emend eval`` runs it (docs/evaluation.md). Results and reports are written into ``out``.

        ``records``: the first one and the one behind the last, among the usable ones; -1: all that follow. ``mode``: "single",
        "batch:N" or "sequential:N". ``generations``: free texts a record; -1: all.
        """
        options = {
            "dataset": dataset,
            "data": data,
            "out": out,
            "methods": list(methods),
            "method_files": list(method_files),
            **_layers(layer),
            "first_record": records[0],
            "end_record": records[1],
            "known": known,
            "mode": mode,
            "curve": curve,
            "statistics": statistics,
            "form": form,
            "bos": bos,
            "seed": seed,
            "plus": plus,
            "edited_neighbours": edited_neighbours,
            "generations": generations,
            "snippets": snippets,
            "idf": idf,
            "drift_text": drift_text,
            "drift_tokens": drift_tokens,
            "resume": resume,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return Evaluation._of(self._core.evaluate(options, watcher))


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
