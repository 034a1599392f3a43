"""Work on a stream of items by a few threads, a little ahead of whoever takes the answers, which come in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlengine.workers import default_threads

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def mapped(work: Callable[[Item], Answer], items: Iterable[Item], threads: int = 0) -> Iterator[Answer]:
    """`work` of every item, in order; at most one item more than there are threads is waited for. The first item is
    worked on by the caller, so that a single one costs no thread. Raises what `work` raised, at its item's place."""
    threads = threads or default_threads()
    coming = iter(items)
    for first in coming:
        yield work(first)
        break
    if threads == 1:
        yield from map(work, coming)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="warehouse")
    waiting: deque[Future[Answer]] = deque()
    try:
        for item in coming:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
