"""What every analysis of memories goes through on its way to the extension, and what comes back."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from . import _core
from ._model_base import ModelBase
from ._progress import Progress, Watcher
from .patch import Patch, named
from .results import Result


@dataclass(frozen=True, repr=False)
class MemoryResult(Result):
    """What an analysis of memories found: ``result["cells"]`` is a key of the document that the program writes with ``--json``.

    docs/formats.md lists the keys of every analysis. ``text`` are the program's tables, ``html`` its page, where it has one.
    """

    analysis: str = ""
    """"explain", "values", ..."""
    table: str = ""
    """The key whose list :meth:`to_frame` shows."""
    keys: List[str] = field(default_factory=list)
    """The keys of the document."""

    def __getitem__(self, key: str) -> Any:
        return self._document[key]  # type: ignore[attr-defined]

    def to_frame(self, table: Optional[str] = None) -> Any:
        """A list of the document as a table of pandas, one row an entry; None: the main one, such as "cells" of explain."""
        from .results import _frame

        return _frame(self[table or self.table])


# The list of each document that a reader looks at first.
_TABLES = {
    "scan": "layers",
    "merge": "layers",
    "values": "layers",
    "aggregate": "layers",
    "coactive": "pairs",
    "cluster": "clusters",
    "explain": "cells",
    "effects": "cells",
    "timeline": "layers",
    "knowledge": "facts",
    "layers": "effects",
    "set": "settings",
    "patterns": "layers",
    "audit": "patterns",
    "search": "cells",
    "compare": "cells",
    "footprint": "layers",
}


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value


def analyse(
    name: str,
    options: Mapping[str, Any],
    progress: Progress,
    *,
    model: Optional[ModelBase] = None,
    second: Optional[ModelBase] = None,
    patches: Iterable[Patch] = (),
) -> Tuple[Optional[_core.Patch], MemoryResult]:
    """Runs an analysis. Options that are None take the library's defaults."""
    given: Dict[str, Any] = {key: _plain(value) for key, value in options.items() if value is not None}
    first_core = None if model is None else model._core
    second_core = None if second is None else second._core
    with Watcher(progress) as watcher:
        patch, report = _core.memories(name, json.dumps(given), first_core, second_core, named(patches), watcher)
    document = json.loads(report.json)
    result = MemoryResult(name, _TABLES.get(name, ""), list(document))
    object.__setattr__(result, "_document", document)
    object.__setattr__(result, "_report", report)
    return patch, result
