"""Writing rows: to streams (encoded, partitioned, appended) and to tables (their changelog), now or at COMMIT."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.catalog.objects import (
    CatalogObject,
    CheckInfo,
    ColumnInfo,
    FileTable,
    IndexInfo,
    MaterializedView,
    Stream,
    Table,
)
from sqlengine.errors import WrongObjectType
from sqlengine.formats import encoder
from sqlengine.runtime.reader import WEIGHT_COLUMN
from sqlengine.runtime.rows import Default, conform, required
from sqlengine.runtime.sources import format_options
from sqlengine.runtime.stored_columns import stored_names
from sqlengine.runtime.stored_expressions import constant
from sqlengine.state.row_store import RowStore
from sqlengine.statements import key_values
from sqlengine.statements.constraints import check_rows, next_numbers, refuse_given
from sqlengine.statements.context import Context, Pending
from sqlengine.statements.own_writes import as_it_is_now, check_commit, lookup_with, own_change
from storage import BYTES_SCHEMA, Log, deal, partitions_by_key

APPEND_ROWS = 65_536
"""Rows per appended frame."""

_COMMIT_TIMEOUT_MS = 24 * 60 * 60 * 1000
"""Of what a statement or COMMIT writes: however much it is, only the statement itself can leave it."""


def writable(context: Context, name: tuple[str, ...], verb: str = "insert into") -> Stream | Table:
    """The target of INSERT or COPY, or of what `verb` says; WrongObjectType (42809) for what is maintained by a query
    or a connector."""
    obj: CatalogObject = context.instance.catalog.get(context.prefer_path(name))
    if isinstance(obj, (Stream, Table)):
        if isinstance(obj, Stream) and obj.connector != "topic":
            raise WrongObjectType(f'cannot {verb} stream "{obj.name}": its connector {obj.connector} feeds it')
        return obj
    if isinstance(obj, FileTable):
        raise WrongObjectType(
            f'table "{obj.name}" is over files: its rows cannot be changed one by one',
            hint="INSERT writes into it, INSERT OVERWRITE (of Hive's dialect) anew; CREATE TABLE ... TBLPROPERTIES "
            "('transactional' = 'true') makes a table whose rows can be changed",
        )
    hint = f"{verb} the streams or tables it reads" if isinstance(obj, MaterializedView) else None
    raise WrongObjectType(f'cannot {verb} {obj.kind} "{obj.name}"', hint=hint)


def write_rows(context: Context, target: Stream | Table, rows: pa.Table, named: Sequence[str] | None) -> pa.Table:
    """Conform, then append (or keep for COMMIT); returns the rows as they are stored."""
    check_given(target, rows, named)
    stored = conform(rows, target.stored_columns(), named, default_of(context, target), target.name, target.key_columns)
    if isinstance(target, Table):
        with context.instance.lock:  # no other session's row of that key comes between
            check_unique(context, target, stored)
            append_changes(context, target, stored, None)
    else:
        append_stream(context, target, stored)
    return stored


def check_given(target: Stream | Table, rows: pa.Table, named: Sequence[str] | None) -> None:
    """428C9 when rows bring values for a column that numbers rows always."""
    if isinstance(target, Table):
        first = [c.name for c in target.stored_columns()][: rows.num_columns]
        refuse_given(target, first if named is None else named)


def default_of(context: Context, target: Stream | Table) -> Default:
    """What columns that are not named take: the next numbers of an identity, their DEFAULT evaluated now, else NULL."""
    now_us = context.now_us

    def default(info: ColumnInfo, count: int) -> pa.Array:
        if info.identity is not None and isinstance(target, Table):
            return next_numbers(context, target, count)
        if info.default is None:
            return pa.nulls(count, info.type)
        return constant(info.default, info, count, now_us)

    return default


def append_stream(context: Context, stream: Stream, rows: pa.Table) -> None:
    """Append a stream's rows to its topic."""
    _pend_or_append(context, stream, rows)


