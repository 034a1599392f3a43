"""Tables over files that continuous queries read: a hidden table by each holds its rows, by file, and is kept level.

Files are not a log: what a vanished file held can be taken back only by who remembers it. So the first continuous query
over such a table makes `name$files`, a table of ours with the rows and the file each is of. Statements that change
files level it at once; what others write is found by comparing directories, at every strict read and now and then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import sql, warehouse
from sqlengine.catalog.objects import FOLLOWED, ColumnInfo, FileTable, Table, View
from sqlengine.errors import FileUnavailable
from sqlengine.result import Result
from sqlengine.runtime.file_tables import description_of, overrides_of, unpadded
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.sources import topic_schema
from sqlengine.settings import Settings
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.drop import drop_object
from sqlengine.statements.topics import make_topic
from sqlengine.statements.write import append_changes
from sqlengine.warehouse import TableDescription
from sqlengine.warehouse.changes import DataFile

_FILE = "$file"
"""The column that says which file a row is of."""


def follow_files(context: Context, query: ast.Query) -> None:
    """Have the tables over files that a continuous query reads followed; the caller does not hold the lock."""
    instance = context.instance
    with instance.lock:
        for table in list(_read(context, query)):
            if _beside(instance, table) is None:
                _add(context, table)
        level(instance)


def _read(context: Context, query: ast.Query) -> Iterator[FileTable]:
    """Those that a query reads, through views as well."""
    for reference in sql.tables(query):
        found = context.instance.catalog.find(reference.parts)
        if isinstance(found, FileTable):
            yield found
        elif isinstance(found, View):
            yield from _read(context, sql.parse_query(found.query))


def _beside(instance: Instance, table: FileTable) -> Table | None:
    found = instance.catalog.find(tuple((table.name + FOLLOWED).split(".")))
    return found if isinstance(found, Table) else None


def _add(context: Context, table: FileTable) -> None:
    instance = context.instance
    columns = (*(ColumnInfo(c.name, c.type, limit=c.limit) for c in table.columns), ColumnInfo(_FILE, pa.string()))
    name = table.name + FOLLOWED
    made = Table(name=name, topic=name, columns=columns, owner=table.owner, created_us=instance.clock.now_us())
    make_topic(context, made, topic_schema(made), {})
    instance.catalog.add(made)
    instance.start_table(made)


def is_followed(context: Context, table: FileTable) -> bool:
    """Whether a table's rows are kept for continuous queries."""
    return _beside(context.instance, table) is not None


def forget(context: Context, table: FileTable) -> None:
    """No longer keep the rows of a table that nothing follows; the caller holds the lock."""
    beside = _beside(context.instance, table)
    if beside is not None:
        drop_object(context, beside, cascade=False)


# ---------------------------------------------------------------- levelling


_nothing_followed: WeakKeyDictionary[Instance, int] = WeakKeyDictionary()
"""The version of a catalog in which nothing is followed, so that most reads need not look."""


def levelled(context: Context, result: Result) -> Result:
    """The result of a statement that has changed files, once the queries over them know."""
    level(context.instance)
    return result


def level(instance: Instance) -> None:
    """What is followed has the rows that are in the files now."""
    version = instance.catalog.version
    if _nothing_followed.get(instance) == version:
        return
    if not any(obj.name.endswith(FOLLOWED) for obj in instance.catalog):
        _nothing_followed[instance] = version
        return
    context = Context(instance, Settings())  # outside of any session's transaction
    with instance.lock:
        for table in [obj for obj in instance.catalog if isinstance(obj, FileTable)]:
            beside = _beside(instance, table)
            if beside is not None:
                _level_one(context, table, beside)


def _level_one(context: Context, table: FileTable, beside: Table) -> None:
    instance = context.instance
    description = description_of(table)
    found = warehouse.changes(description, (), overrides_of(table)).now
    now = {_identity(file): file for file in found}
    instance.catch_up()
    kept = instance.contents(beside)
    known = set(pc.unique(kept.column(_FILE)).to_pylist())
    gone = pa.array(sorted(known - now.keys()), pa.string())
    added = [(name, file) for name, file in now.items() if name not in known]
    if not len(gone) and not added:
        return
    old = kept.filter(pc.is_in(kept.column(_FILE), value_set=gone)).select(beside.arrow_schema().names)
    new = pa.Table.from_batches(_rows(table, description, added), schema=old.schema)
    if old.num_rows or new.num_rows:
        weights = np.concatenate([-np.ones(old.num_rows, np.int8), np.ones(new.num_rows, np.int8)])
        append_changes(context, beside, pa.concat_tables([old, new]), weights)


def _identity(file: DataFile) -> str:
    """A file as what tells it from others that had or will have its name."""
    info = file.file
    values = "/".join("" if value is None else f"={value}" for value in file.partition.values)
    return f"{info.path}|{info.size}|{info.mtime_ns}|{info.inode}|{values}"


def _rows(
    table: FileTable, description: TableDescription, files: Iterable[tuple[str, DataFile]]
) -> Iterator[pa.RecordBatch]:
    """The rows of files, each with its file; one that goes away meanwhile is left for the next time."""
    keys = [column.name for column in description.partition_columns]
    schema = pa.schema([*((c.name, c.type) for c in table.columns), (_FILE, pa.string())])
    overrides = overrides_of(table)
    for name, file in files:
        values = warehouse.typed_values(description, [file.partition]) if keys else None
        stored = overrides.describing(description, file.partition.values)
        try:
            batches = [unpadded(b, stored) for b in warehouse.read(file.file.path, stored)]
        except FileUnavailable:
            continue
        for batch in batches:
            constant = [pa.repeat(values.column(key)[0], batch.num_rows) for key in keys] if values else []
            columns = [*batch.columns, *constant, pa.repeat(pa.scalar(name), batch.num_rows)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
