"""One continuous query: its dataflow, its contents, its followers, and what SHOW QUERIES tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.errors import Error
from sqlengine.operators.base import State
from sqlengine.plan.fingerprint import fingerprint
from sqlengine.plan.nodes import Node
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.feed import Feed
from sqlengine.state.row_store import RowStore

if TYPE_CHECKING:
    from sqlengine.runtime.dataflow import Dataflow
    from sqlengine.runtime.tap import Tap

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


@dataclass(frozen=True)
class Outcome:
    """What a tick of a dataflow brought: the change of its output (as Dataflow.tick gives it), rows too late, rows that
    raised, rows read."""

    deltas: list[Delta]
    late: list[pa.RecordBatch]
    failures: list[tuple[pa.RecordBatch, Error]]
    rows_in: int


@dataclass
class Held:
    """Where a query that stands still is: offsets by source, what has come in views since, and what of tick number
    `tick` its followers have not been told."""

    positions: dict[str, list[int]]
    tap: Tap
    undelivered: list[Delta] = field(default_factory=list)
    tick: int = 0

    def undelivered_state(self) -> State:
        """The deltas that are undelivered as a table each, by their places, the weights in the last column."""
        return {
            str(place): pa.Table.from_batches([delta.batch]).append_column("$weight", pa.array(delta.weight_array()))
            for place, delta in enumerate(self.undelivered)
        }

    def take_undelivered(self, state: State, schema: pa.Schema, tick: int) -> None:
        """The inverse; `schema`: of the query's output."""
        self.tick = tick
        for place in range(len(state)):
            table = state[str(place)].combine_chunks()
            width = table.num_columns - 1
            for batch in table.to_batches():
                rows = pa.RecordBatch.from_arrays(batch.columns[:width], schema=schema)
                self.undelivered.append(Delta(rows, batch.column(width).to_numpy()))


@dataclass
class ContinuousQuery:
    """`sources`: names of streams and tables it reads from topics; `upstream`: views it reads.

    `store` holds the contents of a materialized view; a sink or a followed SELECT has none.  Queries that answer the
    same share one dataflow and one store, whose columns have the first one's names: read `contents()`.
    `status`: running | backfilling | paused | failing (its output is tried again) | failed.
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
    late_topic: str | None = None
    on_late: Callable[[pa.RecordBatch], None] | None = None
    on_failure: Callable[[pa.RecordBatch, Error], None] | None = None
    created_us: int = 0
    last_change_us: int | None = None
    last_change_tick: int = 0
    held: Held | None = None
    stands: dict[str, list[int]] | None = None
    """Offsets by source from which it is going on; `is_moving`: its state has begun to change (see Carried)."""
    is_moving: bool = False
    first_told: int = 0
    """The first tick that its side topics, and unless `first_written` says otherwise its followers, are told of."""
    first_written: int | None = None
    """What there was to tell of earlier ticks was told before a restart."""
    backend: int | None = None
    """The session that follows it, as pg_backend_pid() names it."""

    @cached_property
    def fingerprint(self) -> str:
        """The plan's; it takes as long to make as EXPLAIN takes."""
        return fingerprint(self.plan)

    @property
    def recomputed(self) -> bool:
        """Whether some part of it is maintained by recompute-and-diff."""
        return self.reason is not None

    def contents(self, *, packed: bool = False) -> pa.Table:
        """The rows of a materialized view under its own column names; `packed`: repeated texts as dictionaries."""
        assert self.store is not None
        table = self.store.scan_table() if packed else self.store.snapshot_table()
        names = self.plan.schema.names
        return table if table.schema.names == names else table.rename_columns(names)

    def step(self, feeds: Mapping[str, Feed], now_us: int, history: bool = False) -> Outcome:
        """Run the dataflow through a tick and take the change into the contents: once for all who share them."""
        deltas = self.dataflow.tick(feeds, now_us, history)
        if self.store is not None:
            for delta in deltas:
                self.store.apply(delta, net=True)
        late, self.dataflow.late_rows = self.dataflow.late_rows, []
        failures, self.dataflow.failures = self.dataflow.failures, []
        rows_in = sum(b.num_rows for name in self.sources if name in feeds for b in feeds[name].batches)
        return Outcome(deltas, late, failures, rows_in)

    @property
    def kept_positions(self) -> dict[str, list[int]] | None:
        """Offsets by source from which its state goes on after a restart; None when it runs with the ticks, or when
        only memory knows what it would miss."""
        if self.upstream:
            return None
        return self.stands if self.held is None else self.held.positions

    def note(self, outcome: Outcome, tick: int, now_us: int) -> list[Delta]:
        """Count a tick; returns the change under the query's own names."""
        self.counters.ticks += 1
        self.counters.rows_in += outcome.rows_in
        deltas = [self._renamed(delta) for delta in outcome.deltas]
        if deltas:
            self.counters.rows_out += sum(delta.num_rows for delta in deltas)
            self.last_change_us = now_us
            self.last_change_tick = tick
        return deltas

    def tell(self, deltas: Sequence[Delta], tick: int, now_us: int) -> None:
        """The followers hear of a tick's change."""
        first = self.first_told if self.first_written is None else self.first_written
        if self.followers and tick >= first:
            change = concat(deltas)
            for follower in list(self.followers):
                follower(tick, now_us, change)

    def tell_undelivered(self, held: Held, now_us: int) -> None:
        """Tell the followers what they have not been told; raises what they raise."""
        if held.undelivered:
            self.tell(held.undelivered, held.tick, now_us)
            held.undelivered = []

    def _renamed(self, delta: Delta) -> Delta:
        if delta.batch.schema.names == self.plan.schema.names:
            return delta
        return Delta(pa.RecordBatch.from_arrays(delta.batch.columns, schema=self.plan.schema), delta.weights)

    def hand_on(self, outcome: Outcome, tick: int) -> None:
        """Late rows and rows that raised go to the query's own topics."""
        told = tick < self.first_told
        for batch in outcome.late:
            self.counters.late_rows += batch.num_rows
            if self.on_late is not None and not told:
                self.on_late(batch)
        self.counters.errors += len(outcome.failures)
        for row, error in outcome.failures:
            if self.on_failure is not None and not told:
                self.on_failure(row, error)
