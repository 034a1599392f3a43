"""Tables over files as the warehouse knows them, and their rows: only the columns and partitions a plan asks for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import warehouse
from sqlengine.catalog.objects import ColumnInfo, FileTable, PartitionValues
from sqlengine.errors import DataError
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.simplify import conjuncts
from sqlengine.expr.tree import Expr, input_columns, remap
from sqlengine.plan import nodes
from sqlengine.plan.nodes import Node
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse import BLOCK_OFFSET, FILE_NAME, Overrides, TableDescription
from storage.replacing import replace

VIRTUAL = (ColumnInfo(FILE_NAME, pa.string()), ColumnInfo(BLOCK_OFFSET, pa.int64()))
"""Columns that queries may name of every such table, and that `*` leaves out."""


def description_of(table: FileTable) -> TableDescription:
    """What the warehouse calls the table."""
    made: TableDescription = warehouse.describe(
        table.name.rpartition(".")[2],
        table.hive_columns,
        table.location,
        partition_columns=table.partition_columns,
        file_format=table.file_format,
        serde_class=table.serde,
        serde_properties=table.serde_properties,
        properties=table.properties,
        is_external=table.is_external,
        comment=table.comment or "",
        bucket_columns=table.bucket_columns,
        num_buckets=table.num_buckets,
    )
    return made


def overrides_of(table: FileTable) -> Overrides:
    """What the catalog knows of partitions that the directories do not tell."""
    own = {values: description_of(as_stored(table, values)) for values, *_ in table.formats}
    return Overrides(dict(table.located), frozenset(table.hidden), own)


def as_stored(table: FileTable, values: PartitionValues) -> FileTable:
    """The table as the files of one partition are stored."""
    for known, file_format, serde, properties in table.formats:
        if known == values:
            return replace(table, file_format=file_format, serde=serde, serde_properties=dict(properties))
    return table


def remove_empty(directory: str) -> None:
    """Remove the directory of a dropped database; one with anything in it, or none at all, is left as it is."""
    with contextlib.suppress(OSError):
        os.rmdir(directory)


# ---------------------------------------------------------------- what is needed of a table


@dataclass(frozen=True)
class Needs:
    """`columns`: those to be read, by name; `tests`: for each scan of the table what its rows must satisfy, over the
    columns of `scanned`."""

    columns: tuple[str, ...]
    scans: tuple[tuple[tuple[str, ...], Expr | None], ...]


def needs_of(plan: Node, name: str) -> Needs:
    """What a plan needs of a table."""
    scans = list(_scans(plan, name, None))
    columns = tuple(dict.fromkeys(column for names, _ in scans for column in names))
    return Needs(columns, tuple(scans))


def _scans(node: Node, name: str, above: Expr | None) -> Iterator[tuple[tuple[str, ...], Expr | None]]:
    if isinstance(node, nodes.Scan):
        if node.source == name:
            yield node.columns, above
        return
    condition = node.predicate if isinstance(node, nodes.Filter) else None
    for below in node.inputs:
        yield from _scans(below, name, condition)


# ---------------------------------------------------------------- rows


def rows_of_files(
    table: FileTable, needs: Needs | None = None, now_us: int = 0, check: Callable[[], None] | None = None
) -> pa.Table:
    """The table's rows, or what is needed of them; `check` is called between files and pieces of them.

    Raises what `warehouse.read_table` raises."""
    description = description_of(table)
    columns = list(needs.columns) if needs is not None else description.row_schema.names
    read = columns or description.row_schema.names[-1:]
    batches = []
    for batch in warehouse.read_table(
        description, read, overrides=overrides_of(table), where=_where(description, needs, now_us)
    ):
        if check is not None:
            check()
        batches.append(unpadded(batch, description))
    if not batches:
        return _schema(description, read).empty_table()
    return pa.Table.from_batches(batches)


def unpadded(batch: pa.RecordBatch, description: TableDescription) -> pa.RecordBatch:
    """Rows with values of char(n) without the blanks that fill them up, which count in no comparison."""
    chars = {c.name for c in (*description.columns, *description.partition_columns) if c.type.name == "char"}
    if not chars & set(batch.schema.names):
        return batch
    arrays = [
        pc.utf8_rtrim(array, " ") if name in chars else array
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def with_all_columns(rows: pa.Table, table: FileTable) -> pa.Table:
    """The rows with all columns of the table: what is not needed is NULL, because a text may name it all the same."""
    arrays = [
        rows.column(c.name) if c.name in rows.schema.names else pa.nulls(rows.num_rows, c.type) for c in table.columns
    ]
    return pa.table(arrays, schema=pa.schema([pa.field(c.name, c.type) for c in table.columns]))


def _schema(description: TableDescription, columns: Sequence[str]) -> pa.Schema:
    virtual = {column.name: column.type for column in VIRTUAL}
    return pa.schema([(c, virtual[c]) if c in virtual else description.column(c).field for c in columns])


def _where(
    description: TableDescription, needs: Needs | None, now_us: int
) -> Callable[[pa.RecordBatch], pa.Array] | None:
    """A condition on partitions: what some scan of the table may want; None where all may be wanted."""
    if needs is None or not needs.scans or not description.partition_columns:
        return None
    tests = [_partition_test(description, names, condition) for names, condition in needs.scans]
    if not all(tests):
        return None

    def where(partitions: pa.RecordBatch) -> pa.Array:
        kept = pa.array([False] * partitions.num_rows)
        for test in tests:
            kept = pc.or_(kept, _passing(test, partitions, now_us))
        return kept

    return where


def _passing(test: Sequence[Expr], partitions: pa.RecordBatch, now_us: int) -> pa.Array:
    """Partitions that pass all conditions; where one raises, its rows are to raise it, so they pass."""
    kept = pa.array([True] * partitions.num_rows)
    for part in test:
        try:
            (values,) = compile_exprs([part])(partitions, now_us)
        except DataError:
            continue
        kept = pc.and_(kept, values.fill_null(False))
    return kept


def _partition_test(description: TableDescription, names: Sequence[str], condition: Expr | None) -> list[Expr]:
    """The conjuncts that partition columns alone decide, over a row of their values."""
    keys = {column.name: place for place, column in enumerate(description.partition_columns)}
    found = []
    for part in conjuncts(condition) if condition is not None else []:
        used = input_columns(part)
        if used and all(names[at] in keys for at in used):
            found.append(remap(part, {at: keys[names[at]] for at in used}))
    return found
