"""Feed-forward layers as key-value memories: what triggers their cells, what they promote, and which ones push a token.

>>> from emend import memories
>>> found = memories.explain(model, "The capital of France is", token="Paris")
>>> found["cells"][0], found.to_frame()

Each command of ``emend memories`` is a function here with the same options (docs/memories.md); one that is left out takes the
program's default, which stands in parentheses. Cells are named "L12D771": layer 12, cell 771, both from 0. ``layers``: numbers
from 0; None: all, or those of the index. ``bos``: "auto", "none" or a token. ``token_budget``: tokens in one pass; None: what
suits the device. Runs are on the model as it was loaded: patches that are on it are off meanwhile. The result is a
:class:`MemoryResult`; errors are those of :mod:`emend`.
"""

from ._memory_call import MemoryResult
from ._memory_indexes import audit, cell, export, import_labels, merge, patterns, report, search
from ._memory_models import aggregate, bake, cluster, coactive, compare, footprint, scan, values
from ._memory_prompts import effects, explain, knowledge, layers, set, timeline

__all__ = [
    "MemoryResult",
    "aggregate",
    "audit",
    "bake",
    "cell",
    "cluster",
    "coactive",
    "compare",
    "effects",
    "explain",
    "export",
    "footprint",
    "import_labels",
    "knowledge",
    "layers",
    "merge",
    "patterns",
    "report",
    "scan",
    "search",
    "set",
    "timeline",
    "values",
]
