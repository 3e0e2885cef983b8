"""Analyses of memories that read the index of a scan: see emend.memories."""

from __future__ import annotations

from typing import Optional, Sequence

from ._memory_call import MemoryResult, analyse
from ._progress import Progress
from .facts import PathLike
from .model import Model

Paths = Sequence[PathLike]


def merge(folders: Paths, out: PathLike, *, progress: Progress = None) -> MemoryResult:
    """Joins the parts of a scan's shards into one index, as if one run had read all text."""
    return analyse("merge", {"folders": folders, "out": out}, progress)[1]


def cell(cell: str, index: PathLike, *, model: Optional[Model] = None) -> MemoryResult:
    """All that an index knows of one cell, "L12D771" (layer 12, cell 771, both from 0). With ``model`` the index must be its."""
    return analyse("cell", {"cell": cell, "index": index}, False, model=model)[1]


def patterns(
    index: PathLike,
    *,
    model: Optional[Model] = None,
    layers: Optional[Sequence[int]] = None,
    cells: Optional[int] = None,
    top: Optional[int] = None,
    background: Optional[int] = None,
    seed: Optional[int] = None,
    topics: Optional[bool] = None,
    annotations: Optional[Paths] = None,
    export: Optional[PathLike] = None,
    mutations: Optional[int] = None,
    unit: Optional[str] = None,
    clip: Optional[bool] = None,
    longest: Optional[int] = None,
    token_budget: Optional[int] = None,
    progress: Progress = None,
) -> MemoryResult:
    """What the ``top`` trigger examples (25) of a cell have in common: words at the end and content words, tested against chance.

    With ``model``: ``topics`` without a common word, and ``mutations``, trigger examples of a cell whose words are taken away
    (0: none). ``cells`` of a layer, drawn (100; 0: all). ``export``: a sheet for annotators; ``annotations``: such sheets.
    """
    options = {
        "index": index, "layers": layers, "cells": cells, "top": top, "background": background, "seed": seed,
        "topics": topics, "annotations": annotations, "export": export, "mutations": mutations, "unit": unit, "clip": clip,
        "longest": longest, "token_budget": token_budget,
    }  # fmt: skip
    return analyse("patterns", options, progress, model=model)[1]


def audit(
    index: PathLike,
    *,
    model: Optional[Model] = None,
    patterns: Optional[PathLike] = None,
    layers: Optional[Sequence[int]] = None,
    least: Optional[float] = None,
    cells: Optional[int] = None,
    duplicate: Optional[float] = None,
    tokens: Optional[int] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Cells whose triggers match the regular expressions of the file ``patterns``; with ``model`` also dead and duplicate cells.

    ``least``: share of a cell's triggers that must match (0.5). ``duplicate``: cosine of two values above which they are
    duplicates (0.98). ``tokens``: on which perplexity without the dead cells is measured (2,000).
    """
    options = {
        "index": index, "patterns": patterns, "layers": layers, "least": least, "cells": cells, "duplicate": duplicate,
        "tokens": tokens,
    }  # fmt: skip
    return analyse("audit", options, progress, model=model)[1]


def report(
    index: PathLike,
    out: PathLike,
    *,
    results: Optional[Paths] = None,
    cells: Optional[int] = None,
    examples: Optional[int] = None,
) -> MemoryResult:
    """One HTML page over an index, with a search. ``results``: JSON files of values, aggregate and patterns, whose curves are
    shown, too."""
    options = {"index": index, "out": out, "with": results, "cells": cells, "examples": examples}
    return analyse("report", options, False)[1]


def export(
    form: str,
    index: PathLike,
    out: PathLike,
    *,
    layers: Optional[Sequence[int]] = None,
    model_name: Optional[str] = None,
    set: Optional[str] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Writes an index in the files that Neuronpedia or delphi read. ``form``: "neuronpedia" or "delphi"; ``out``: a new or
    empty folder; ``model_name``: what the other program calls the model; ``set``: Neuronpedia's name of the source set."""
    options = {"form": form, "index": index, "out": out, "layers": layers, "model": model_name, "set": set}
    return analyse("export", options, progress)[1]


def import_labels(files: Paths, index: PathLike) -> MemoryResult:
    """Takes labels of cells into an index: .json {"L12D771": "text"}, explanations of Neuronpedia (.jsonl, .jsonl.gz) or of
    delphi (.txt)."""
    return analyse("import", {"files": files, "index": index}, False)[1]


def search(words: Sequence[str], index: PathLike, *, limit: Optional[int] = None) -> MemoryResult:
    """Cells whose values promote these words or whose triggers end with them; :func:`values` must have been run on the index.
    ``limit``: cells listed, at most (20)."""
    return analyse("search", {"words": words, "index": index, "limit": limit}, False)[1]
