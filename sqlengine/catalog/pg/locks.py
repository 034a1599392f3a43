"""Advisory locks: numbers that programs agree on, held by sessions until they give them back or end."""

from __future__ import annotations

import threading
from collections.abc import Callable

Key = tuple[int, int]
POLL_SECONDS = 0.05
"""How often a waiting session looks whether it was cancelled."""


class AdvisoryLocks:
    """The locks of one database.  Holders are told apart by identity; a lock taken twice is given back twice."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[Key, list[tuple[object, bool, bool]]] = {}

    def take(self, key: Key, holder: object, check: Callable[[], None], *, shared: bool, in_transaction: bool) -> None:
        """Wait until the lock is free for the holder; `check` raises when it is to wait no longer."""
        with self._changed:
            while not self._take(key, holder, shared, in_transaction):
                check()
                self._changed.wait(POLL_SECONDS)

    def try_take(self, key: Key, holder: object, *, shared: bool, in_transaction: bool) -> bool:
        """Take the lock if it is free."""
        with self._changed:
            return self._take(key, holder, shared, in_transaction)

    def _take(self, key: Key, holder: object, shared: bool, in_transaction: bool) -> bool:
        others = [s for h, s, _ in self._held.get(key, ()) if h is not holder]
        if others and not (shared and all(others)):
            return False
        self._held.setdefault(key, []).append((holder, shared, in_transaction))
        return True

    def give(self, key: Key, holder: object, *, shared: bool) -> bool:
        """Give back one that the session took for itself; false when it has none."""
        with self._changed:
            held = self._held.get(key, [])
            for at, (who, is_shared, in_transaction) in enumerate(held):
                if who is holder and is_shared == shared and not in_transaction:
                    del held[at]
                    self._tidy()
                    return True
            return False

    def give_all(self, holder: object, *, of_transaction: bool) -> None:
        """Give back all of a session's, or all of its transaction's."""
        with self._changed:
            for key, held in self._held.items():
                self._held[key] = [e for e in held if e[0] is not holder or e[2] != of_transaction]
            self._tidy()

    def _tidy(self) -> None:
        self._held = {key: held for key, held in self._held.items() if held}
        self._changed.notify_all()

    def held(self) -> list[tuple[Key, object, bool]]:
        """(key, holder, shared) of every lock that is held."""
        with self._changed:
            return [(key, who, shared) for key, held in self._held.items() for who, shared, _ in held]
