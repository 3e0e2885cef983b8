"""Runs that take files and no model in memory."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from . import _core
from ._model_base import heard
from ._progress import Progress, Watcher
from .errors import CheckFailed, UsageError
from .facts import PathLike
from .file_results import Conversion, ModelCheck, QuestionExport, Reproduction, Reversion
from .study_results import Comparison, Divergence


def compare(a: PathLike, b: PathLike, *, seed: int = 0, draws: int = 10000) -> Comparison:
    """Two result folders of :meth:`Model.evaluate` over the records that both evaluated: each metric's difference with its
    95 % interval and p by a paired bootstrap of ``draws`` draws, as ``emend eval compare`` tells it (docs/evaluation.md).

    Warns where the runs are of different models, data or settings. Raises ConfigError if no record is shared.
    """
    return Comparison._of(heard(_core.compare_runs(a, b, {"seed": seed, "draws": draws})))


def kl(
    model: PathLike,
    base: PathLike,
    *,
    patches: Sequence[PathLike] = (),
    quantised: Optional[PathLike] = None,
    edited_quantised: Optional[PathLike] = None,
    text: Optional[PathLike] = None,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int = 0,
    bos: str = "auto",
    seed: int = 0,
    token_budget: Optional[int] = None,
    progress: Progress = None,
) -> Divergence:
    """How far a model, edited and quantised, is from a base on a text, as ``emend eval kl`` tells it (docs/kl.md).

    All are paths, since one model at a time is loaded. ``base``: a file of :meth:`Model.write_kl_base` or llama-perplexity;
    ``text``: the text that it must be of. ``patches``: in the order in which they stack. ``quantised``: the same model in
    fewer bits; ``edited_quantised``: the edited one (None: the patches are laid on ``quantised``).
    """
    options = {
        "model": model,
        "base": base,
        "patches": list(patches),
        "quantised": quantised,
        "edited_quantised": edited_quantised,
        "text": text,
        "device": device,
        "dtype": dtype,
        "threads": threads,
        "bos": bos,
        "seed": seed,
        "token_budget": token_budget,
    }
    with Watcher(progress) as watcher:
        return Divergence._of(heard(_core.kl(options, watcher)))


def revert(model: PathLike, undo: Optional[PathLike] = None) -> Reversion:
    """Takes back the last ``apply(in_place=True)`` of a model file or folder: its files are as they were, byte for byte,
    checked by their SHA-256, as ``emend patch revert`` does.

    ``undo``: the undo file; None: the last one of the model. Models that are in memory stay as they are. Raises IoError if
    there is no undo file, ModelError if a file is neither as before nor as after the write.
    """
    return Reversion._of(_core.revert(model, undo))


def check_model(
    path: PathLike,
    *,
    headers: bool = False,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int = 0,
    progress: Progress = None,
) -> ModelCheck:
    """What a model file is and what works with it, as ``emend model check`` tells it: roles of tensors, norms, memory of each
    kind of work, and what is not supported. Then all of it is loaded and freed again, unless ``headers``.

    A file that emend cannot load is no error, as long as its headers can be read: ``passed`` is false and ``reason`` says why.
    Raises FormatError for broken headers, and what :func:`emend.load` raises for broken weights.
    """
    options = {"headers": headers, "device": device, "dtype": dtype, "threads": threads}
    with Watcher(progress) as watcher:
        return ModelCheck._of(_core.check_model(path, options, watcher)[1])


def convert(dataset: str, file: PathLike, out: PathLike, *, limit: int = 0) -> Conversion:
    """Writes the records of a data set as an edit file, as ``emend convert facts`` does; as JSON lines if ``out`` ends in
    ".jsonl". ``dataset``: "counterfact", "zsre", ... (docs/evaluation.md). ``limit``: edits at most; 0: all.

    Records that an edit file cannot hold are left out and counted. Raises ConfigError if none fits; nothing is written then.
    """
    return Conversion._of(_core.convert_facts({"dataset": dataset, "file": file, "out": out, "limit": limit}))


def export_harness(source: PathLike, out: PathLike) -> QuestionExport:
    """For lm-evaluation-harness: the questions of an edit file as its tasks, or the folder of a benchmark or of
    :meth:`Model.abilities` as the files that it writes, as ``emend export harness`` does."""
    return QuestionExport._of(_core.export_harness(source, out))


def export_promptfoo(
    edits: PathLike, out: PathLike, *, provider: str = "openai:completion:edited", url: str = ""
) -> QuestionExport:
    """The questions of an edit file as a configuration of promptfoo, ``out``/promptfooconfig.yaml, as ``emend export
    promptfoo`` writes it. ``provider``: who is asked, as promptfoo names it; ``url``: where an OpenAI-like server answers."""
    return QuestionExport._of(_core.export_promptfoo(edits, out, provider, url))


def _program() -> str:
    package = importlib.util.find_spec("emend")
    for folder in (package and package.submodule_search_locations) or ():
        if (Path(folder) / "bin" / "emend").exists():
            return os.fspath(Path(folder) / "bin" / "emend")
    found = shutil.which("emend")
    if found is None:
        raise UsageError("the program emend is needed, which a wheel brings: name it with program=")
    return found


def _environment() -> Dict[str, str]:
    import torch

    libraries = [os.path.join(os.path.dirname(file), "lib") for file in (__file__, torch.__file__)]
    libraries.append(os.environ.get("LD_LIBRARY_PATH", ""))
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(path for path in libraries if path)}


def reproduce(
    file: PathLike,
    *,
    model: Optional[PathLike] = None,
    out: Optional[PathLike] = None,
    program: Optional[PathLike] = None,
) -> Reproduction:
    """Repeats a run of ``emend edit`` or ``emend eval`` from the file that it left (PATCH.reproduce.json, reproduce.json), and
    compares what it makes byte for byte, as ``emend reproduce`` does.

    ``model``: where the model is now; None: where it was. ``out``: keeps what is made. The run itself is the program's:
    ``program`` names it; None: the one in the wheel, or on the PATH. Warns with :class:`CheckFailed` if a byte differs. Raises
    ConfigError, before anything is run, for inputs or a model that have changed.
    """
    command = _program() if program is None else os.fspath(program)

    def run(arguments: List[str]) -> Tuple[int, str]:
        done = subprocess.run(
            [command, *arguments],
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        return done.returncode, done.stderr.strip()

    reproduced, report = _core.reproduce(file, {"model": model, "out": out}, run)
    if not reproduced:
        warnings.warn("reproduce: an output has other bytes", CheckFailed, stacklevel=2)
    return Reproduction._of(report)