def append_changes(context: Context, table: Table, rows: pa.Table, weights: np.ndarray | None) -> None:
    """Append rows with weights (None = all inserted) to a table's changelog; CheckViolation (23514) for a new row that
    a constraint refuses."""
    _pend_or_append(context, table, changes_of(context, table, rows, weights))


def changes_of(context: Context, table: Table, rows: pa.Table, weights: np.ndarray | None) -> pa.Table:
    """The rows of a table's changelog for rows with weights. See `append_changes`."""
    check_rows(context, table, rows if weights is None else rows.filter(pa.array(weights > 0)))
    marks = np.ones(rows.num_rows, dtype=np.int8) if weights is None else weights.astype(np.int8)
    return rows.append_column(WEIGHT_COLUMN, pa.array(marks))


def _pend_or_append(context: Context, target: Stream | Table, rows: pa.Table) -> None:
    """Keep rows for COMMIT, or append them: all of a statement together."""
    pending = pending_of(context, target, frames_of(rows))
    if context.transaction is not None:
        context.transaction += pending
    else:
        flush(context, pending)


def pending_of(context: Context, target: Stream | Table, batches: Iterable[pa.RecordBatch]) -> Iterator[Pending]:
    """Batches as what is to be written to a target."""
    oid = context.instance.catalog.oid(target.name)
    return (Pending(target, batch, oid) for batch in batches)


def frames_of(rows: pa.Table) -> list[pa.RecordBatch]:
    """Rows in batches of which each becomes a frame."""
    return rows.combine_chunks().to_batches(max_chunksize=APPEND_ROWS)


def flush(context: Context, pending: Iterable[Pending]) -> None:
    """Append everything, so that all of it is seen or nothing, also after a crash; the pump or the next reader ticks.

    One batch for one partition is one frame, which is so by itself; more than that is a transaction of the log.
    """
    append_all(context, (write for item in pending for write in placed(context, item.target, item.batch)))


def append_all(context: Context, writes: Iterator[tuple[Log, pa.RecordBatch]]) -> None:
    """The same with what each partition takes."""
    storage, stamp = context.instance.storage, stamp_of(context)
    first = list(islice(writes, 2))
    if len(first) == 1:
        storage.append_many(first, timestamp_us=stamp)
    elif first:
        with storage.transaction(timeout_ms=_COMMIT_TIMEOUT_MS) as transaction:
            for log, batch in chain(first, writes):
                transaction.write(log, batch, timestamp_us=stamp)
    if first:
        context.instance.pump.wake()


def stamp_of(context: Context) -> int | None:
    """When what is written now was appended; None where the log's own clock says the same."""
    return context.instance.clock.now_us() if context.instance.clock.virtual else None


def commit(context: Context, pending: Sequence[Pending]) -> None:
    """Append what a transaction has written, if it can still be. See `check_commit` for what it raises."""
    with context.instance.lock:
        context.instance.catch_up(context.check)
        pending = _as_they_are_now(context, pending)
        for item in {item.oid: item for item in pending}.values():
            if isinstance(item.target, Table):
                check_commit(pending, item.target, item.oid, table_store(context, item.target))
        flush(context, pending)


def _as_they_are_now(context: Context, pending: Sequence[Pending]) -> list[Pending]:
    """What is to be written to objects that have got another name or more columns since; what has been dropped takes
    its rows with it, as if they had been committed before."""
    catalog = context.instance.catalog
    now = {catalog.oid(o.name): o for o in catalog if isinstance(o, (Stream, Table))}
    made = [(item, as_it_is_now(item, now[item.oid])) for item in pending if item.oid in now]
    for old, new in made:
        if new.target.columns != old.target.columns or _checks(new.target) != _checks(old.target):
            _allow(context, new)
    return [new for _, new in made]


def _checks(target: Stream | Table) -> tuple[CheckInfo, ...]:
    return target.checks if isinstance(target, Table) else ()


