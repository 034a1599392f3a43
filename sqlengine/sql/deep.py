"""Runs parsers and tree walks on one thread with a large stack, so that deep text cannot overflow the
caller's.

The caller may itself be deep in recursion, and sqlglot needs about twenty frames per parenthesis.  The worker
is shared by all sessions (parsing holds the interpreter lock anyway) and is made again after a fork.  It must
run nothing that waits.

What is not deep, which is nearly all there is, runs under the interpreter's own limit of recursion.  Only what fails by
it is run once more under a higher one, because CPython (3.11 at least) reads the limit twice when it makes the state of
a thread, and a library's thread that begins between a change and the next is left without depth.  So a call must be one
that can be made again: it may change nothing that outlives it.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from sqlengine.errors import TooComplex

P = ParamSpec("P")
T = TypeVar("T")

STACK_BYTES = 256 * 1024 * 1024
RECURSION_LIMIT = 60_000
_FALLBACK_STACKS = (STACK_BYTES, 64 * 1024 * 1024, 16 * 1024 * 1024)


class _Job:
    """A call on its way to the worker and its outcome on the way back."""

    __slots__ = ("call", "done", "error", "value")

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.done = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None


class _Worker:
    """The thread and its queue."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self.thread = self._start()

    def _start(self) -> threading.Thread:
        for size in _FALLBACK_STACKS:
            before = threading.stack_size(size)
            try:
                thread = threading.Thread(target=self._serve, name="sqlengine-parser", daemon=True)
                thread.start()
                return thread
            except RuntimeError:  # address space limited: a smaller stack must do
                continue
            finally:
                threading.stack_size(before)
        raise TooComplex("no memory for the parser's stack")

    def _serve(self) -> None:
        while True:
            _run(self.jobs.get())

    def alive(self) -> bool:
        """False in a forked child and after the interpreter took the thread down."""
        return self.pid == os.getpid() and self.thread.is_alive()


def _run(job: _Job) -> None:
    try:
        job.value = job.call()
    except RecursionError:
        _run_deeply(job)
    except BaseException as err:  # noqa: BLE001 - handed to the caller, who raises it
        job.error = err
    job.done.set()


def _run_deeply(job: _Job) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
    try:
        job.value = job.call()
    except BaseException as err:  # noqa: BLE001 - handed to the caller, who raises it
        job.error = err
    finally:
        sys.setrecursionlimit(limit)


_lock = threading.Lock()
_worker: _Worker | None = None


def run(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`call(*args, **kwargs)` on the large stack, once more if it is deep; its exceptions come back, RecursionError as
    TooComplex (54001)."""
    worker = _current()
    if threading.current_thread() is worker.thread:
        return call(*args, **kwargs)
    job = _Job(lambda: call(*args, **kwargs))
    worker.jobs.put(job)
    job.done.wait()
    if job.error is None:
        return job.value  # type: ignore[no-any-return]
    if isinstance(job.error, (RecursionError, MemoryError)):
        raise TooComplex("statement is too complex", hint="name parts of it in WITH or in a view")
    try:
        raise job.error
    finally:
        job.error = None  # the traceback would keep the frames alive


def _current() -> _Worker:
    global _worker
    with _lock:
        if _worker is None or not _worker.alive():
            _worker = _Worker()
        return _worker
