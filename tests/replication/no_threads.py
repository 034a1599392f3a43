"""The replication without threads of its own, so that what a simulation does is a history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from storage.replication import departure, manager
from storage.replication.manager import Replication


class AtOnce:
    """An executor that does everything in the thread that asks for it, so that a seed is a history."""

    def __init__(self, *arguments: object, **named: object) -> None:
        pass

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        pass


@contextmanager
def without_threads() -> Iterator[None]:
    """The replication with no thread of its own: the simulation calls `tend`."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(manager, "ThreadPoolExecutor", AtOnce))
        stack.enter_context(patch.object(Replication, "start", lambda self: None))
        stack.enter_context(patch.object(departure, "ROUND_SECONDS", 0))
        yield
