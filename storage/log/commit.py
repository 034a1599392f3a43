"""Group commit: appenders that wait at the same time share one round of fsyncs, over all logs of a storage.

There is no commit thread and no window to tune: the first waiter syncs for everybody registered so far; who
arrives meanwhile waits for the next round, which the first of them leads. Must not know what it syncs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol


class Syncable(Protocol):
    """Something with bytes to make durable."""

    def sync_now(self) -> None:
        """Make all that was written before the call durable; keeps its own failure."""


class GroupCommit:
    """The rounds of one storage."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._dirty: dict[int, Syncable] = {}
        self._open_round = 1
        self._finished_round = 0
        self._syncing = False

    def wait_durable(self, targets: Iterable[Syncable]) -> None:
        """Return when everything written to `targets` before this call has been through a sync."""
        with self._condition:
            for target in targets:
                self._dirty[id(target)] = target
            mine = self._open_round
            while self._finished_round < mine:
                if self._syncing:
                    self._condition.wait()
                else:
                    self._lead()

    def _lead(self) -> None:
        """Run one round; called and left with the lock held, syncing without it.

        When it is broken off (Ctrl-C), the next waiter runs it again.
        """
        dirty = dict(self._dirty)
        try:
            self._syncing = True
            round_number, self._open_round = self._open_round, self._open_round + 1
            self._dirty.clear()
            self._sync_unlocked(dirty)
            self._finished_round = round_number
            dirty = {}
        finally:
            self._dirty.update(dirty)
            self._syncing = False
            self._condition.notify_all()

    def _sync_unlocked(self, targets: dict[int, Syncable]) -> None:
        """Sync `targets` without the lock."""
        self._condition.release()
        try:
            for target in targets.values():
                target.sync_now()
        finally:
            self._condition.acquire()
