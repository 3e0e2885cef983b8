"""Statistics on disk, the second moments C = E[k k^T] [d_ff, d_ff] that edits rest on: shown, merged, imported, exported.

>>> from emend import statistics
>>> statistics.show("stats").to_frame()

Each command of ``emend stats`` is a function here; :meth:`emend.Model.statistics` collects them. Layers count from 0.
"""

from __future__ import annotations

from typing import Optional, Sequence

from . import _core
from ._model_base import ModelBase
from ._progress import Progress, Watcher
from .facts import PathLike
from .study_results import ImportanceMatrix, StatisticsFolder

__all__ = ["export_imatrix", "import_moments", "merge", "show"]


def show(
    folder: PathLike,
    *,
    spectra: Sequence[int] = (),
    model: Optional[ModelBase] = None,
    bos: str = "auto",
    progress: Progress = None,
) -> StatisticsFolder:
    """The layers of a folder: tokens, condition, effective rank and the estimated error of C^-1 k, as ``emend stats show``
    lists them. ``spectra``: layers whose eigenvalues are told. With ``model`` raises ModelError unless they are of that model
    (with ``bos``). Raises IoError if there is no such folder, FormatError if it holds no layer."""
    if model is not None:
        model._core.require_statistics(folder, bos)
    with Watcher(progress) as watcher:
        return StatisticsFolder._of(_core.show_statistics(folder, list(spectra), watcher))


def merge(folders: Sequence[PathLike], out: PathLike, *, progress: Progress = None) -> StatisticsFolder:
    """Joins statistics into ``out`` as if one run had summed all their text: the shards of a run, or runs over different text,
    as ``emend stats merge`` does. Sums are added in float64."""
    with Watcher(progress) as watcher:
        return StatisticsFolder._of(_core.merge_statistics({"folders": list(folders), "out": out}, watcher))


def import_moments(
    model: ModelBase,
    files: Sequence[PathLike],
    out: PathLike,
    *,
    trust_model_name: bool = False,
    bos: str = "auto",
    progress: Progress = None,
) -> StatisticsFolder:
    """Takes second moments of other programs into ``out``, as ``emend stats import`` does: archives of kmeng01/rome or memit
    (.npz, one a layer), or the diagonals of an importance matrix of llama.cpp.

    These files say their model by a name only, or not at all: ``trust_model_name=True`` says that they are of ``model``.
    Without it raises UsageError.
    """
    options = {"files": list(files), "out": out, "bos": bos, "trust_model_name": trust_model_name}
    with Watcher(progress) as watcher:
        return StatisticsFolder._of(model._core.import_statistics(options, watcher))


def export_imatrix(folder: PathLike, out: PathLike) -> ImportanceMatrix:
    """Writes the diagonals of C as an importance matrix of llama.cpp (GGUF), as ``emend stats export`` does; it has entries
    for the down projections of the folder's layers only."""
    return ImportanceMatrix._of(_core.export_imatrix(folder, out))
