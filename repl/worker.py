"""One thread that talks to the session, so that the main thread always hears Ctrl-C.

Python delivers signals to the main thread between byte codes; a main thread inside a long native call would
not hear them.  All calls go to the same thread, because sessions may keep resources per thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

_PATIENCE_S = 10.0
"""How long close() waits for what still runs."""


class Job:
    """One call on the worker: wait for it, then take its result."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._done = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Make the call (on the worker's thread) and keep what came of it."""
        try:
            self._value = self._call()
        except BaseException as error:  # noqa: BLE001 - handed over to result(), nothing is lost
            self._error = error
        self._done.set()

    def wait(self, timeout_s: float | None) -> bool:
        """True once the call has ended."""
        return self._done.wait(timeout_s)

    def result(self) -> Any:
        """The call's value, or its exception raised here; to be taken once, after wait() said True."""
        value, error = self._value, self._error
        self._value = self._error = None
        if error is None:
            return value
        try:
            raise error
        finally:
            del error  # its traceback holds this frame: without this neither would ever be freed by itself


class Worker:
    """A daemon thread that runs jobs in order."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sqlengine-session", daemon=True)
        self._thread.start()

    def submit(self, call: Callable[[], Any]) -> Job:
        """Queue a call."""
        job = Job(call)
        self._jobs.put(job)
        return job

    def close(self) -> None:
        """End the thread after the jobs that are queued, and with it what the session keeps per thread."""
        self._jobs.put(None)
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
