"""Group commit: appenders that wait at the same time share one round of fsyncs, over all logs of a storage.

There is no commit thread and no window to tune: the first waiter syncs for everybody registered so far; who
arrives meanwhile waits for the next round, which the first of them leads, when those have come who surely come
(`gathering`). Each waiter sleeps on a lock of its own:
the end of a round wakes those it was for and the next leader, and they contend for nothing. Must not know what it
syncs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from storage.log.gathering import Gathering


class Syncable(Protocol):
    """Something with bytes to make durable."""

    def sync_now(self) -> None:
        """Make all that was written before the call durable; keeps its own failure."""


class GroupCommit:
    """The rounds of one storage."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        """`now_us`: the clock, by which it is known how long a round takes."""
        self._now_us = now_us
        self._mutex = threading.Lock()
        self._dirty: dict[int, Syncable] = {}
        self._open_round = 1
        self._finished_round = 0
        # The lock of the thread that leads a round or has been told to.
        self._leader: threading.Lock | None = None
        # (round, held lock that is released when the round is over or this waiter is to lead), oldest first.
        self._waiters: list[tuple[int, threading.Lock]] = []
        self._gathering = Gathering()
        # Held while the leader of the next round waits for the others; who completes them releases it.
        self._full: threading.Lock | None = None

    def wait_durable(self, targets: Iterable[Syncable]) -> None:
        """Return when everything written to `targets` before this call has been through a sync."""
        turn = threading.Lock()
        turn.acquire()
        try:
            with self._mutex:
                for target in targets:
                    self._dirty[id(target)] = target
                mine = self._open_round
                if self._gathering.arrive() and self._full is not None:
                    self._full.release()
                    self._full = None
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
            self._gather()
            with self._mutex:
                self._gathering.begin()
                number, self._open_round = self._open_round, self._open_round + 1
                dirty, self._dirty = self._dirty, {}
            began_us = self._now_us()
            for target in dirty.values():
                target.sync_now()
            synced = True
            self._gathering.end(self._now_us() - began_us)
        finally:
            with self._mutex:
                if synced:
                    self._finished_round = number
                else:
                    self._dirty = dirty | self._dirty
                self._hand_over()

    def _gather(self) -> None:
        """Let those come who are expected, as the leader of the next round."""
        with self._mutex:
            if not self._gathering.is_worth_it():
                return
            full = self._full = threading.Lock()
            full.acquire()
        try:
            full.acquire(timeout=self._gathering.wait_us / 1e6)
        finally:
            with self._mutex:
                self._full = None
                self._gathering.stop()

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
