"""Edits in Python: facts as values, and the edit file that they stand for."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union


@dataclass(frozen=True)
class Neighbour:
    """A fact that must stay. Without an answer the one that the model gives before the edit."""

    prompt: str
    answer: str = ""


@dataclass(frozen=True)
class OtherSubject:
    """Another subject of the same kind, which has another answer: put into the edited prompt, the target must not rise there
    (docs/bleed.md). Without an answer the one that the model gives before the edit."""

    subject: str
    answer: str = ""


@dataclass(frozen=True)
class Fact:
    """One fact to rewrite, as one entry of ``edits:`` in an edit file (docs/formats.md)."""

    prompt: str
    """Ends where the answer begins: "The Eiffel Tower is located in the city of"."""
    subject: str
    """Stands in the prompt: "Eiffel Tower"."""
    target: str
    """The new answer, without a blank in front: "Rome"."""
    was: str = ""
    """The present answer; empty: what the model says."""
    id: str = ""
    """Names the fact in results; empty: edit-1, edit-2, ..."""
    paraphrases: List[str] = field(default_factory=list)
    neighbours: List[Neighbour] = field(default_factory=list)
    subject_occurrence: Optional[int] = None
    """Which one, from 1, where the subject stands in the prompt more than once."""
    bleed: List[OtherSubject] = field(default_factory=list)
    """Other subjects that the edit must not reach."""


FactLike = Union[Fact, Mapping[str, Any]]
PathLike = Union[str, "os.PathLike[str]"]
Edits = Union[PathLike, FactLike, Iterable[FactLike]]
"""A path of an edit file (YAML, or JSON lines); one fact, or several; or a mapping with all keys of an edit file, ``edits``
among them."""


def _without_defaults(fact: Fact) -> Dict[str, Any]:
    entry = {key: value for key, value in asdict(fact).items() if value not in ("", None, [])}
    for stays in entry.get("neighbours", []) + entry.get("bleed", []):
        if not stays["answer"]:
            del stays["answer"]
    return entry


def _entry(fact: FactLike, number: int) -> Dict[str, Any]:
    entry = _without_defaults(fact) if isinstance(fact, Fact) else dict(fact)
    entry.setdefault("id", f"edit-{number}")
    return entry


def _document(edits: Union[FactLike, Iterable[FactLike]]) -> Dict[str, Any]:
    if isinstance(edits, Mapping) and "edits" in edits:
        document = dict(edits)
        edits = document["edits"]
    else:
        document = {}
    facts = [edits] if isinstance(edits, (Fact, Mapping)) else list(edits)
    document["edits"] = [_entry(fact, number) for number, fact in enumerate(facts, 1)]
    return document


def edit_file_options(edits: Edits, settings: Mapping[str, Any]) -> Dict[str, Any]:
    """What the extension is told of an edit file: its path, or its text.

    The text is JSON, which is YAML, too: the library reads and checks it as it does every edit file. ``settings`` are
    top-level keys (``options``, ``checks``) that the caller gave beside the facts.
    """
    none = {"file": None, "text": None, "name": None, "folder": None}
    given = {key: value for key, value in settings.items() if value is not None}
    if isinstance(edits, (str, os.PathLike)):
        if given:
            raise TypeError(f"{', '.join(given)}: an edit file has these of its own; leave them out, or give facts")
        return {**none, "file": os.fspath(edits)}
    document = {**_document(edits), **given}
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return {**none, "text": text, "name": "edits", "folder": Path.cwd()}
