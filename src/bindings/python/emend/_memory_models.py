"""Analyses of memories that read a model or ask it: see emend.memories."""

from __future__ import annotations

from typing import Iterable, Optional, Sequence

from ._memory_call import MemoryResult, analyse
from ._progress import Progress
from .facts import PathLike
from .model import Model
from .patch import Patch, warn_of_failed_checks

Paths = Sequence[PathLike]


def scan(
    model: Model,
    out: Optional[PathLike] = None,
    *,
    corpus: Optional[Paths] = None,
    own_text: Optional[bool] = None,
    text_field: Optional[str] = None,
    tokens: Optional[int] = None,
    seed: Optional[int] = None,
    window: Optional[int] = None,
    token_budget: Optional[int] = None,
    bos: Optional[str] = None,
    block_tokens: Optional[int] = None,
    shard: Optional[int] = None,
    shards: Optional[int] = None,
    layers: Optional[Sequence[int]] = None,
    top: Optional[int] = None,
    random: Optional[int] = None,
    dedup: Optional[str] = None,
    include_first: Optional[bool] = None,
    sentences: Optional[bool] = None,
    resume: Optional[bool] = None,
    plan_only: Optional[bool] = None,
    progress: Progress = None,
) -> MemoryResult:
    """For every cell the tokens of a text at which its coefficient is largest and least, as an index in the folder ``out``.

    ``corpus``: files and folders of text, or ``own_text``: ``tokens`` tokens that the model writes (-1, the default of a
    corpus: all). ``top`` trigger examples (25) at each end of a cell, ``random`` (10) drawn from all tokens. ``window``: tokens
    of a row (512). ``dedup``: "none", "window" or "suffix". ``plan_only``: time, memory and disk, and nothing is read further.
    """
    options = {
        "out": out, "corpus": corpus, "own_text": own_text, "text_field": text_field, "tokens": tokens, "seed": seed,
        "window": window, "token_budget": token_budget, "bos": bos, "block_tokens": block_tokens, "shard": shard,
        "shards": shards, "layers": layers, "top": top, "random": random, "dedup": dedup, "include_first": include_first,
        "sentences": sentences, "resume": resume, "plan_only": plan_only,
    }  # fmt: skip
    return analyse("scan", options, progress, model=model)[1]


def values(
    model: Model,
    *,
    layers: Optional[Sequence[int]] = None,
    lens: Optional[str] = None,
    mask_special: Optional[bool] = None,
    top: Optional[int] = None,
    index: Optional[PathLike] = None,
    out: Optional[PathLike] = None,
    seed: Optional[int] = None,
    sharpest: Optional[int] = None,
    progress: Progress = None,
) -> MemoryResult:
    """What the value of every cell, a column [d_model] of its layer's down projection, promotes and suppresses, in words.

    ``lens``: "lin" (the default), "raw" or "map:FILE". ``top``: tokens kept at each end (50). ``index``: of a scan; agreement
    is measured and the tables are kept in it. ``out``: a folder for the tables where there is no index.
    """
    options = {
        "layers": layers, "lens": lens, "mask_special": mask_special, "top": top, "index": index, "out": out, "seed": seed,
        "sharpest": sharpest,
    }  # fmt: skip
    return analyse("values", options, progress, model=model)[1]


def aggregate(
    model: Model,
    corpus: Paths,
    *,
    text_field: Optional[str] = None,
    tokens: Optional[int] = None,
    seed: Optional[int] = None,
    window: Optional[int] = None,
    token_budget: Optional[int] = None,
    bos: Optional[str] = None,
    layers: Optional[Sequence[int]] = None,
    examples: Optional[int] = None,
    lens: Optional[str] = None,
    mask_special: Optional[bool] = None,
    coalitions: Optional[int] = None,
    sentences: Optional[bool] = None,
    sparsity: Optional[int] = None,
    shard: Optional[int] = None,
    shards: Optional[int] = None,
    out: Optional[PathLike] = None,
    resume: Optional[bool] = None,
    join: Optional[Paths] = None,
    progress: Progress = None,
) -> MemoryResult:
    """How the cells of each layer come to its output and the layers to the answer, at ``examples`` positions (4,000) of a text.

    Shares of active cells, zero agreement (the share of positions where no cell's own favourite is that of the layer), who
    decides. ``coalitions``: positions whose smallest sets of cells are sought (20). ``sparsity``: tokens on which predictions
    with the largest cells alone are measured (0: not asked).
    """
    options = {
        "corpus": corpus, "text_field": text_field, "tokens": tokens, "seed": seed, "window": window,
        "token_budget": token_budget, "bos": bos, "layers": layers, "examples": examples, "lens": lens,
        "mask_special": mask_special, "coalitions": coalitions, "sentences": sentences, "sparsity": sparsity, "shard": shard,
        "shards": shards, "out": out, "resume": resume, "join": join,
    }  # fmt: skip
    return analyse("aggregate", options, progress, model=model)[1]


