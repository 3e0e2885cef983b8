"""The library's names of options, as a call from Python spells them."""

from __future__ import annotations

import re

_QUOTED_OR_OPTION = re.compile(r'"(?:[^"\\]|\\.)*"|\b([Tt]he option) ([a-z]+(?:-[a-z]+)+)')
_OTHER_NAMES = {"answer-tokens": "tokens", "subject-occurrence": "occurrence"}


def with_keywords(message: str) -> str:
    """A message of the library with keywords for its options: "the option false-alarms" becomes "the option false_alarms".

    What stands in double quotes is somebody's own text and stays.
    """

    def spelled(found: re.Match[str]) -> str:
        name = found[2]
        return found[0] if name is None else f"{found[1]} {_OTHER_NAMES.get(name, name.replace('-', '_'))}"

    return _QUOTED_OR_OPTION.sub(spelled, message)