def _allow(context: Context, item: Pending) -> None:
    """NotNullViolation (23502) or CheckViolation (23514) for rows that an object takes no more by now."""
    rows = pa.Table.from_batches([item.batch])
    if isinstance(item.target, Table):
        rows = rows.filter(pc.greater(rows.column(WEIGHT_COLUMN), 0))
        check_rows(context, item.target, rows)
    for info in item.target.stored_columns():
        required(rows.column(info.name), info, item.target.name)


def placed(context: Context, target: Stream | Table, batch: pa.RecordBatch) -> list[tuple[Log, pa.RecordBatch]]:
    """The batch split over the topic's partitions: by key, else whole batches in turn."""
    topic = context.instance.topic_of(target)
    logs = topic.partitions
    key = target.options.get("key") if isinstance(target, Stream) else ",".join(target.row_key) or None
    encoded = encoded_rows(context, target, batch, key)
    if len(logs) == 1:
        return [(logs[0], encoded)]
    if key is None:
        return [(logs[context.instance.next_partition(topic.name, len(logs))], encoded)]
    chosen = partitions_by_key([batch.column(k) for k in key.split(",")], len(logs))
    return [(logs[i], part) for i, part in deal(encoded, chosen, len(logs))]


def encoded_rows(context: Context, target: Stream | Table, batch: pa.RecordBatch, key: str | None) -> pa.RecordBatch:
    """The topic's payload: the batch itself, or records of the stream's format."""
    was = stored_names(target.columns)
    records = batch.rename_columns([was.get(n, n) for n in batch.schema.names]) if was else batch
    if isinstance(target, Table) or target.format == "arrow":
        return records
    values = encoder(target.format, records.schema, format_options(target)).encode(records)
    n = batch.num_rows
    keys = pa.nulls(n, pa.binary()) if key is None else batch.column(key).cast(pa.string()).cast(pa.binary())
    now = pa.array(np.full(n, context.instance.clock.now_us(), dtype=np.int64)).cast(pa.timestamp("us"))
    return pa.RecordBatch.from_arrays([keys, values, now, pa.nulls(n, BYTES_SCHEMA.field(3).type)], schema=BYTES_SCHEMA)


# ---------------------------------------------------------------- keyed tables


def table_store(context: Context, table: Table) -> RowStore:
    """A table's contents; the caller holds the lock and has caught up."""
    store = context.instance.scheduler.sources[table.name].store
    assert store is not None
    return store


def existing_rows(
    context: Context, table: Table, rows: pa.Table, key: IndexInfo
) -> tuple[npt.NDArray[np.int64], pa.RecordBatch]:
    """Positions of `rows` whose value of a unique key is already in the table as the transaction sees it, and the rows
    that have it there."""
    at, values = key_values.key_values(rows, key, table)
    own = own_change(context.transaction or (), table, context.instance.catalog.oid(table.name))
    store = table_store(context, table)
    found = key_values.rows_with(store, key, values) if own is None else lookup_with(own, store, key, table, values)
    return at[found[0]], found[1]


def check_unique(context: Context, table: Table, rows: pa.Table, but: Sequence[IndexInfo] = ()) -> None:
    """UniqueViolation (23505) when a unique key's value is in the table already or twice among the rows; `but`: keys
    not to be looked at."""
    keys = [key for key in table.unique_keys() if key not in but]
    if not keys:
        return
    with context.instance.lock:
        context.catch_up()
        for key in keys:
            positions, _ = existing_rows(context, table, rows, key)
            taken = positions if len(positions) else key_values.repeats(rows, key, table)
            if len(taken):
                raise key_values.violation(table, key, rows, int(taken[0]))


def first_of_each_key(rows: pa.Table, key: IndexInfo, table: Table) -> pa.Table:
    """The rows whose value of a key did not occur earlier among them, in order."""
    first = np.ones(rows.num_rows, dtype=bool)
    first[key_values.repeats(rows, key, table)] = False
    return rows.filter(pa.array(first))
