"""What runs from files to files give back, and checks of files; see :mod:`emend.results` for what all results have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, List, Optional

from .results import Result


@dataclass(frozen=True, repr=False)
class Reversion(Result):
    """A write in place that was taken back."""

    model: str = ""
    undo: str = ""
    restored: List[str] = field(default_factory=list)
    """The files that are as they were before."""


@dataclass(frozen=True, repr=False)
class ModelCheck(Result):
    """What a model file is, and what works with it (docs/models.md)."""

    model: Optional[Dict[str, Any]] = None
    format: Optional[str] = None
    architecture: Optional[str] = None
    tensors: int = 0
    types: Dict[str, Any] = field(default_factory=dict)
    roles: List[Dict[str, Any]] = field(default_factory=list)
    norms: List[Dict[str, Any]] = field(default_factory=list)
    ffn: Dict[str, int] = field(default_factory=dict)
    memory: List[Dict[str, Any]] = field(default_factory=list)
    """Of each kind of work: ``work``, ``bytes``, ``formula``."""
    unsupported: List[Dict[str, str]] = field(default_factory=list)
    reason: Optional[str] = None
    """Why emend cannot load the file; None: it can."""
    passed: bool = False

    _table: ClassVar[str] = "roles"


@dataclass(frozen=True, repr=False)
class FirstEdit(Result):
    """A first edit file that was written, about a fact that the model knows."""

    id: str = ""
    prompt: str = ""
    target: str = ""
    was: str = ""
    known: bool = False
    """Whether the model gives the expected answer ``was``."""
    says: str = ""
    asked: int = 0
    """Well-known facts that the model was asked."""
    outputs: List[str] = field(default_factory=list)


@dataclass(frozen=True, repr=False)
class Conversion(Result):
    """Records of a data set as an edit file."""

    dataset: str = ""
    read: int = 0
    written: int = 0
    left_out: Dict[str, int] = field(default_factory=dict)
    """Records, by reason."""
    left_out_questions: Dict[str, int] = field(default_factory=dict)
    examples: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    outputs: List[str] = field(default_factory=list)


@dataclass(frozen=True, repr=False)
class QuestionExport(Result):
    """Questions or results in the files of another program."""

    questions: int = 0
    left_out: Dict[str, int] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)
    """How to run them there."""
    outputs: List[str] = field(default_factory=list)


@dataclass(frozen=True, repr=False)
class Reproduction(Result):
    """A run made again, and whether it made the same bytes."""

    command: List[str] = field(default_factory=list)
    outputs: List[Dict[str, Any]] = field(default_factory=list)
    """Each ``name``, ``then`` and ``now`` (SHA-256), ``same``."""
    differences: List[Dict[str, str]] = field(default_factory=list)
    """What is not as it was: ``what``, ``then``, ``now``."""
    reproduced: bool = False
    seconds: float = 0.0

    _table: ClassVar[str] = "outputs"
