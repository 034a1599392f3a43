"""Follower: a subscription as a sync and async iterator of changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pyarrow as pa

from sqlengine.statements.subscribe import HEAD, Subscription, changelog


@dataclass(frozen=True)
class Change:
    """One tick's change: `rows` has the query's columns with "op" (insert, delete, update_before or
    update_after) in front."""

    tick: int
    time_us: int
    rows: pa.RecordBatch

    def to_pylist(self) -> list[dict[str, Any]]:
        """The rows as dicts."""
        return list(self.rows.to_pylist())


class Follower:
    """Iterate for Changes, wait with `next(timeout_s)`, end with `close()` or a with block."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.schema = pa.schema([HEAD[2], *subscription.schema])

    def next(self, timeout_s: float | None = None) -> Change | None:
        """The next change; None when nothing came in time or the follower was closed."""
        change = self._subscription.next(timeout_s)
        if change is None:
            return None
        return Change(change.tick, change.time_us, changelog(change, self.schema, False, self._subscription.keys))

    def __iter__(self) -> Iterator[Change]:
        while (change := self.next()) is not None:
            yield change

    async def __aiter__(self) -> AsyncIterator[Change]:
        while True:
            change = await asyncio.to_thread(self.next)
            if change is None:
                return
            yield change

    def close(self) -> None:
        """Stop following; idempotent."""
        self._subscription.close()

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
