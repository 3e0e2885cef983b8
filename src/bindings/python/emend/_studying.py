"""Studies of a model: where facts are kept, statistics of its keys, benchmarks of editors."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from ._model_base import Layers, ModelBase, layer_options
from ._progress import Progress, Watcher
from .facts import PathLike
from .results import Evaluation, StatisticsResult, Trace


class Studying(ModelBase):
    """The calls that study a model."""

    def locate(
        self,
        prompt: Optional[str] = None,
        subject: Optional[str] = None,
        *,
        answer: Optional[str] = None,
        occurrence: int = 0,
        facts: Optional[PathLike] = None,
        limit: int = 0,
        out: Optional[PathLike] = None,
        resume: bool = False,
        form: str = "raw",
        bos: str = "auto",
        noise: str = "s3",
        reference_noise: bool = False,
        samples: int = 10,
        window: int = 0,
        knockout_window: int = 0,
        exact_share: float = 1.0,
        estimates: bool = False,
        severed: bool = True,
        knockout: bool = True,
        trial: int = 0,
        trial_layers: Optional[Sequence[int]] = None,
        check: int = 0,
        trial_data: Optional[PathLike] = None,
        trial_dataset: Optional[str] = None,
        method: Optional[str] = None,
        keep_decision: bool = False,
        statistics: Optional[PathLike] = None,
        seed: int = 0,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Trace:
        """Where the model keeps a fact, by causal tracing, as ``emend locate`` finds it (docs/locate.md).

        Either a ``prompt`` with its ``subject``, or a file of ``facts``. ``samples``: corrupted runs of each fact. ``noise``:
        "s3" is 3 standard deviations of the subjects' embeddings. ``window``: layers restored together; 0: 10 of 48, in
        proportion. ``trial``: edit so many facts of the file at several layers and decide by the measured scores.
        ``keep_decision``: keep the decision in the statistics folder, where ``layer: auto`` looks for it; a trial must have
        edited 10 facts at least.
        """
        options = {
            "prompt": prompt,
            "subject": subject,
            "answer": answer,
            "occurrence": occurrence,
            "facts": facts,
            "limit": limit,
            "out": out,
            "resume": resume,
            "form": form,
            "bos": bos,
            "noise": noise,
            "reference_noise": reference_noise,
            "samples": samples,
            "window": window,
            "knockout_window": knockout_window,
            "exact_share": exact_share,
            "estimates": estimates,
            "severed": severed,
            "knockout": knockout,
            "trial": trial,
            "trial_layers": None if trial_layers is None else list(trial_layers),
            "check": check,
            "trial_data": trial_data,
            "trial_dataset": trial_dataset,
            "method": method,
            "keep_decision": keep_decision,
            "statistics": statistics,
            "seed": seed,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return Trace._of(self._core.locate(options, watcher))

    def statistics(
        self,
        folder: Optional[PathLike] = None,
        *,
        corpus: Optional[Sequence[PathLike]] = None,
        text_field: str = "text",
        layers: Optional[Sequence[int]] = None,
        tokens: int = 0,
        until: Optional[float] = None,
        bos: str = "auto",
        seed: int = 0,
        window: int = 512,
        memory_bytes: int = 0,
        resume: bool = False,
        texts: bool = True,
        plan_only: bool = False,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> StatisticsResult:
        """Collects second moments of the keys, C = E[k k^T] [d_ff, d_ff] of each layer, into ``folder`` (None: the one beside
        the model where :meth:`edit` looks for them), as ``emend stats`` does.

        ``corpus``: files and folders of text; None: the model writes the text. ``tokens``: keys to sum; 0: 5 times d_ff of
        own text, 10 times of a corpus; -1: the whole corpus. ``until``: stop when the estimated error of every layer is at most
        this. ``texts``: also keep there what every edit asks the unedited model, so that the first edit need not ask.
        ``plan_only``: only say what it would take.
        """
        options = {
            "folder": folder,
            "corpus": None if corpus is None else list(corpus),
            "text_field": text_field,
            "layers": None if layers is None else list(layers),
            "tokens": tokens,
            "until": until,
            "bos": bos,
            "seed": seed,
            "window": window,
            "memory_bytes": memory_bytes,
            "resume": resume,
            "texts": texts,
            "plan_only": plan_only,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return StatisticsResult._of(self._core.statistics(options, watcher))

    def evaluate(
        self,
        dataset: str,
        data: PathLike,
        out: PathLike,
        *,
        methods: Sequence[str] = (),
        method_files: Sequence[PathLike] = (),
        layer: Layers = None,
        records: Tuple[int, int] = (0, -1),
        known: bool = False,
        mode: str = "single",
        curve: Optional[str] = None,
        statistics: Optional[PathLike] = None,
        form: str = "raw",
        bos: str = "auto",
        seed: int = 0,
        plus: bool = False,
        edited_neighbours: bool = False,
        other_subjects: int = 0,
        hold_out: bool = False,
        both_forms: bool = False,
        natural: int = 0,
        sampled: int = 0,
        temperature: float = 1.0,
        forms: str = "",
        forms_file: Optional[PathLike] = None,
        generations: int = -1,
        snippets: Optional[PathLike] = None,
        idf: Optional[PathLike] = None,
        drift_text: Optional[PathLike] = None,
        drift_tokens: int = 256,
        resume: bool = False,
        token_budget: Optional[int] = None,
        progress: Progress = None,
    ) -> Evaluation:
        """Records of a data set through one or several methods, each edited model measured beside the unedited one, as
        ``emend eval`` runs it (docs/evaluation.md). Results and reports are written into ``out``.

        ``records``: the first one and the one behind the last, among the usable ones; -1: all that follow. ``mode``: "single",
        "batch:N" or "sequential:N". ``generations``: free texts a record; -1: all.
        ``other_subjects``: of a record that names none, for bleed; ``hold_out``: every second other subject is measured and not
        protected; ``both_forms``: prompts, paraphrases and neighbours in the other form as well; ``natural``: tokens within which
        the model is to end its text itself, 0: not asked; ``sampled``: texts of each prompt that are drawn at ``temperature``.
        ``forms``: "all", or names of other forms of the facts separated by commas (docs/forms.md), in the wordings of emend and of
        ``forms_file``.
        """
        options = {
            "dataset": dataset,
            "data": data,
            "out": out,
            "methods": list(methods),
            "method_files": list(method_files),
            **layer_options(layer),
            "first_record": records[0],
            "end_record": records[1],
            "known": known,
            "mode": mode,
            "curve": curve,
            "statistics": statistics,
            "form": form,
            "bos": bos,
            "seed": seed,
            "plus": plus,
            "edited_neighbours": edited_neighbours,
            "other_subjects": other_subjects,
            "hold_out": hold_out,
            "both_forms": both_forms,
            "natural": natural,
            "sampled": sampled,
            "temperature": temperature,
            "forms": forms,
            "forms_file": forms_file,
            "generations": generations,
            "snippets": snippets,
            "idf": idf,
            "drift_text": drift_text,
            "drift_tokens": drift_tokens,
            "resume": resume,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return Evaluation._of(self._core.evaluate(options, watcher))
