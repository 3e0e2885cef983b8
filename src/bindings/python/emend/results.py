"""What the calls give back: plain dataclasses over the documents that the program writes with ``--json``.

Every result has ``to_dict()``, the whole document with the keys of docs/formats.md; ``to_frame()``, its main table, where
pandas is installed; and ``html``, the page that the program writes with ``--report``, which a notebook shows. Layers and
tokens count from 0.
"""

from __future__ import annotations

import copy
import dataclasses
import html as html_module
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Dict, List, Optional, Type, TypeVar

if TYPE_CHECKING:
    import pandas
    import torch

    from ._core import Report

R = TypeVar("R", bound="Result")


def _frame(rows: List[Dict[str, Any]]) -> "pandas.DataFrame":
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_frame() needs pandas: pip install pandas") from error
    return pandas.json_normalize(rows)


def _in_frame(page: str) -> str:
    # A page brings styles of its own: in a frame they do not touch the notebook's.
    text = html_module.escape(page, quote=True)
    return f'<iframe srcdoc="{text}" style="width: 100%; height: 600px; border: 0"></iframe>'


@dataclass(frozen=True, repr=False)
class Result:
    """The base of all results."""

    _table: ClassVar[str] = ""
    """The key of the document whose list is the table."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_document", {})
        object.__setattr__(self, "_report", None)

    @classmethod
    def _of(cls: Type[R], report: "Report") -> R:
        document = json.loads(report.json)
        values = document if isinstance(document, dict) else {cls._table: document}
        names = [f.name for f in dataclasses.fields(cls) if f.name in values]
        result = cls(**{name: values[name] for name in names})
        object.__setattr__(result, "_document", document)
        object.__setattr__(result, "_report", report)
        return result

    def to_dict(self) -> Any:
        """The whole document, as the program writes it with ``--json``; a copy."""
        return copy.deepcopy(self._document)  # type: ignore[attr-defined]

    def to_frame(self) -> "pandas.DataFrame":
        """The main table, one row an entry. Needs pandas."""
        return _frame(getattr(self, self._table) if self._table else [self.to_dict()])

    @property
    def text(self) -> str:
        """The tables that the program prints."""
        report = self._report  # type: ignore[attr-defined]
        return "" if report is None else str(report.text)

    @property
    def html(self) -> Optional[str]:
        """The page that the program writes with ``--report``; None for results that have none."""
        report = self._report  # type: ignore[attr-defined]
        return None if report is None else report.html()

    def __repr__(self) -> str:
        report = self._report  # type: ignore[attr-defined]
        brief = "" if report is None else report.brief
        return f"<{type(self).__name__}: {brief}>" if brief else f"<{type(self).__name__}>"

    def _repr_html_(self) -> Optional[str]:
        page = self.html
        return _in_frame(page) if page else f"<pre>{html_module.escape(self.text)}</pre>"


@dataclass(frozen=True)
class NextToken:
    """A token that may come next."""

    id: int
    text: str
    logprob: float
    """Natural logarithm of its probability."""


@dataclass(frozen=True, repr=False)
class Generation(Result):
    """A prompt and what the model makes of it."""

    prompt: str = ""
    tokens: List[int] = field(default_factory=list)
    """Ids that the model saw: BOS and chat template included."""
    pieces: List[str] = field(default_factory=list)
    completion: str = ""
    """The new text, without special tokens."""
    completion_tokens: List[int] = field(default_factory=list)
    ended: bool = False
    """Whether the model ended its text itself, within ``max_new``."""
    top: List[Dict[str, Any]] = field(default_factory=list)
    """With ``top=k`` the k likeliest next tokens: ``id``, ``text``, ``logprob``."""

    _table: ClassVar[str] = "top"

    def __str__(self) -> str:
        return self.completion


@dataclass(frozen=True, repr=False)
class EditResult(Result):
    """How an edit went: each fact before and after, and the checks."""

    method: str = ""
    objective: str = ""
    edits: List[Dict[str, Any]] = field(default_factory=list)
    checks: List[Dict[str, Any]] = field(default_factory=list)
    """Each ``name``, ``value`` (None: not measured), ``threshold``, ``passed``, ``n``, ``status``."""
    warnings: List[str] = field(default_factory=list)
    seconds: Dict[str, float] = field(default_factory=dict)
    passed: bool = False

    _table: ClassVar[str] = "edits"


@dataclass(frozen=True, repr=False)
class Plan(Result):
    """Layers, conflicts and costs of edits, before any search."""

    method: str = ""
    plan: List[Dict[str, Any]] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)

    _table: ClassVar[str] = "plan"


@dataclass(frozen=True, repr=False)
class Verification(Result):
    """Patches measured again on a model, and whether they say what they said when they were made."""

    patches: List[Dict[str, Any]] = field(default_factory=list)
    passed: bool = False

    _table: ClassVar[str] = "patches"


@dataclass(frozen=True, repr=False)
class Application(Result):
    """A checkpoint with patches in its weights."""

    written: str = ""
    """The path of the new checkpoint."""
    undo: str = ""
    """The undo file of a write in place."""
    tensors: List[Dict[str, Any]] = field(default_factory=list)
    patches: List[Dict[str, Any]] = field(default_factory=list)
    subjects: List[str] = field(default_factory=list)
    """Of the patches' edits, each once."""
    warnings: List[str] = field(default_factory=list)
    passed: Optional[bool] = None
    """None: no check was asked for."""

    _table: ClassVar[str] = "tensors"


