"""Workers: the threads on which large batches are worked on, all of one database.

Kernels and Arrow let go of the interpreter's lock, so threads that run them really run side by side.  Operators never
start a thread: they are given Workers and hand over independent pieces of work.  Nothing here knows what the work is.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

THREADS_MAX = 4
"""As many threads are used at most when nobody says how many: beyond that memory is the limit."""

ROWS_MIN = 16_384
"""Fewer rows than this are not worth handing to another thread."""


def default_threads() -> int:
    """One a core this process may use, at most THREADS_MAX."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, THREADS_MAX)


class Workers:
    """Runs pieces of work on `threads` threads, the caller's included; threads start when first needed."""

    def __init__(self, threads: int) -> None:
        assert threads >= 1, "the caller's own thread is one"
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def worth(self, num_rows: int) -> bool:
        """Whether so many rows are better worked on by several threads."""
        return self.threads > 1 and num_rows >= ROWS_MIN

    def map(self, work: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
        """`work` of every item, in the items' order; raises what the first item that failed raised, after all ended."""
        todo = list(items)
        helpers = min(self.threads, len(todo)) - 1
        if helpers < 1:
            return [work(item) for item in todo]
        answers: dict[int, Answer] = {}
        failures: dict[int, BaseException] = {}
        turns = itertools.count()  # its next() is one step of the interpreter: no two threads get the same turn

        def run() -> None:
            while (turn := next(turns)) < len(todo):
                try:
                    answers[turn] = work(todo[turn])
                except BaseException as error:
                    failures[turn] = error

        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.threads - 1, thread_name_prefix="sqlengine-worker")
            pool = self._pool
        helping: list[Future[None]] = [pool.submit(run) for _ in range(helpers)]
        run()
        for helper in helping:
            if not helper.cancel():  # one that has not begun has nothing left to do
                helper.result()
        if failures:
            raise failures[min(failures)]
        return [answers[turn] for turn in range(len(todo))]

    def close(self) -> None:
        """End the threads; idempotent."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


ALONE = Workers(1)
"""The caller's thread and no other."""
