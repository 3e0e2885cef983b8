"""What patches do to a model besides their facts: abilities, divergence, and whether they survive."""

from __future__ import annotations

import os
import warnings
from typing import Iterable, Optional, Sequence, Union

from ._model_base import ModelBase, heard
from ._progress import Progress, Watcher
from .errors import CheckFailed
from .facts import PathLike
from .patch import Patch, named
from .study_results import Abilities, AnswerDivergence, Inspection, KlBase, Survival


class Measuring(ModelBase):
    """The calls that measure an edited model beside the unedited one."""

    def abilities(
        self,
        data: Sequence[PathLike],
        patches: Iterable[Patch] = (),
        *,
        out: Optional[PathLike] = None,
        bos: str = "auto",
        seed: int = 0,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Abilities:
        """Multiple-choice items by likelihood, before and after ``patches``, as ``emend eval abilities`` asks them
        (docs/abilities.md).

        ``data``: files in the form of MMLU, ARC, HellaSwag, BoolQ or PIQA, one form a file. ``out``: a folder for
        abilities.json and items.jsonl. ``seed``: of the interval of the difference. Raises FormatError naming file and line
        of an item of no known form, ModelError for a patch of another base.
        """
        options = {"data": list(data), "out": out, "bos": bos, "seed": seed, "token_budget": token_budget}
        with Watcher(progress) as watcher:
            return Abilities._of(heard(self._core.abilities(named(patches), options, watcher)))

    def survive(
        self,
        patches: Iterable[Patch],
        *,
        types: Sequence[str] = (),
        later: Iterable[Patch] = (),
        adapters: Sequence[PathLike] = (),
        statistics: Optional[PathLike] = None,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Survival:
        """The checks of ``patches`` once more, after the weights were rounded to each of ``types``, after ``later`` patches and
        with each of ``adapters`` merged, as ``emend eval survive`` tells it (docs/survival.md). No file is changed.

        ``types``: F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS. ``adapters``: folders with LoRA adapters of PEFT.
        ``statistics``: a folder of second moments, by which the rounding is weighted. Warns with :class:`CheckFailed` if a
        check does not hold under some condition. Raises UsageError if no condition is given.
        """
        options = {
            "types": list(types),
            "adapters": list(adapters),
            "statistics": statistics,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            result = Survival._of(heard(self._core.survive(named(patches), named(later), options, watcher)))
        if not result.passed:
            failed = dict.fromkeys(row["condition"] for row in result.rows if not row["passed"])
            warnings.warn(f"survive: a check failed: {', '.join(failed)}", CheckFailed, stacklevel=2)
        return result

    def write_kl_base(
        self,
        path: PathLike,
        text: PathLike,
        patches: Iterable[Patch] = (),
        *,
        context: int = 512,
        chunks: int = 0,
        bos: str = "auto",
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> KlBase:
        """Writes the base file of the model, with ``patches`` on it, on a text: what :func:`emend.kl` and llama-perplexity
        compare with (docs/kl.md). ``context``: tokens of a chunk; ``chunks``: at most so many, 0: all that the text fills."""
        options = {"text": text, "context": context, "chunks": chunks, "bos": bos, "token_budget": token_budget}
        with Watcher(progress) as watcher:
            return KlBase._of(heard(self._core.write_kl_base(named(patches), path, options, watcher)))

    def answer_kl(
        self,
        questions: Union[PathLike, Sequence[str]],
        patches: Iterable[Patch],
        *,
        tokens: int = 8,
        form: str = "chat",
        bos: str = "auto",
        seed: int = 0,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> AnswerDivergence:
        """How far ``patches`` move the model's own answers: KL divergence in nats over the first content ``tokens`` of the
        answer that the unedited model gives, as ``emend eval kl --questions`` tells it (docs/kl.md).

        ``questions``: a file with one a line, or the questions themselves. ``form`` "raw": texts that the model continues.
        """
        is_file = isinstance(questions, (str, os.PathLike))
        options = {
            "file": questions if is_file else None,
            "questions": None if is_file else list(questions),  # type: ignore[arg-type]
            "tokens": tokens,
            "form": form,
            "bos": bos,
            "seed": seed,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return AnswerDivergence._of(heard(self._core.answer_kl(named(patches), options, watcher)))

    def inspect(
        self,
        base: Optional[PathLike] = None,
        patches: Iterable[Patch] = (),
        *,
        subjects: Optional[PathLike] = None,
        unedited: Optional[PathLike] = None,
        edited_score: Optional[float] = None,
        false_alarms: Optional[float] = None,
        statistics: Optional[PathLike] = None,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Inspection:
        """What became of this checkpoint, as ``emend model inspect`` tells it: with the path of its ``base``, which weights differ,
        by what rank, and which of ``patches`` are in them; without, for how many facts it answers as they say.

        ``subjects``: a file with one a line, perhaps with a tab and a prompt: which of them were edited, without any patch
        (docs/disclosure.md)? It needs ``base``, and ``statistics`` of it (None: those beside it). ``edited_score``: from which
        score on one counts as edited, 0 to 1; or ``unedited``, a file of subjects that surely were not, and ``false_alarms``,
        the share of those that may count as edited (0.02). Raises ModelError for a base of another shape.
        """
        options = {
            "base": base,
            "subjects": subjects,
            "unedited": unedited,
            "edited_score": edited_score,
            "false_alarms": false_alarms,
            "statistics": statistics,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return Inspection._of(heard(self._core.inspect(named(patches), options, watcher)))
