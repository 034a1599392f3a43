"""What sinks into tables have said goes on into the tables: rows conformed, keys looked up, all of it once.

In a table with a primary key the last row of a key replaces the one before, whoever has written that, and a row that is
taken back takes the key's row along; elsewhere rows are added. A row that the table does not take, because it is NULL
where it must not be or a constraint or another key refuses it, goes to the error topic of the sink, and the others come
in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.catalog.objects import ColumnInfo, IndexInfo, Table, TableSink
from sqlengine.delta import Delta, concat
from sqlengine.errors import Error
from sqlengine.operators.consolidate import consolidate
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.reader import WEIGHT_COLUMN
from sqlengine.runtime.rows import Default, conform
from sqlengine.runtime.table_output import WEIGHT, TableOutput
from sqlengine.settings import Settings
from sqlengine.state.key_index import KeyIndex
from sqlengine.statements import key_values
from sqlengine.statements.change import taken_key
from sqlengine.statements.constraints import check_rows
from sqlengine.statements.context import Context
from sqlengine.statements.own_writes import one_batch
from sqlengine.statements.write import default_of, existing_rows, frames_of, placed, stamp_of
from storage.replacing import replace

Ints = npt.NDArray[np.int64]

_TIMEOUT_MS = 24 * 60 * 60 * 1000


class TableMover:
    """Takes on what sinks have said, for all tables of a database; see Mover of the ticks."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._context = Context(instance, Settings(database=instance.shared_settings))

    def due_us(self) -> int | None:
        """When what could not be taken on is tried again."""
        times = [t for output in self._instance.outputs.into_tables() if (t := output.due_us()) is not None]
        return min(times, default=None)

    def waits(self) -> bool:
        """Whether there are rows to take on."""
        now_us = self._instance.clock.now_us()
        return any(output.is_due(now_us) for output in self._instance.outputs.into_tables())

    def move(self, now_us: int) -> bool:
        """Take on what there is; whether tables have got anything. What fails is tried again later."""
        moved = False
        for output in self._instance.outputs.into_tables():
            if output.is_due(now_us):
                try:
                    moved = self._move(output) or moved
                except Exception as error:  # whatever a table does must not take the ticks along
                    output.failed(error, now_us)
        if moved:
            self._instance.pump.wake()
        return moved

    def _move(self, output: TableOutput) -> bool:
        table = self._instance.catalog.get_as(Table, tuple(output.sink.into.split(".")))
        source = self._instance.scheduler.sources[table.name]
        appended = 0
        while output.waits() and not appended:
            if source.failure is not None or not source.reader.at_end():
                return False  # what is there by now must be known: the next tick reads it
            rows, position = output.read()
            change = _Taking(self._context, table, output.sink).change(rows)
            appended = 0 if change is None else change.num_rows
            self._write(table, output, change, position)
            output.taken(position)
        return appended > 0

    def _write(self, table: Table, output: TableOutput, change: pa.Table | None, position: int) -> None:
        """A change of the table, and that it has been made, together."""
        topic = output.topic
        with self._instance.storage.transaction(timeout_ms=_TIMEOUT_MS) as transaction:
            for batch in () if change is None else frames_of(change):
                for log, part in placed(self._context, table, batch):
                    transaction.write(log, part, timestamp_us=stamp_of(self._context))
            transaction.commit_offsets(topic, {(topic, 0): position}, reserved=True)


def columns_of(sink: TableSink, table: Table) -> list[str]:
    """The names of the table's columns that a sink writes."""
    names = {column.stored_name: column.name for column in table.columns}
    return [names[stored] for stored in sink.targets]


def is_keyed(table: Table) -> bool:
    """Whether a row that comes replaces that with the same primary key."""
    return bool(table.primary_key) and not table.append_only


def change_of(table: Table, rows: pa.Table, weights: Ints) -> pa.Table | None:
    """Rows with weights as the table's changelog has them; None when nothing is left of them."""
    net = consolidate(concat([Delta(one_batch(rows), weights)]))
    if net is None:
        return None
    signs = net.weight_array()
    times = pa.array(np.repeat(np.arange(net.num_rows), np.abs(signs)))
    marks = pa.array(np.repeat(np.sign(signs), np.abs(signs)).astype(np.int8))
    return pa.Table.from_batches([net.batch.take(times)]).append_column(WEIGHT_COLUMN, marks)


