"""A sink into a table: its changes wait in a topic of the engine's own until they are in the table.

They come into the topic exactly once, as those of a stream that a query writes do (runtime/topic_output.py).  Whoever
takes them on from there (statements/into_table.py) appends to the table's changelog and commits how far it has read in
one transaction of the storage, so that they are in the table exactly once, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from sqlengine.catalog.objects import TableSink
from sqlengine.delta import Delta
from sqlengine.errors import Error
from sqlengine.operators.consolidate import consolidate
from sqlengine.runtime.failures import RETRY_AFTER_MAX_US, RETRY_AFTER_US, as_error
from sqlengine.runtime.subscription import remove_topic
from sqlengine.runtime.topic_output import TABLE_TOPIC, TopicOutput
from storage import Storage, TopicConfig

WEIGHT = "$weight"
"""Behind the query's columns, which go by their number: +1 of a row that comes, -1 of one that goes."""
READ_ROWS_MAX = 1 << 18
"""Rows of one reading of the topic."""


def topic_name(query_id: str) -> str:
    """The name of the topic of the sink with that query."""
    return TABLE_TOPIC + query_id


def make_topic(storage: Storage, sink: TableSink) -> None:
    """Its topic, empty: what an earlier statement left of one of that name goes."""
    remove_topic(storage, sink.topic)
    columns = [pa.field(str(i), column.type) for i, column in enumerate(sink.columns)]
    schema = pa.schema([*columns, pa.field(WEIGHT, pa.int64())])
    storage.create_topic(sink.topic, schema, TopicConfig(durability="group"))


class TableOutput(TopicOutput):
    """Appends a query's changes, in each tick rows that go before those that come, and gives them to whoever takes them
    on.

    `is_repeatable(tick)`: whether a restart tells that tick again as it is.  What cannot be told again waits for a
    checkpoint, which then has it; `is_durable`: there are restarts.  The engine's lock is held by all who call.
    """

    def __init__(
        self, storage: Storage, sink: TableSink, is_repeatable: Callable[[int], bool], is_durable: bool
    ) -> None:
        super().__init__(storage, sink.topic)
        self.sink = sink
        self._is_repeatable = is_repeatable
        self._is_durable = is_durable
        self._position = storage.offsets.fetch(sink.topic).get((sink.topic, 0), 0)
        self._settled = 0
        """No restart needs the topic before this offset."""
        self._uncertain: tuple[int, int] | None = None
        """From where to where what cannot be told again lies, with what has come between."""
        self._wait_us = 0
        self._not_before_us = 0
        self.failure: Error | None = None
        """Why what is there cannot be taken on."""

    # ------------------------------------------------------------ writing

    def __call__(self, tick: int, now_us: int, delta: Delta | None) -> None:
        """A follower of the query (see runtime/query.py)."""
        change = consolidate(delta)
        if change is None:
            return
        weights = change.weight_array()
        order = np.argsort(weights > 0, kind="stable")
        order = order[weights[order] > 0] if self.sink.inserts_only else order
        rows = change.batch.take(pa.array(np.repeat(order, np.abs(weights[order]))))
        signs = np.repeat(np.sign(weights[order]), np.abs(weights[order]))
        columns = [c.cast(f.type) for c, f in zip(rows.columns, self._schema, strict=False)]
        begins, is_history = self._log.end_offset, self._is_beginning
        super().__call__(
            tick, now_us, Delta(pa.RecordBatch.from_arrays([*columns, pa.array(signs)], schema=self._schema))
        )
        if not is_history and not self._is_repeatable(tick):
            self._uncertain = (begins if self._uncertain is None else self._uncertain[0], self._log.end_offset)

    def cut(self, end: int) -> None:
        """See TopicOutput.cut."""
        super().cut(max(end, self._log.start_offset))

    def checkpointed(self, end: int) -> None:
        """A checkpoint is durable that has what lies before an offset."""
        self._settled = end
        if self._uncertain is not None:
            self._uncertain = (end, self._uncertain[1]) if self._uncertain[1] > end else None
        self._forget()

    def let_all_go(self) -> None:
        """There will be no restart that tells anything again: the sink is dropped."""
        self._uncertain = None

    # ------------------------------------------------------------ taking on

    @property
    def position(self) -> int:
        """The offset of the first row that is not in the table."""
        return max(self._position, self._log.start_offset)

    def waits(self) -> bool:
        """Whether there are rows that can be taken on."""
        return self.position < self._limit

    @property
    def _limit(self) -> int:
        end = self._log.readable_end("read_committed")
        return end if self._uncertain is None else min(end, self._uncertain[0])

    def read(self) -> tuple[pa.Table, int]:
        """(the next rows, with WEIGHT; the position behind them)."""
        position, limit, batches = self.position, self._limit, []
        for frame in self._log.read(position, max_rows=min(READ_ROWS_MAX, limit - position)):
            batches.append(frame.batch.cast(self._schema))
            position = frame.next_offset
        return pa.Table.from_batches(batches, self._schema), position if batches else limit

    def taken(self, position: int) -> None:
        """What lies before a position is in the table, durably."""
        self._position = position
        self.failure, self._wait_us, self._not_before_us = None, 0, 0
        self._forget()

    def _forget(self) -> None:
        end = min(self.position, self._settled) if self._is_durable else self.position
        if end > self._log.start_offset:
            self._log.delete_before(end)

    # ------------------------------------------------------------ when that fails

    def failed(self, error: Exception, now_us: int) -> None:
        """It is tried again after a while."""
        self.failure = as_error(error)
        self._wait_us = min(2 * self._wait_us, RETRY_AFTER_MAX_US) or RETRY_AFTER_US
        self._not_before_us = now_us + self._wait_us

    def due_us(self) -> int | None:
        """When it is to be tried again; None: it has not failed."""
        return None if self.failure is None else self._not_before_us

    def is_due(self, now_us: int) -> bool:
        """Whether there are rows to take on now."""
        return now_us >= self._not_before_us and self.waits()
