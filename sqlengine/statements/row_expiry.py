"""The option `ttl` of tables: a row leaves its table so long after it was written last.

When a row was written is in the table's changelog: the time of the newest record that brought it.  So the rows whose
time is over are those of the contents that no younger record has brought, and only those of older records can be.
They are taken back by records of the changelog, like rows that DELETE takes: views over the table are told, and a
restart knows what has gone.  How far the changelog has been gone through is committed with them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.catalog.measures import duration_us
from sqlengine.catalog.objects import Table
from sqlengine.delta import Delta, concat
from sqlengine.errors import InvalidDefinition, InvalidParameter
from sqlengine.operators.consolidate import consolidate
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.failures import RETRY_AFTER_US
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.reader import POLL_ROWS_MAX, WEIGHT_COLUMN, SourceBatch
from sqlengine.settings import Settings
from sqlengine.state.fingerprint import batch_fingerprints
from sqlengine.state.row_store import RowStore
from sqlengine.statements import key_values
from sqlengine.statements.context import Context
from sqlengine.statements.own_writes import one_batch
from sqlengine.statements.write import frames_of, placed, stamp_of, table_store
from storage import Log

TTL = "ttl"
GROUP = "$ttl:"
"""Before the topic's name: under what it is committed how far a changelog has been gone through."""
SHARE = 20
"""Rows leave at most this part of their time too late: whoever looks for them reads all that was written since."""
_TIMEOUT_MS = 24 * 60 * 60 * 1000


def ttl_us(table: Table) -> int | None:
    """How long rows stay, in microseconds; None for ever. InvalidParameter (22023) for a bad value."""
    text = table.options.get(TTL, "none")
    if text.lower() in ("none", "forever"):
        return None
    micros = duration_us(text)
    if micros <= 0:
        raise InvalidParameter(f'invalid value for option "{TTL}": "{text}"', hint="a length of time, or none")
    return micros


def check_ttl(table: Table) -> None:
    """InvalidDefinition (42P17) for a table whose rows never go, InvalidParameter (22023) for a bad value."""
    if ttl_us(table) is not None and table.append_only:
        raise InvalidDefinition(
            f'rows never leave table "{table.name}", which is append-only: it can have no {TTL}',
            hint="leave APPEND ONLY out; retention lets a topic forget what views have taken in",
        )


@dataclass
class _Ageing:
    """`positions`: before these, no record of the changelog has brought a row that is there."""

    table: Table
    ttl_us: int
    positions: list[int]
    not_before_us: int = 0
    oldest: tuple[list[int], int | None] = field(default=([], None))
    """(positions, when the first of the records behind them was appended), to be asked once."""