@dataclass(frozen=True)
class _Taking:
    """One reading of a sink's rows, for a table as it is now."""

    context: Context
    table: Table
    sink: TableSink

    def change(self, rows: pa.Table) -> pa.Table | None:
        """The rows of the changelog that rows with WEIGHT make; the caller holds the lock, the contents are read."""
        weights = np.asarray(rows.column(WEIGHT))
        given = rows.drop_columns([WEIGHT]).rename_columns([column.name for column in self.sink.columns])
        at, new = self._conformed(given, np.flatnonzero(weights > 0))
        if not is_keyed(self.table):
            while (found := taken_key(self.context, self.table, new.slice(0, 0), new)) is not None:
                at, new = self._without(given, found, at, new)
            return change_of(self.table, new, np.ones(new.num_rows, np.int64))
        gone_at, gone = self._gone(given, np.flatnonzero(weights < 0))
        while True:
            there, come, come_at = self._by_key(gone, gone_at, new, at)
            found = taken_key(self.context, self.table, there, come)
            if found is None:
                break
            at, new = self._without(given, (found[0], int(np.flatnonzero(at == come_at[found[1]])[0])), at, new)
        rows = pa.concat_tables([there.cast(come.schema), come])
        return change_of(self.table, rows, np.repeat([-1, 1], [there.num_rows, come.num_rows]))

    def _by_key(self, gone: pa.Table, gone_at: Ints, new: pa.Table, new_at: Ints) -> tuple[pa.Table, pa.Table, Ints]:
        """(the rows in the table that go, those that come, the places of these): of each key the last has its way."""
        both, places = pa.concat_tables([gone, new]), np.concatenate([gone_at, new_at])
        order = np.argsort(places)
        key = self.table.unique_keys()[0]
        at, values = key_values.key_values(both.take(pa.array(order)), key, self.table)
        slots = KeyIndex([value.type for value in values]).insert(values, len(at))
        _, from_behind = np.unique(slots[::-1], return_index=True)
        last = order[at[np.sort(len(slots) - 1 - from_behind)]]
        _, there = existing_rows(self.context, self.table, both.take(pa.array(last)), key)
        comes = last[last >= gone.num_rows]
        return pa.Table.from_batches([there]).select(new.schema.names), both.take(pa.array(comes)), places[comes]

    def _without(self, given: pa.Table, found: tuple[IndexInfo, int], at: Ints, new: pa.Table) -> tuple[Ints, pa.Table]:
        """The rows that come without one that has a key of another, which is told."""
        key, place = found
        self._refuse(given, int(at[place]), key_values.violation(self.table, key, new, place))
        return _but(at, new, place)

    def _refuse(self, given: pa.Table, place: int, error: Error) -> None:
        query = self.context.instance.scheduler.queries.get(self.sink.query_id)
        if query is not None and query.on_failure is not None:
            query.counters.errors += 1
            query.on_failure(one_batch(given.slice(place, 1)), error)

    # ------------------------------------------------------------ rows as the table has them

    def _conformed(self, given: pa.Table, at: Ints) -> tuple[Ints, pa.Table]:
        """(the positions of those of the rows at `at` that the table takes, those as its columns have them)."""
        columns, default = self.table.stored_columns(), default_of(self.context, self.table)

        def made(rows: pa.Table) -> pa.Table:
            found = self._under(rows, columns, default)
            check_rows(self.context, self.table, found)
            return found

        return _whole_or_one_by_one(given, at, made, lambda place, error: self._refuse(given, place, error))

    def _gone(self, given: pa.Table, at: Ints) -> tuple[Ints, pa.Table]:
        """The same of rows that go: of them only the key counts, and what cannot be conformed has never come in."""
        names, key = columns_of(self.sink, self.table), self.table.primary_key
        columns = [replace(column, not_null=False) for column in self.table.stored_columns()]

        def made(rows: pa.Table) -> pa.Table:
            known = [column if n in key else pa.nulls(rows.num_rows) for n, column in zip(names, rows, strict=True)]
            return self._under(pa.table(known, given.schema.names), columns, _nulls)

        return _whole_or_one_by_one(given, at, made, lambda place, error: None)

    def _under(self, rows: pa.Table, columns: Sequence[ColumnInfo], default: Default) -> pa.Table:
        return conform(rows, columns, columns_of(self.sink, self.table), default, self.table.name)


def _but(at: Ints, rows: pa.Table, place: int) -> tuple[Ints, pa.Table]:
    others = np.delete(np.arange(len(at)), place)
    return at[others], rows.take(pa.array(others))


def _whole_or_one_by_one(
    given: pa.Table, at: Ints, make: Callable[[pa.Table], pa.Table], refuse: Callable[[int, Error], None]
) -> tuple[Ints, pa.Table]:
    """(the positions of the rows at `at` of which something can be made, that)."""
    try:
        return at, make(given.take(pa.array(at)))
    except Error:
        places, found = list[int](), [make(given.slice(0, 0))]
        for place in at.tolist():
            try:
                found.append(make(given.slice(place, 1)))
            except Error as error:
                refuse(place, error)
            else:
                places.append(place)
        return np.array(places, np.int64), pa.concat_tables(found)


def _nulls(info: ColumnInfo, count: int) -> pa.Array:
    return pa.nulls(count, info.type)
