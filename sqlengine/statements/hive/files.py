"""LOAD DATA, TRUNCATE, MSCK, ANALYZE, EXPORT and IMPORT of tables over files."""

from __future__ import annotations

import os
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import warehouse
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import FileTable, Table
from sqlengine.errors import (
    DuplicateTable,
    InvalidDefinition,
    NotSupportedError,
    UndefinedColumn,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.file_tables import Needs, description_of, overrides_of, rows_of_files
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.followed_files import levelled
from sqlengine.statements.hive.found import (
    any_object,
    column_infos,
    database,
    file_table,
    local_path,
    partition_prefix,
    partition_shown,
    partitions_of,
    stated_values,
    table_location,
    texts,
)
from sqlengine.statements.truncate import truncate as truncate_own


def load(statement: ast.Load, context: Context) -> Result:
    """LOAD DATA [LOCAL] INPATH: files become the table's as they are."""
    with context.instance.lock:
        table = file_table(context, statement.name, "load files into")
    if statement.serde and warehouse.serde_of(statement.serde) != description_of(table).serde:
        raise InvalidDefinition("LOAD DATA converts nothing: the files need the table's SerDe")
    done = warehouse.load_data(
        description_of(table),
        local_path(statement.path),
        is_local=statement.local,
        overwrite=statement.overwrite,
        static=stated_values(table, statement.partition) or None,
        overrides=overrides_of(table),
    )
    context.notice(f"{done.files} file{'s' if done.files != 1 else ''}, {done.num_bytes} bytes")
    return levelled(context, Result("LOAD DATA"))


def truncate(statement: ast.TruncateFiles, context: Context) -> Result:
    """TRUNCATE TABLE [PARTITION (...)]; of a table by key all rows."""
    with context.instance.lock:
        found = any_object(context, statement.name)
        if isinstance(found, Table) and statement.partition is None:
            return truncate_own(ast.Truncate(kind="table", name=statement.name), context)
        table = file_table(context, statement.name, "truncate")
    if statement.partition is not None and not table.partition_columns:
        raise InvalidDefinition(f'table "{table.name}" is not partitioned')
    warehouse.truncate(description_of(table), partitions_of(table, statement.partition))
    return levelled(context, Result("TRUNCATE TABLE"))


def msck(statement: ast.Msck, context: Context) -> Result:
    """MSCK REPAIR TABLE: partitions on disk are the table's in any case; those that were dropped come back with ADD,
    with DROP go those whose place is no more. The lines are Hive's."""
    with context.instance.lock:
        table = file_table(context, statement.name, "repair")
        description = description_of(table)
        hidden = [warehouse.partition_at(description, values) for values in table.hidden]
        found = [p for p in hidden if os.path.isdir(p.location)] if statement.adds else []
        located = dict(table.located)
        missing = [values for values, place in table.located if not os.path.isdir(place)] if statement.drops else []
        back = {partition.values for partition in found}
        changed = replace(
            table,
            hidden=tuple(values for values in table.hidden if values not in back),
            located=tuple((v, located[v]) for v in located if v not in missing),
        )
        if changed != table:
            context.instance.catalog.change([changed])
    lines = [f"Repair: Added partition to metastore {table.name}:{partition_shown(table, p)}" for p in found]
    names = [name for name, _, _ in table.partition_columns]
    lines += [
        f"Repair: Dropped partition from metastore {table.name}:{warehouse.partition_name(names, values)}"
        for values in missing
    ]
    for line in lines:
        context.notice(line)
    return levelled(context, Result("MSCK"))


# ---------------------------------------------------------------- ANALYZE


def analyze(statement: ast.Analyze, context: Context) -> Result:
    """ANALYZE TABLE ... COMPUTE STATISTICS [FOR COLUMNS]: kept, and told by DESCRIBE FORMATTED."""
    with context.instance.lock:
        found = any_object(context, statement.name)
    if not isinstance(found, FileTable):
        if not isinstance(found, Table):
            raise WrongObjectType(f'"{found.name}" is a {found.kind}: there is nothing to count')
        return Result("ANALYZE")
    table = file_table(context, statement.name, "analyze")
    counted = warehouse.statistics(
        description_of(table), partitions_of(table, statement.partition), overrides=overrides_of(table)
    )
    made = _counts(list(counted.values()))
    if table.partition_columns:
        made["numPartitions"] = str(len(counted))
    if statement.partition is not None:
        names = [name for name, _, _ in table.partition_columns]
        made = {
            f"{partition_prefix(names, values)}{key}": count
            for values, each in counted.items()
            for key, count in _counts([each]).items()
        }
    if statement.columns is not None:
        made |= _of_columns(table, statement.columns, context)
    with context.instance.lock:
        now = file_table(context, statement.name, "analyze")
        context.instance.catalog.update(now, statistics={**now.statistics, **made})
    return Result("ANALYZE")


def _counts(counted: list[warehouse.Statistics]) -> dict[str, str]:
    return {
        "numFiles": str(sum(each.num_files for each in counted)),
        "numRows": str(sum(each.num_rows or 0 for each in counted)),
        "totalSize": str(sum(each.total_bytes for each in counted)),
    }


def _of_columns(table: FileTable, columns: tuple[str, ...], context: Context) -> dict[str, str]:
    """NULLs, distinct values, least and greatest of columns; column by column, so that no two wait in memory."""
    known = [info.name for info in table.columns]
    for name in columns:
        if name not in known:
            raise UndefinedColumn(
                f'column "{name}" of table "{table.name}" does not exist', hint=did_you_mean(name, known)
            )
    made: dict[str, str] = {}
    for name in columns or known:
        values = rows_of_files(table, Needs((name,), ()), check=context.check).column(name)
        made[f"column.{name}.num_nulls"] = str(values.null_count)
        if pa.types.is_nested(values.type):
            continue
        made[f"column.{name}.distinct_count"] = str(pc.count_distinct(values).as_py())
        if not pa.types.is_boolean(values.type) and not pa.types.is_binary(values.type):
            bounds = pc.min_max(values)
            made |= {f"column.{name}.{end}": str(bounds[end].as_py()) for end in ("min", "max")}
    return made


# ---------------------------------------------------------------- EXPORT, IMPORT


def export(statement: ast.Export, context: Context) -> Result:
    """EXPORT TABLE: data and description in a new directory."""
    with context.instance.lock:
        table = file_table(context, statement.name, "export")
    path = local_path(statement.path)
    if table.formats:
        raise NotSupportedError(
            f'partitions of "{table.name}" are stored in several ways, of which an export can have one',
            hint="CREATE TABLE ... AS SELECT makes a table that can be exported",
        )
    warehouse.export_table(description_of(table), path, partitions_of(table, statement.partition))
    return Result("EXPORT")


def import_(statement: ast.Import, context: Context) -> Result:
    """IMPORT: into the table of the name there was, or another; a table that does not exist is made."""
    exported = warehouse.read_export(local_path(statement.path))
    source = exported.description
    name = statement.name or (context.settings.search_path.split(",")[0].strip(), source.name)
    with context.instance.lock:
        existing = context.instance.catalog.find(name)
    if existing is None:
        table = _made(statement, context, exported, name)
    else:
        table = file_table(context, name, "import into")
        if statement.location:
            raise DuplicateTable(f'relation "{table.name}" already exists, it cannot have another LOCATION')
    if statement.partition is not None:
        wanted = {p.values for p in partitions_of(_as_table(table, exported), statement.partition)}
        exported = replace(exported, partitions=tuple(p for p in exported.partitions if p.values in wanted))
    try:
        warehouse.import_table(exported, description_of(table), overrides_of(table))
    except BaseException:
        if existing is None:
            with context.instance.lock:
                context.instance.catalog.release(table)
        raise
    if existing is None:
        with context.instance.lock:
            context.instance.catalog.add(table, replace_existing=True)
    return levelled(context, Result("IMPORT"))


def _as_table(table: FileTable, exported: warehouse.Exported) -> FileTable:
    """The table as it was exported, to look for partitions in."""
    return replace(table, location=exported.description.location, located=(), hidden=(), formats=())


def _made(statement: ast.Import, context: Context, exported: warehouse.Exported, name: ast.Name) -> FileTable:
    source = exported.description
    with context.instance.lock:
        database(context, name[0])
        location = local_path(statement.location) if statement.location else table_location(context, name)
        placed = source.at(location)
        table = FileTable(
            name=object_name(name),
            columns=column_infos(placed),
            comment=placed.comment or None,
            created_us=context.instance.clock.now_us(),
            sql=statement.text,
            location=location,
            hive_columns=texts(placed.columns),
            partition_columns=texts(placed.partition_columns),
            file_format=placed.file_format,
            serde="" if placed.serde == warehouse.stored_as(placed.file_format).serde else _class_of(placed.serde),
            serde_properties=dict(placed.serde_properties),
            properties=dict(placed.properties),
            is_external=statement.external,
            bucket_columns=placed.bucket_columns,
            num_buckets=placed.num_buckets,
        )
        made = context.owned(table)
        context.instance.catalog.hold(made)
    return made


def _class_of(serde: str) -> str:
    return str(warehouse.serde_class(serde))