def coactive(
    model: Model,
    corpus: Paths,
    *,
    text_field: Optional[str] = None,
    tokens: Optional[int] = None,
    seed: Optional[int] = None,
    window: Optional[int] = None,
    token_budget: Optional[int] = None,
    bos: Optional[str] = None,
    cells: Optional[Sequence[str]] = None,
    layers: Optional[Sequence[int]] = None,
    most: Optional[int] = None,
    index: Optional[PathLike] = None,
    beyond: Optional[float] = None,
    threshold: Optional[float] = None,
    least: Optional[int] = None,
    pairs: Optional[int] = None,
    sentences: Optional[bool] = None,
    shard: Optional[int] = None,
    shards: Optional[int] = None,
    out: Optional[PathLike] = None,
    resume: Optional[bool] = None,
    join: Optional[Paths] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Which cells are active at the same tokens: pairs with their correlation phi (-1 to 1), and groups of cells.

    ``cells``: addresses such as "L12D771"; None: those of ``layers``, or the ``most`` active ones of each by ``index``.
    ``beyond``: active is beyond the cell's own quantile 0.5, 0.9, 0.99 or 0.999 (0: a score above 0). ``threshold``: mean phi
    at which cells become a group (0.3). ``least``: tokens that a listed pair shares (10). ``pairs``: how many are listed (50).
    """
    options = {
        "corpus": corpus, "text_field": text_field, "tokens": tokens, "seed": seed, "window": window,
        "token_budget": token_budget, "bos": bos, "cells": cells, "layers": layers, "most": most, "index": index,
        "beyond": beyond, "threshold": threshold, "least": least, "pairs": pairs, "sentences": sentences, "shard": shard,
        "shards": shards, "out": out, "resume": resume, "join": join,
    }  # fmt: skip
    return analyse("coactive", options, progress, model=model)[1]


def cluster(
    model: Model,
    *,
    layers: Optional[Sequence[int]] = None,
    clusters: Optional[int] = None,
    sweeps: Optional[int] = None,
    members: Optional[int] = None,
    top: Optional[int] = None,
    seed: Optional[int] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Cells whose values [d_model] promote the same words: spherical k-means. ``clusters``: 0, the default, is one for 32 cells."""
    options = {"layers": layers, "clusters": clusters, "sweeps": sweeps, "members": members, "top": top, "seed": seed}
    return analyse("cluster", options, progress, model=model)[1]


def compare(
    first: Model,
    second: Model,
    *,
    layers: Optional[Sequence[int]] = None,
    cells: Optional[int] = None,
    top: Optional[int] = None,
    lens: Optional[str] = None,
    mask_special: Optional[bool] = None,
    index_a: Optional[PathLike] = None,
    index_b: Optional[PathLike] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Two checkpoints of one shape cell by cell: cosines of keys and values, what values promote, and with the indexes of two
    scans of one text, triggers. ``cells``: how many are listed, those that differ most (20)."""
    options = {
        "layers": layers, "cells": cells, "top": top, "lens": lens, "mask_special": mask_special, "index_a": index_a,
        "index_b": index_b,
    }  # fmt: skip
    return analyse("compare", options, progress, model=first, second=second)[1]


def footprint(
    model: Model,
    patches: Iterable[Patch],
    *,
    cells: Optional[int] = None,
    top: Optional[int] = None,
    lens: Optional[str] = None,
    mask_special: Optional[bool] = None,
    index: Optional[PathLike] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Which cells patches move, and what their values promote before and after. ``cells``: listed of each weight (20).
    ``index``: of a scan of the model; shows what triggers the cells, too."""
    options = {"cells": cells, "top": top, "lens": lens, "mask_special": mask_special, "index": index}
    return analyse("footprint", options, progress, model=model, patches=patches)[1]


def bake(
    model: Model,
    settings: Sequence[str],
    prompt: str,
    *,
    bos: Optional[str] = None,
    token_budget: Optional[int] = None,
    progress: Progress = None,
) -> Patch:
    """Settings of cells, such as "L12D771=off" or "L12D771=x0.5", as a patch. What the model answers to ``prompt`` before and
    after stands in it, to verify it by. Raises for a setting that has no exact form as a change of weights."""
    options = {"settings": settings, "prompt": prompt, "bos": bos, "token_budget": token_budget}
    core, result = analyse("bake", options, progress, model=model)
    assert core is not None
    warn_of_failed_checks("the baked patch", result["checks"], stacklevel=2)
    return Patch(core, "patch", model)
