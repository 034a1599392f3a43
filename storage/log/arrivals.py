"""Arrivals: readers that have nothing to read wait here, appenders wake them. One for all topics of a storage.

Must not know logs: who waits says what it waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Arrivals:
    """A condition that costs appenders one comparison while nobody waits."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting = 0

    def signal(self) -> None:
        """Something that a reader may wait for has happened; to be called after it can be seen."""
        if self._waiting:
            with self._condition:
                self._condition.notify_all()

    def wait_for(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Return when `ready()`, asked after every signal, or after `timeout_s` seconds; the last answer of it."""
        with self._condition:
            self._waiting += 1
            try:
                return self._condition.wait_for(ready, timeout_s)
            finally:
                self._waiting -= 1
