"""How much memory DuckDB may take: one number of the process, as is its database; `sqlengine/duck.py` opens that.

Beyond it DuckDB writes to its own temporary directory: it has one, which cannot be another once it was used.
"""

from __future__ import annotations

import threading
from typing import Any

_lock = threading.Lock()
_limits: dict[int, int] = {}
_roots: list[Any] = []


def opened(root: Any) -> None:
    """DuckDB has been opened: the limits told so far hold."""
    with _lock:
        _roots.append(root)
        if _limits:
            _apply()


def closed() -> None:
    """It is not open any more."""
    with _lock:
        _roots.clear()


def limit(owner: int, bytes_: int) -> None:
    """An owner lets DuckDB have at most so many bytes; 0: as many as it likes. Of what several say the least counts."""
    with _lock:
        known = _limits.pop(owner, 0)
        if bytes_:
            _limits[owner] = bytes_
        if known or bytes_:
            _apply()


def _apply() -> None:
    least = min(_limits.values(), default=0)
    for root in _roots:
        root.cursor().execute(f"SET GLOBAL memory_limit = '{least} B'" if least else "RESET GLOBAL memory_limit")
