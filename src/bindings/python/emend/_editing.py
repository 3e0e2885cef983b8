"""Patches that a model makes: edits, and what they would take."""

from __future__ import annotations

import os
import warnings
from typing import Any, Dict, Optional, Union, cast

from ._model_base import Layers, ModelBase, heard, layer_options
from ._progress import Progress, Watcher
from .errors import CheckFailed
from .facts import Edits, PathLike, edit_file_options
from .file_results import FirstEdit
from .patch import Patch, PatchedModel, warn_of_failed_checks
from .results import EditResult, Plan


class Editing(ModelBase):
    """The calls that make patches."""

    def _edit_options(
        self,
        edits: Edits,
        settings: Dict[str, Any],
        layer: Layers,
        method: Optional[str],
        statistics: Optional[PathLike],
        form: Optional[str],
        bos: Optional[str],
        end: Optional[str],
        protect: Optional[str],
        run: Dict[str, Any],
    ) -> Dict[str, Any]:
        said = {
            **layer_options(layer),
            "method": method,
            "statistics": statistics,
            "form": form,
            "bos": bos,
            "end": end,
            "protect": protect,
        }
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
        end: Optional[str] = None,
        protect: Optional[str] = None,
        seed: int = 0,
        keep_going: bool = False,
        on: Optional[PathLike] = None,
        budget_drift: Union[None, float, str] = None,
        budget_batch: int = 0,
        run_file: Optional[PathLike] = None,
        resume: bool = False,
        memory_bytes: int = 0,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Patch:
        """Makes and checks a patch, as ``emend edit`` does; the model stays as it is.

        ``edits``: the path of an edit file, one :class:`Fact`, several, or a mapping with the keys of an edit file. ``method``,
        ``layer``, ``statistics``, ``form``, ``bos``, ``end`` and ``protect`` take the place of what a file says. ``end``: whether the
        model is taught to end its text behind the target: "auto" (in chat form, by methods that can), "eos" (in either
        form; ConfigError if the method or the model cannot), "none". ``result.to_dict()["end"]`` says what was done, and
        ``result.warnings`` names facts behind whose target the text still goes on. ``protect``: whose answers to the edited
        prompts stay: "none", "neighbours", "auto"; None: what the file says, else "auto" by methods that can and up to 100 edits,
        "none" otherwise. ``statistics``: a folder of second
        moments; None: the one beside the model. Moments that are missing are collected from text that the model writes, and
        saved there. ``on``: the file of a patch whose facts are solved together with these. ``keep_going``: leave out facts
        whose search fails.

        ``budget_drift``: stop adding facts when the perplexity of held text, edited over base, passes this ratio, 1.05 for
        example, or with "kl:0.02" the mean KL in nats; measured after every ``budget_batch`` facts (0: a tenth of them). Only
        methods that carry earlier facts (bulk and its kin) take it; ``patch.result.to_dict()["budget"]`` tells what was left
        out. ``run_file``: where found values are kept meanwhile, so that the same call with ``resume=True`` goes on from them
        after a stop; delete it when the patch is saved.

        Warns with :class:`CheckFailed` if a check does not hold; ``patch.result`` has the figures. Raises ConfigError for
        edits that cannot be, NumericError for a search that fails.
        """
        run = {
            "seed": seed,
            "keep_going": keep_going,
            "on": on,
            "budget_drift": "" if budget_drift is None else str(budget_drift),
            "budget_batch": budget_batch,
            "run_file": run_file,
            "resume": resume,
            "memory_bytes": memory_bytes,
            "token_budget": token_budget,
        }
        settings = {"options": options, "checks": checks}
        given = self._edit_options(edits, settings, layer, method, statistics, form, bos, end, protect, run)
        with Watcher(progress) as watcher:
            core, report = self._core.edit(given, watcher)
        result = EditResult._of(report)
        warn_of_failed_checks("the edit", result.checks, stacklevel=2)
        budget = result.to_dict().get("budget")
        if budget and budget["left_out"]:
            left_out = ", ".join(budget["left_out"])
            warnings.warn(f"the edit: the drift budget left out {left_out}", CheckFailed, stacklevel=2)
        return Patch(core, "patch", cast(PatchedModel, self), result)

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
        end: Optional[str] = None,
        protect: Optional[str] = None,
        seed: int = 0,
        on: Optional[PathLike] = None,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Plan:
        """Layers, conflicts and costs of edits without a search, as ``emend edit --dry-run`` tells them."""
        run = {
            "seed": seed,
            "keep_going": False,
            "on": on,
            "budget_drift": "",
            "budget_batch": 0,
            "run_file": None,
            "resume": False,
            "memory_bytes": 0,
            "token_budget": token_budget,
        }
        given = self._edit_options(edits, {"options": options}, layer, method, statistics, form, bos, end, protect, run)
        with Watcher(progress) as watcher:
            return Plan._of(self._core.plan(given, watcher))

    def init_file(
        self,
        path: PathLike,
        *,
        form: str = "raw",
        bos: str = "auto",
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> FirstEdit:
        """Writes a first edit file with comments on every key, about a fact that this model knows, as ``emend init`` does.

        ``path`` ends in ".yaml". Warns if the model knows none of the facts that it is asked. Raises IoError for a file that
        is there already: it stays as it is.
        """
        opening = [
            "A first edit file. Every text in it may be changed; docs/formats.md has all keys.",
            f"model.plan({os.fspath(path)!r})    what the model says now, and what the edit costs",
            f"model.edit({os.fspath(path)!r})    edit, check, and give a patch",
            "",
        ]
        options = {"opening": opening, "form": form, "bos": bos, "token_budget": token_budget}
        with Watcher(progress) as watcher:
            return FirstEdit._of(heard(self._core.init_file(path, options, watcher)))
