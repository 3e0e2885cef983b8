"""Analyses of memories that ask a model about prompts, facts and triggers: see emend.memories."""

from __future__ import annotations

from typing import Optional, Sequence

from ._memory_call import MemoryResult, analyse
from ._progress import Progress
from .facts import PathLike
from .model import Model


def explain(
    model: Model,
    prompt: str,
    *,
    token: Optional[str] = None,
    against: Optional[str] = None,
    bos: Optional[str] = None,
    top: Optional[int] = None,
    cells: Optional[int] = None,
    effects: Optional[bool] = None,
    sources: Optional[int] = None,
    index: Optional[PathLike] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Which cells push the logit of a token behind ``prompt``, layer by layer.

    ``token``: the word whose first token is explained; None: the likeliest. ``against``: explain the difference to this word's
    logit. ``cells``: how many are listed (30). ``effects``: also switch each listed cell off and tell what the logit loses.
    ``sources``: strongest sources of each listed cell (0: none). ``index``: of a scan, for triggers and labels.
    """
    options = {
        "prompt": prompt, "token": token, "against": against, "bos": bos, "top": top, "cells": cells, "effects": effects,
        "sources": sources, "index": index,
    }  # fmt: skip
    return analyse("explain", options, progress, model=model)[1]


def timeline(
    model: Model,
    prompt: str,
    subject: str,
    *,
    occurrence: Optional[int] = None,
    token: Optional[str] = None,
    bos: Optional[str] = None,
    samples: Optional[int] = None,
    window: Optional[int] = None,
    share: Optional[float] = None,
    seed: Optional[int] = None,
    token_budget: Optional[int] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Where along the layers a subject is collected, where the last token fetches what it says, and where the answer takes shape.

    ``samples``: draws of the noise on the subject (10). ``window``: layers restored together (0: in proportion to the model).
    ``share``: of the largest effect, which a phase's first and last layer reach (0.5).
    """
    options = {
        "prompt": prompt, "subject": subject, "occurrence": occurrence, "token": token, "bos": bos, "samples": samples,
        "window": window, "share": share, "seed": seed, "token_budget": token_budget,
    }  # fmt: skip
    return analyse("timeline", options, progress, model=model)[1]


def effects(
    model: Model,
    index: PathLike,
    *,
    layers: Optional[Sequence[int]] = None,
    cells: Optional[int] = None,
    triggers: Optional[int] = None,
    longest: Optional[int] = None,
    token_budget: Optional[int] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Switches each cell off at its own best ``triggers`` (1) and runs all behind it again: what the next token of the text
    loses, in nats of log p. ``cells`` of each layer, those with the largest contributions (100; 0: all). ``longest``: tokens of
    a prefix (128)."""
    options = {
        "index": index, "layers": layers, "cells": cells, "triggers": triggers, "longest": longest,
        "token_budget": token_budget,
    }  # fmt: skip
    return analyse("effects", options, progress, model=model)[1]


def knowledge(
    model: Model,
    prompt: Optional[str] = None,
    *,
    answer: Optional[str] = None,
    paraphrases: Optional[Sequence[str]] = None,
    facts: Optional[PathLike] = None,
    limit: Optional[int] = None,
    bos: Optional[str] = None,
    steps: Optional[int] = None,
    threshold: Optional[float] = None,
    shared: Optional[float] = None,
    sizes: Optional[Sequence[int]] = None,
    draws: Optional[int] = None,
    seed: Optional[int] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Which cells hold a fact: knowledge neurons by integrated gradients of ``steps`` steps (20), and what is left without them.

    A ``prompt``, or a file of ``facts``. ``threshold``: a prompt's cells, as a share of its largest attribution (0.2).
    ``shared``: a fact's neurons are cells of more than this share of its prompts (0.7). ``sizes``: of the damage curves, in
    cells. ``draws``: random sets of cells to compare with (5).
    """
    options = {
        "prompt": prompt, "answer": answer, "paraphrases": paraphrases, "facts": facts, "limit": limit, "bos": bos,
        "steps": steps, "threshold": threshold, "shared": shared, "sizes": sizes, "draws": draws, "seed": seed,
    }  # fmt: skip
    return analyse("knowledge", options, progress, model=model)[1]


def layers(
    model: Model,
    prompt: Optional[str] = None,
    *,
    answer: Optional[str] = None,
    paraphrases: Optional[Sequence[str]] = None,
    facts: Optional[PathLike] = None,
    limit: Optional[int] = None,
    bos: Optional[str] = None,
    window: Optional[int] = None,
    token_budget: Optional[int] = None,
    progress: Progress = None,
) -> MemoryResult:
    """What the model says with one layer left out, two neighbours swapped, or feed-forward networks or attention of one layer or
    of ``window`` layers (10) put out of action: KL in nats, and the share of prompts whose likeliest token stays."""
    options = {
        "prompt": prompt, "answer": answer, "paraphrases": paraphrases, "facts": facts, "limit": limit, "bos": bos,
        "window": window, "token_budget": token_budget,
    }  # fmt: skip
    return analyse("layers", options, progress, model=model)[1]


def set(
    model: Model,
    prompt: str,
    settings: Sequence[str],
    *,
    bos: Optional[str] = None,
    max_new: Optional[int] = None,
    top: Optional[int] = None,
    progress: Progress = None,
) -> MemoryResult:
    """Continues a prompt with cells set, beside the model as it is. ``settings``: "L12D771=off", "=on", "=2.5", "=x0.5", each
    with "@last", "@generated" or positions such as "@0,4" behind it. ``max_new``: tokens, at most (20)."""
    options = {"prompt": prompt, "settings": settings, "bos": bos, "max_new": max_new, "top": top}
    return analyse("set", options, progress, model=model)[1]
