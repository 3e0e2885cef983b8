"""Progress of long calls: a bar of tqdm where that is installed, a function of the caller, or nothing."""

from __future__ import annotations

import sys
from typing import Any, Callable, Optional, Union

ProgressFunction = Callable[[str, int, int, str, str], None]
"""Called as (stage, done, total, unit, note); of remarks between stages the stage is empty."""

Progress = Union[None, bool, ProgressFunction]
"""None: a bar on a terminal and in a notebook, where tqdm is installed. True: in any case. False: nothing."""


def _is_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


class _Bar:
    """One bar a stage."""

    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._bar: Any = None
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int, unit: str, note: str) -> None:
        if stage != self._stage:
            self.close()
            self._stage = stage
            if stage:
                self._bar = self._tqdm(total=total, desc=stage, unit=f" {unit}", leave=False)
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Watcher:
    """The function that the extension calls, for the time of one call: ``with Watcher(progress) as function``."""

    def __init__(self, progress: Progress) -> None:
        self._function: Optional[ProgressFunction] = None
        if callable(progress):
            self._function = progress
            return
        wanted = (sys.stderr.isatty() or _is_notebook()) if progress is None else progress
        tqdm = _tqdm() if wanted else None
        if tqdm is not None:
            self._function = _Bar(tqdm)

    def __enter__(self) -> Optional[ProgressFunction]:
        return self._function

    def __exit__(self, *error: object) -> None:
        if isinstance(self._function, _Bar):
            self._function.close()