class RowExpiry:
    """Takes rows whose time is over out of all tables of a database; see Mover of the ticks."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._context = Context(instance, Settings(database=instance.shared_settings))
        self._version = -1
        self._tables: dict[str, _Ageing] = {}
        """By the topic's id."""

    # ------------------------------------------------------------ when

    def due_us(self) -> int | None:
        """When the next row may have to leave."""
        found = [due for each in self._ageing() if (due := self._due_us(each)) is not None]
        return min(found, default=None)

    def waits(self) -> bool:
        """Whether rows may have to leave now."""
        due_us = self.due_us() if self._ageing() else None
        return due_us is not None and self._instance.clock.now_us() >= due_us

    def _ageing(self) -> Sequence[_Ageing]:
        catalog = self._instance.catalog
        if self._version != catalog.version:
            known, self._tables = self._tables, {}
            for table in [obj for obj in catalog if isinstance(obj, Table)]:
                micros = ttl_us(table) if TTL in table.options else None
                if micros is not None:
                    topic = self._instance.topic_of(table)
                    before = known.get(topic.id)
                    positions = self._committed(table) if before is None else before.positions
                    self._tables[topic.id] = _Ageing(table, micros, positions)
            self._version = catalog.version
        return list(self._tables.values())

    def _committed(self, table: Table) -> list[int]:
        topic = self._instance.topic_of(table)
        found = self._instance.storage.offsets.fetch(GROUP + topic.name)
        return [found.get((topic.name, number), 0) for number in range(len(topic.partitions))]

    def _due_us(self, each: _Ageing) -> int | None:
        source = self._instance.scheduler.sources.get(each.table.name)
        if source is None or source.failure is not None:
            return None
        if each.oldest[0] != each.positions or each.oldest[1] is None:
            oldest_us = self._oldest_us(each)
            each.oldest = list(each.positions), oldest_us
        oldest_us = each.oldest[1]
        return None if oldest_us is None else max(oldest_us + each.ttl_us, each.not_before_us)

    def _oldest_us(self, each: _Ageing) -> int | None:
        """When the first record was appended that has not been gone through."""
        stamps = []
        logs = self._instance.topic_of(each.table).partitions
        each.positions += [0] * (len(logs) - len(each.positions))
        for number, log in enumerate(logs):
            at = each.positions[number] if each.positions[number] <= log.end_offset else 0  # truncated meanwhile
            each.positions[number] = at = max(at, log.start_offset)
            while (frames := log.read(each.positions[number], max_rows=1)) and not frames[0].record_count:
                each.positions[number] = frames[-1].next_offset
            stamps += [frame.append_timestamp_us for frame in frames]
        return min(stamps, default=None)

    # ------------------------------------------------------------ what

    def move(self, now_us: int) -> bool:
        """Take out what is to leave; whether anything has. What fails is tried again later."""
        moved = False
        for each in self._ageing():
            due_us = self._due_us(each)
            if due_us is None or now_us < due_us:
                continue
            if not self._instance.scheduler.sources[each.table.name].reader.at_end():
                continue  # the next tick reads what is there by now
            try:
                moved = self._expire(each, now_us) or moved
                each.not_before_us = now_us + each.ttl_us // SHARE
            except Exception as error:  # whatever a table does must not take the ticks along
                logging.getLogger("sqlengine").warning('rows stay in table "%s" for now: %s', each.table.name, error)
                each.not_before_us = now_us + RETRY_AFTER_US
        if moved:
            self._instance.pump.wake()
        return moved

    def _expire(self, each: _Ageing, now_us: int) -> bool:
        table, logs = each.table, self._instance.topic_of(each.table).partitions
        young = [_first_at(log, now_us - each.ttl_us + 1) for log in logs]
        young = [max(new, old) for new, old in zip(young, each.positions, strict=True)]
        old = concat([Delta(rows) for batch in self._read(each, each.positions, young) for rows in _brought(batch)])
        gone = None if old is None else self._without_younger(each, old.batch, young)
        if gone is not None:
            self._write(table, gone, young)
        each.positions = young
        return gone is not None

    def _read(self, each: _Ageing, start: Sequence[int], until: Sequence[int] | None) -> Iterator[SourceBatch]:
        reader = self._instance.reader(each.table, start)
        ends = list(until) if until is not None else reader.ends()
        while not reader.at_end(ends):
            before = list(reader.positions)
            yield from reader.poll(POLL_ROWS_MAX, ends)
            if reader.positions == before:
                return

    def _without_younger(self, each: _Ageing, old: pa.RecordBatch, young: Sequence[int]) -> pa.Table | None:
        """Those of the rows that old records have brought which are there, and which no younger one has brought."""
        prints = _prints(old)
        there = _among(self._there(each.table, old), prints)
        later = [_among(rows, prints) for batch in self._read(each, young, None) for rows in _brought(batch)]
        both = [Delta(there), *(Delta(rows, np.full(rows.num_rows, -1)) for rows in later)]
        left = consolidate(concat([Delta(each.batch.cast(old.schema), each.weights) for each in both]))
        if left is None:
            return None
        times = np.repeat(np.arange(left.num_rows), np.maximum(left.weight_array(), 0))
        return pa.Table.from_batches([left.batch.take(pa.array(times))]) if len(times) else None

    def _there(self, table: Table, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows of the contents that may be equal to some."""
        store: RowStore = table_store(self._context, table)
        if not table.primary_key:
            return one_batch(store.snapshot_table())
        values = key_values.columns_of(rows, table.unique_keys()[0], table)
        at, found = key_values.rows_with(store, table.unique_keys()[0], values)
        prints = batch_fingerprints(found)
        return found.take(pa.array(np.unique(prints, axis=0, return_index=True)[1])) if len(at) else found

    def _write(self, table: Table, rows: pa.Table, positions: Sequence[int]) -> None:
        """Take rows back, and that it has been done, together."""
        gone = rows.select([column.name for column in table.stored_columns()])
        gone = gone.append_column(WEIGHT_COLUMN, pa.array(np.full(rows.num_rows, -1, np.int8)))
        topic = self._instance.topic_of(table).name
        with self._instance.storage.transaction(timeout_ms=_TIMEOUT_MS) as transaction:
            for batch in frames_of(gone):
                for log, part in placed(self._context, table, batch):
                    transaction.write(log, part, timestamp_us=stamp_of(self._context))
            places = {(topic, number): position for number, position in enumerate(positions)}
            transaction.commit_offsets(GROUP + topic, places, reserved=True)


def forget(instance: Instance, topic: str) -> None:
    """Of a table that is dropped: how far its changelog was gone through."""
    if GROUP + topic in instance.storage.offsets.groups():
        instance.storage.offsets.delete(GROUP + topic)


def _first_at(log: Log, time_us: int) -> int:
    """The first record appended at a time or later."""
    found = log.offset_for_timestamp(time_us)
    return log.last_stable_offset if found is None else min(found, log.last_stable_offset)


def _brought(batch: SourceBatch) -> Iterator[pa.RecordBatch]:
    """The rows that come in what was read of a changelog."""
    rows = batch.visible()
    if batch.weights is not None:
        rows = rows.filter(pa.array(batch.weights > 0))
    if rows.num_rows:
        yield rows


def _prints(rows: pa.RecordBatch) -> npt.NDArray[np.int64]:
    return np.unique(batch_fingerprints(rows)[:, 0])


def _among(rows: pa.RecordBatch, prints: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """The rows that may be equal to one of those with these fingerprints."""
    return rows.filter(pa.array(np.isin(batch_fingerprints(rows)[:, 0], prints)))
