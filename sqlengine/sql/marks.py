"""What stands in DuckDB's text for values known only when it is run: the time, the tick, the statement's number.

A mark inside a string or a quoted name is text like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NOW = "$now"
"""The time of the statement."""
TICK = "$current_tick"
"""The number of the tick that is read: what `current_tick()` says."""
STATEMENT = "$pg"
"""The number under which PostgreSQL's functions of its catalog are answered."""

_QUOTED_OR_MARK = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?:now|current_tick|pg)\b""")


def fill_marks(text: str, values: Mapping[str, str]) -> str:
    """The text with each mark replaced by its value; marks without one stay."""
    if "$" not in text:
        return text
    return _QUOTED_OR_MARK.sub(lambda found: values.get(found[0], found[0]), text)


def has_mark(text: str, mark: str) -> bool:
    """Whether a text has a mark to be replaced."""
    return mark in text and any(found == mark for found in _QUOTED_OR_MARK.findall(text))
