"""What runs give back that study a model or a run of a benchmark; see :mod:`emend.results` for what all results have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Dict, List, Optional

from .results import Result, _frame

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """Two runs of a benchmark over the records that both evaluated (docs/evaluation.md)."""

    a: str = ""
    """What the first run is called, ``b`` the second one."""
    b: str = ""
    shared: int = 0
    """Records that both evaluated."""
    metrics: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    """Each ``a`` and ``b`` (means), ``difference`` (b - a), ``low`` and ``high`` (its 95 % interval), ``p``, ``n``."""
    warnings: List[str] = field(default_factory=list)

    def to_frame(self) -> "pandas.DataFrame":
        """The metrics, one row each. Needs pandas."""
        return _frame([{"metric": name, **values} for name, values in self.metrics.items()])


@dataclass(frozen=True, repr=False)
class Abilities(Result):
    """Multiple-choice items, before and after patches (docs/abilities.md)."""

    tasks: List[Dict[str, Any]] = field(default_factory=list)
    """Each ``name``, ``form``, ``items`` and ``metrics``: "acc" and, where the form has it, "acc_norm", with ``before`` and,
    with patches, ``after``, ``difference``, ``lost``, ``gained`` and ``p``."""
    patches: List[str] = field(default_factory=list)

    _table: ClassVar[str] = "tasks"


@dataclass(frozen=True, repr=False)
class Divergence(Result):
    """Models against a base on a text, as KL divergence in nats (docs/kl.md)."""

    base: Dict[str, Any] = field(default_factory=dict)
    models: List[Dict[str, Any]] = field(default_factory=list)
    """Each ``name`` ("model", "edited", "quantised", "edited, quantised"), ``kl``, ``same_top`` and perplexities."""
    comparisons: List[Dict[str, Any]] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)

    _table: ClassVar[str] = "models"


@dataclass(frozen=True, repr=False)
class KlBase(Result):
    """A base file that was written, and the perplexity of its text."""

    base: Dict[str, Any] = field(default_factory=dict)
    """``file``, ``context``, ``vocab``, ``chunks``, ``positions``."""
    perplexity: Dict[str, float] = field(default_factory=dict)
    """``mean`` and ``stderr``."""


@dataclass(frozen=True, repr=False)
class AnswerDivergence(Result):
    """How far patches move the model's own answers, in nats for each content token (docs/kl.md)."""

    by_token: List[Dict[str, Any]] = field(default_factory=list)
    """Of the first, second, ... content token of all answers: ``n``, ``mean``, ``largest``, ``same_top``."""
    all: Dict[str, Any] = field(default_factory=dict)
    per_question: Dict[str, Any] = field(default_factory=dict)
    questions: List[Dict[str, Any]] = field(default_factory=list)
    patches: List[str] = field(default_factory=list)

    _table: ClassVar[str] = "by_token"


@dataclass(frozen=True, repr=False)
class Survival(Result):
    """What is left of an edit in fewer bits, after further edits and with an adapter merged (docs/survival.md)."""

    rows: List[Dict[str, Any]] = field(default_factory=list)
    """Each ``condition``, ``weights`` (what was done to them), ``patch``, ``share``, ``worst_share``, ``checks``, ``passed``."""
    patches: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    passed: bool = False

    _table: ClassVar[str] = "rows"


@dataclass(frozen=True, repr=False)
class Inspection(Result):
    """What became of a checkpoint: weights that differ from a base, patches that are in it, subjects that were edited."""

    base: Optional[Dict[str, Any]] = None
    weights: List[Dict[str, Any]] = field(default_factory=list)
    """Each ``tensor``, ``role``, ``layer``, ``relative`` (of the change's norm), ``rank``."""
    unexplained: Optional[float] = None
    """The share of the change that the patches do not explain, 0 to 1; None without a base."""
    patches: List[Dict[str, Any]] = field(default_factory=list)
    subjects: Optional[Dict[str, Any]] = None
    """``threshold``, and ``scores`` with ``subject``, ``score`` and ``edited`` (docs/disclosure.md)."""
    warnings: List[str] = field(default_factory=list)

    _table: ClassVar[str] = "weights"


@dataclass(frozen=True, repr=False)
class StatisticsFolder(Result):
    """What a folder of statistics holds, or what was written into one."""

    source: str = ""
    settings: str = ""
    fingerprint: str = ""
    layers: List[Dict[str, Any]] = field(default_factory=list)
    """Each ``layer``, ``tokens``, ``trace``, ``condition``, ``effective_rank``, ``error_estimate``."""
    factors: List[Dict[str, Any]] = field(default_factory=list)
    log10_spectrum: Dict[str, List[float]] = field(default_factory=dict)
    """By layer, as a text: log10 of the eigenvalues of C over their mean, largest first."""
    outputs: List[str] = field(default_factory=list)

    _table: ClassVar[str] = "layers"


@dataclass(frozen=True, repr=False)
class ImportanceMatrix(Result):
    """An importance matrix of llama.cpp that was written."""

    layers: List[int] = field(default_factory=list)
    outputs: List[str] = field(default_factory=list)