@dataclass(frozen=True, repr=False)
class Adapter(Result):
    """Patches as an adapter for PEFT or llama.cpp."""

    path: str = ""
    modules: List[Dict[str, Any]] = field(default_factory=list)
    subjects: List[str] = field(default_factory=list)
    """Of the patches' edits, each once."""
    warnings: List[str] = field(default_factory=list)
    passed: bool = False
    """Whether what was read back from the file is what the patches hold."""

    _table: ClassVar[str] = "modules"


@dataclass(frozen=True, repr=False)
class Difference(Result):
    """How two patches differ."""

    edits: List[Dict[str, Any]] = field(default_factory=list)
    layers: List[Dict[str, Any]] = field(default_factory=list)
    settings: List[str] = field(default_factory=list)
    same: bool = False

    _table: ClassVar[str] = "layers"


@dataclass(frozen=True, repr=False)
class Composition(Result):
    """How a patch measures that was made of others."""

    edits: List[Dict[str, Any]] = field(default_factory=list)
    checks: List[Dict[str, Any]] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    passed: bool = False

    _table: ClassVar[str] = "edits"


@dataclass(frozen=True, repr=False)
class PatchInfo(Result):
    """What a patch says of itself."""

    base: Dict[str, Any] = field(default_factory=dict)
    """``name`` and ``fingerprint`` of the model that it was made for."""
    method: str = ""
    edits: List[Dict[str, Any]] = field(default_factory=list)
    checks: List[Dict[str, Any]] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    passed: bool = False

    _table: ClassVar[str] = "edits"


@dataclass(frozen=True, repr=False)
class Trace(Result):
    """Where a model keeps facts, and the layer to edit (docs/locate.md)."""

    facts: List[Dict[str, Any]] = field(default_factory=list)
    """Each with ``tokens``, ``high``, ``low`` and the grids ``block``, ``mlp``, ``attn``: [T][L], the answer's probability
    after restoring at token t and layer l."""
    skipped: List[Dict[str, Any]] = field(default_factory=list)
    average: Dict[str, Any] = field(default_factory=dict)
    ranking: List[Dict[str, Any]] = field(default_factory=list)
    """``layer``, ``score``, ``ci95``, best first."""
    layer: Optional[int] = None
    evidence: str = ""
    notes: List[str] = field(default_factory=list)

    _table: ClassVar[str] = "ranking"

    def grid(self, fact: int = 0, kind: str = "mlp") -> "torch.Tensor":
        """A grid of one fact as a tensor [T, L] of probabilities, float64. ``kind``: "block", "mlp" or "attn"."""
        import torch

        return torch.tensor(self.facts[fact][kind], dtype=torch.float64)


@dataclass(frozen=True, repr=False)
class StatisticsResult(Result):
    """Second moments of keys, collected or only planned."""

    source: str = ""
    fingerprint: str = ""
    layers: List[Dict[str, Any]] = field(default_factory=list)
    curve: List[Dict[str, Any]] = field(default_factory=list)
    plan: Dict[str, Any] = field(default_factory=dict)
    outputs: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)

    _table: ClassVar[str] = "layers"


@dataclass(frozen=True, repr=False)
class Evaluation(Result):
    """A benchmark: one summary a method, with its metrics before (``base``) and after (``metrics``) the edits."""

    methods: List[Dict[str, Any]] = field(default_factory=list)

    _table: ClassVar[str] = "methods"


@dataclass(frozen=True, repr=False)
class ModelSummary(Result):
    """What a model is: parameters by part, tokenizer."""

    model: Dict[str, Any] = field(default_factory=dict)
    parameters: Dict[str, int] = field(default_factory=dict)
    total_parameters: int = 0
    bytes: int = 0
    tokenizer: Optional[Dict[str, Any]] = None


@dataclass(frozen=True)
class Hidden:
    """Vectors inside a pass over one text."""

    tokens: List[int]
    """Ids, T of them."""
    pieces: List[str]
    site: str
    layers: List[int]
    vectors: Dict[int, "torch.Tensor"]
    """layer -> [T, d_model], or [T, d_ff] at "key", "gate" and "up"; in the model's dtype, on its device. The memory is that
    of the recording: nothing was copied."""

    def __getitem__(self, layer: int) -> "torch.Tensor":
        return self.vectors[layer]
