"""Gathering: how many appenders a round of group commit should wait for, and how long.

Appenders that append again as soon as they are acknowledged would fall into two halves, one that waits while the
other's round is under way, and a round would be for half of them. So a leader waits for those who were woken just
now: for half of an fsync at most (the commit window), and as long as they do come. Where they did not, ever more rounds
begin at once.

Cf. PostgreSQL's commit_delay and commit_siblings, which have to be set. Must not know of threads.
"""

from __future__ import annotations

LONGEST_WAIT_US = 5_000
MOST_SKIPPED = 63
"""Rounds that do not wait after one that waited in vain."""


class Gathering:
    """`wait_us`: how long to wait at most. `is_waiting`: whether a leader waits now."""

    def __init__(self) -> None:
        self.wait_us = 0
        self.is_waiting = False
        self._here = 0  # of the round that has not begun
        self._served = 0  # of the round that began last
        self._expected = 0
        self._skip = self._skipped = 0

    def arrive(self) -> bool:
        """One more is here; whether the leader need not wait any longer for it."""
        self._here += 1
        return self.is_waiting and self._here >= self._expected

    def is_worth_it(self) -> bool:
        """Whether the leader should wait. If so, `stop` says that it does no more."""
        if self._here >= self._expected or not self.wait_us:
            return False
        if self._skip:
            self._skip -= 1
            return False
        self.is_waiting = True
        return True

    def stop(self) -> None:
        """The leader waits no longer, because all are here or the time is over."""
        self.is_waiting = False
        self._skipped = 0 if self._here >= self._expected else min(2 * self._skipped + 1, MOST_SKIPPED)
        self._skip = self._skipped

    def begin(self) -> None:
        """A round begins for all who are here."""
        self._served, self._here = self._here, 0

    def end(self, took_us: int) -> None:
        """It is over: those it was for may come again, while others are here already."""
        self._expected = self._served + self._here
        self.wait_us = min(max(took_us // 2, 0), LONGEST_WAIT_US)
