"""A lock between a thread that always has more to do and one that is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PAUSE_S = 0.0005


class Turns:
    """Whoever reads goes next: a plain lock would let the thread that feeds take it again and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """For one thread that draws and takes keys."""
        self._waiting += 1
        self._lock.acquire()
        self._waiting -= 1
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def feeding(self) -> Iterator[None]:
        """For the thread that brings what is drawn; to be held for short."""
        while self._waiting:
            time.sleep(_PAUSE_S)
        with self._lock:
            yield
