"""Followers: changes of a query, or of a subscription, as a sync and async iterator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime import subscription
from sqlengine.runtime.subscriber import Subscriber
from sqlengine.statements.subscribe import HEAD, changelog


@dataclass(frozen=True)
class Change:
    """One tick's change: `rows` has the query's columns with "op" (insert, delete, update_before or
    update_after) in front. `is_snapshot`: all rows after that tick, in the place of whatever the follower has."""

    tick: int
    time_us: int
    rows: pa.RecordBatch
    is_snapshot: bool = False

    def to_pylist(self) -> list[dict[str, Any]]:
        """The rows as dicts."""
        return list(self.rows.to_pylist())


class _Source(Protocol):
    """Where changes come from; `keys`: columns that identify a row."""

    schema: pa.Schema
    keys: tuple[int, ...] | None

    def next(self, timeout_s: float | None = None) -> subscription.Change | None: ...

    def close(self) -> None: ...


class Follower:
    """Iterate for Changes, wait with `next(timeout_s)`, end with `close()` or a with block."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self.schema = pa.schema([HEAD[2], *source.schema])

    def next(self, timeout_s: float | None = None) -> Change | None:
        """The next change; None when nothing came in time or the follower was closed."""
        change = self._source.next(timeout_s)
        if change is None:
            return None
        rows = changelog(change, self.schema, False, self._source.keys)
        return Change(change.tick, change.time_us, rows, change.is_snapshot)

    def __iter__(self) -> Iterator[Change]:
        while (change := self.next()) is not None:
            yield change

    async def __aiter__(self) -> AsyncIterator[Change]:
        import asyncio  # lazy: whoever comes here has it, and nobody else should load it

        while True:
            change = await asyncio.to_thread(self.next)
            if change is None:
                return
            yield change

    def close(self) -> None:
        """Stop following; idempotent."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SubscriptionFollower(Follower):
    """The follower of a subscription: who follows it after this one goes on behind what was acknowledged.

    Any call raises ObjectInUse (55006) once another follower of the subscription was opened, and HistoryGone (72000)
    when retention has overtaken this one.
    """

    def __init__(self, subscriber: Subscriber) -> None:
        super().__init__(subscriber)
        self._subscriber = subscriber

    @property
    def acknowledged(self) -> int | None:
        """The tick up to which changes were acknowledged, by this follower or one before; None: none were."""
        kept = self._subscriber.output.kept
        return None if kept is None else kept.acknowledged

    def acknowledge(self, tick: int) -> None:
        """Every change up to a tick has been taken in: it will not come again. Durable when it returns; nothing when
        as much was acknowledged already. Raises InvalidParameter (22023) for a tick that has not been yet."""
        self._subscriber.acknowledge(tick)
