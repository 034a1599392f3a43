"""Group commit: appenders that wait at the same time share one round of fsyncs, over all logs of a storage.

There is no commit thread and no window to tune: the first waiter syncs for everybody registered so far; who
arrives meanwhile waits for the next round, which the first of them leads. Each waiter sleeps on a lock of its own:
the end of a round wakes those it was for and the next leader, and they contend for nothing. Must not know what it
syncs.
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
        self._mutex = threading.Lock()
        self._dirty: dict[int, Syncable] = {}
        self._open_round = 1
        self._finished_round = 0
        # The lock of the thread that leads a round or has been told to.
        self._leader: threading.Lock | None = None
        # (round, held lock that is released when the round is over or this waiter is to lead), oldest first.
        self._waiters: list[tuple[int, threading.Lock]] = []

    def wait_durable(self, targets: Iterable[Syncable]) -> None:
        """Return when everything written to `targets` before this call has been through a sync."""
        turn = threading.Lock()
        turn.acquire()
        try:
            with self._mutex:
                for target in targets:
                    self._dirty[id(target)] = target
                mine = self._open_round
                if self._leader is None:
                    self._leader = turn
                    turn.release()
                else:
                    self._waiters.append((mine, turn))
            turn.acquire()
            if self._finished_round < mine:
                self._lead()
        except BaseException:
            self._withdraw(turn)
            raise

    def _lead(self) -> None:
        """Run one round. When it is broken off (Ctrl-C), the next waiter runs it again."""
        dirty: dict[int, Syncable] = {}
        number, synced = 0, False
        try:
            with self._mutex:
                number, self._open_round = self._open_round, self._open_round + 1
                dirty, self._dirty = self._dirty, {}
            for target in dirty.values():
                target.sync_now()
            synced = True
        finally:
            with self._mutex:
                if synced:
                    self._finished_round = number
                else:
                    self._dirty = dirty | self._dirty
                self._hand_over()

    def _hand_over(self) -> None:
        """Wake who waited for the finished rounds, and one who leads the next; call with the mutex held."""
        over = 0
        for mine, turn in self._waiters:
            if mine > self._finished_round:
                break
            turn.release()
            over += 1
        del self._waiters[:over]
        self._leader = self._waiters.pop(0)[1] if self._waiters else None
        if self._leader is not None:
            self._leader.release()

    def _withdraw(self, turn: threading.Lock) -> None:
        """Leave without having waited to the end; if this waiter was to lead, another does."""
        with self._mutex:
            self._waiters = [waiter for waiter in self._waiters if waiter[1] is not turn]
            if self._leader is turn:
                self._hand_over()
