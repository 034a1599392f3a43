"""What all sessions of a database have in common of PostgreSQL's catalog."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sqlengine.catalog.pg.locks import AdvisoryLocks

KEPT_MAX = 256


class Recent:
    """What was made for the newest KEPT_MAX keys; clients send the same long texts again and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for a key, or is now."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = make()
        with self._lock:
            self._made[key] = made
            if len(self._made) > KEPT_MAX:
                self._made.popitem(last=False)
        return made


@dataclass
class PgShared:
    """`tables`: rows of system relations by name, with what they depended on when they were made; `statements`: parsed
    texts; `expansions`: queries as the executor's text."""

    locks: AdvisoryLocks = field(default_factory=AdvisoryLocks)
    tables: dict[str, tuple[object, pa.Table | None]] = field(default_factory=dict)
    statements: Recent = field(default_factory=Recent)
    expansions: Recent = field(default_factory=Recent)


def asks_catalog(text: str) -> bool:
    """Whether a text may ask for PostgreSQL's catalog: only then is it worth keeping what was made of it."""
    lower = text.lower()
    return "pg_" in lower or "information_schema" in lower
