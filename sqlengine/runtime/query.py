"""One continuous query: its dataflow, its contents, its followers, and what SHOW QUERIES tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.errors import Error
from sqlengine.plan.nodes import Node
from sqlengine.state.row_store import RowStore

if TYPE_CHECKING:
    from sqlengine.runtime.dataflow import Dataflow

Follower = Callable[[int, int, Delta | None], None]
"""Called at the end of each tick that changed the query: (tick number, now_us, change); None = no change."""


@dataclass
class Counters:
    """Totals since the query began in this process."""

    rows_in: int = 0
    rows_out: int = 0
    ticks: int = 0
    busy_ns: int = 0
    late_rows: int = 0
    errors: int = 0


@dataclass
class ContinuousQuery:
    """`sources`: names of streams and tables it reads from topics; `upstream`: views it reads.

    `store` holds the contents of a materialized view; a sink or a followed SELECT has none.
    `status`: running | paused | failed | backfilling.
    """

    query_id: str
    name: str
    sql: str
    plan: Node
    dataflow: Dataflow
    sources: tuple[str, ...]
    upstream: tuple[str, ...]
    store: RowStore | None
    status: str = "running"
    error: Error | None = None
    reason: str | None = None
    counters: Counters = field(default_factory=Counters)
    followers: list[Follower] = field(default_factory=list)
    on_late: Callable[[pa.RecordBatch], None] | None = None
    on_failure: Callable[[pa.RecordBatch, Error], None] | None = None
    created_us: int = 0
    last_change_us: int | None = None
    last_change_tick: int = 0
    progress: float = 1.0

    @property
    def recomputed(self) -> bool:
        """Whether some part of it is maintained by recompute-and-diff."""
        return self.reason is not None

    def apply(self, delta: Delta | None, tick: int, now_us: int) -> None:
        """Take the change of one tick into the contents and tell the followers."""
        if delta is not None:
            self.counters.rows_out += delta.num_rows
            self.last_change_us = now_us
            self.last_change_tick = tick
            if self.store is not None:
                self.store.apply(delta)
        for follower in list(self.followers):
            follower(tick, now_us, delta)

    def drain(self) -> None:
        """Hand over what the dataflow set aside: late rows and rows that raised."""
        late, self.dataflow.late_rows = self.dataflow.late_rows, []
        for batch in late:
            self.counters.late_rows += batch.num_rows
            if self.on_late is not None:
                self.on_late(batch)
        failures, self.dataflow.failures = self.dataflow.failures, []
        self.counters.errors += len(failures)
        for row, error in failures:
            if self.on_failure is not None:
                self.on_failure(row, error)
