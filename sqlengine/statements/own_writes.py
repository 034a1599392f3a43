"""What a transaction has written to tables and not committed: its own statements see it, and COMMIT checks it.

Changes of a table are rows that go and rows that come. They wait as the statements made them, so two changes of one row
are right only if the second started from what the first left, and a COMMIT only if what goes is still there: another
session may have been first. Streams only grow: nothing of them needs a check, and rows are seen when committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.catalog.objects import IndexInfo, Stream, Table
from sqlengine.delta import Delta, concat
from sqlengine.errors import SerializationFailure, UniqueViolation
from sqlengine.operators.consolidate import consolidate
from sqlengine.runtime.reader import WEIGHT_COLUMN
from sqlengine.runtime.stored_columns import StoredColumns, stored_names, widened
from sqlengine.state.fingerprint import batch_fingerprints
from sqlengine.state.row_store import RowStore
from sqlengine.statements import key_values
from sqlengine.statements.context import Context, Pending

Ints = npt.NDArray[np.int64]


def own_change(pending: Sequence[Pending], table: Table, oid: int) -> Delta | None:
    """The net of what waits for a table; None when nothing does."""
    deltas = []
    for item in pending:
        if item.oid == oid:
            batch = as_it_is_now(item, table).batch
            weights = np.asarray(batch.column(WEIGHT_COLUMN)).astype(np.int64)
            deltas.append(Delta(batch.drop_columns([WEIGHT_COLUMN]), weights))
    return consolidate(concat(deltas))


def as_it_is_now(item: Pending, target: Stream | Table) -> Pending:
    """What waits for an object that has got another name or other columns since; DataError where a column's type has
    changed and a value cannot be made one of the new type."""
    if target.columns == item.target.columns:
        return replace(item, target=target)
    was, columns = stored_names(item.target.columns), StoredColumns(target, strict=True)
    have = {was.get(name, name): item.batch.column(name) for name in item.batch.schema.names}
    batch = columns.select(columns.names, have, have.__getitem__, item.batch.num_rows)
    if isinstance(target, Table):
        batch = batch.append_column(WEIGHT_COLUMN, item.batch.column(WEIGHT_COLUMN))
    return replace(item, target=target, batch=batch)


def rows_with(own: Delta, contents: pa.Table, table: Table) -> pa.Table:
    """A table's committed rows as the transaction sees them."""
    base = [Delta(_under(batch, own.batch.schema)) for batch in contents.to_batches()]
    seen = consolidate(concat([*base, own]))
    if seen is None:
        return contents.slice(0, 0)
    times = np.maximum(seen.weight_array(), 0)
    rows = pa.Table.from_batches([seen.batch.take(pa.array(np.repeat(np.arange(seen.num_rows), times)))])
    return widened(rows, table, stored_names(table.columns))


def lookup_with(
    own: Delta, store: RowStore, key: IndexInfo, table: Table, values: Sequence[pa.Array]
) -> tuple[Ints, pa.RecordBatch]:
    """(positions in `values`, rows) of those the transaction sees, as `RowStore.lookup_by` of the committed ones."""
    gone, come = _split(own)
    at, rows = key_values.rows_with(store, key, values)
    rows = _under(rows, come.schema)
    still = ~_are_among(rows, gone)
    numbers = pa.array(np.arange(come.num_rows))
    columns = key_values.columns_of(come, key, table)
    keyed = pa.RecordBatch.from_arrays([*columns, numbers], names=[*key.columns, "$row"])
    added = RowStore(keyed.schema, None)
    added.apply(Delta(keyed))
    own_at, found = key_values.rows_with(added, key, values)
    kept = rows.filter(pa.array(still))
    return np.concatenate([at[still], own_at]), pa.concat_batches([kept, come.take(found.column("$row"))])


def left_alone(context: Context, table: Table, rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Which of a table's rows no other part of the same statement has changed; of equal rows, the last ones."""
    gone = _split_since(context, table)[0]
    if gone is None or not gone.num_rows:
        return np.ones(rows.num_rows, dtype=bool)
    changed = Counter(map(tuple, batch_fingerprints(gone).tolist()))
    alone = []
    for row in map(tuple, batch_fingerprints(_under(one_batch(rows), gone.schema)).tolist()):
        alone.append(changed[row] == 0)
        changed[row] -= not alone[-1]
    return np.array(alone, dtype=bool)


def has_written(context: Context, table: Table, rows: pa.RecordBatch) -> bool:
    """Whether another part of the same statement has written one of the rows."""
    come = _split_since(context, table)[1]
    return come is not None and bool(_are_among(_under(rows, come.schema), come).any())


def _split_since(context: Context, table: Table) -> tuple[pa.RecordBatch | None, pa.RecordBatch | None]:
    """(rows that went, rows that came) of a table since a statement of several parts began."""
    if context.seen is None or context.transaction is None:
        return None, None
    oid = context.instance.catalog.oid(table.name)
    batches = [item.batch for item in context.transaction[context.seen :] if item.oid == oid]
    if not batches:
        return None, None
    batch = pa.concat_batches(batches)
    weights = np.asarray(batch.column(WEIGHT_COLUMN)).astype(np.int64)
    return _split(Delta(batch.drop_columns([WEIGHT_COLUMN]), weights))


def one_batch(rows: pa.Table) -> pa.RecordBatch:
    """The rows of a table in one batch."""
    batches = rows.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=rows.schema)


def check_commit(pending: Sequence[Pending], table: Table, oid: int, store: RowStore) -> None:
    """SerializationFailure (40001) unless every row that goes is there, UniqueViolation (23505) if one that comes has a
    key that stays in use. The caller holds the lock and has caught up.
    """
    own = own_change(pending, table, oid)
    if own is None:
        return
    gone, come = _split(own)
    if not table.row_key:
        base = [Delta(_under(batch, own.batch.schema)) for batch in store.snapshot_table().to_batches()]
        found = consolidate(concat([*base, own]))
        if found is not None and int(found.weight_array().min()) < 0:
            raise _overtaken(table)
    for key in table.unique_keys():
        if key.columns == table.primary_key:
            _, there = key_values.rows_with(store, key, key_values.key_values(gone, key, table)[1])
            if not _are_among(gone, _under(there, gone.schema)).all():
                raise _overtaken(table)
        _, taken = key_values.rows_with(store, key, key_values.key_values(come, key, table)[1])
        if len(key_values.repeats(come, key, table)) or not _are_among(_under(taken, gone.schema), gone).all():
            raise UniqueViolation(
                f'duplicate key value violates unique constraint "{key.name}"',
                detail="a row of the transaction has the key of another",
            )


def _split(own: Delta) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """(rows that go, rows that come), each as often as it does."""
    weights = own.weight_array()
    numbers = np.arange(own.num_rows)
    return (
        own.batch.take(pa.array(np.repeat(numbers, np.maximum(-weights, 0)))),
        own.batch.take(pa.array(np.repeat(numbers, np.maximum(weights, 0)))),
    )


def _are_among(rows: pa.RecordBatch, others: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    """Which of the rows are equal to one of the others."""
    known = set(map(tuple, batch_fingerprints(others).tolist()))
    return np.array([tuple(each) in known for each in batch_fingerprints(rows).tolist()], dtype=bool)


def _under(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch's columns of a schema that differs in metadata at most, or has no computed columns."""
    return pa.RecordBatch.from_arrays([batch.column(name) for name in schema.names], schema=schema)


def _overtaken(table: Table) -> SerializationFailure:
    return SerializationFailure(
        f'could not commit: rows of "{table.name}" have been changed meanwhile by another session',
        hint="nothing was written; run the transaction again",
    )
