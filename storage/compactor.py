"""Compactor: a thread that compacts logs in the background at a bounded rate.

It lives while there is work and ends with it. Must not know what compaction does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from storage.errors import StorageError
from storage.log.log import Log

# Bytes read and written a second, so that compaction leaves the disk and the processor to appends and readers.
BYTES_PER_SECOND = 64 << 20


class Compactor:
    """At most one thread; `start` when there may be work, `stop` before the logs are closed."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, logs: Iterable[Log]) -> None:
        """Go over `logs` unless the thread is still busy with those it was given before."""
        chosen = [log for log in logs if log.context.config.compacts and log.failure is None]
        with self._lock:
            busy = self._thread is not None and self._thread.is_alive()
            if not chosen or busy or self._stopping.is_set():
                return
            self._thread = threading.Thread(target=self._run, args=(chosen,), name="storage-compactor", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Break the work off and wait for the thread; what was compacted stays so."""
        self._stopping.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self, logs: list[Log]) -> None:
        """Compact one after the other. A log that stops keeps its error; where space is missing the next time tries
        again, and a log that was closed needs nothing.
        """
        for log in logs:
            try:
                log.compact(self._now_ms(), self._pace)
            except StorageError:
                continue

    def _pace(self, size: int) -> bool:
        """Wait as long as reading or writing `size` bytes may take; False when it is time to stop."""
        return not self._stopping.wait(size / BYTES_PER_SECOND)
