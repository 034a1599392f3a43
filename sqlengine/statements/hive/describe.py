"""DESCRIBE as Hive answers it: rows of col_name, data_type, comment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

import pyarrow as pa

from sqlengine import warehouse
from sqlengine.catalog.objects import CatalogObject, FileTable, MaterializedView, Stream, View
from sqlengine.errors import UndefinedColumn, WrongObjectType, did_you_mean
from sqlengine.result import Result
from sqlengine.runtime.file_tables import as_stored
from sqlengine.sql import ast
from sqlengine.sql.dialect import SPARK, dialect_of
from sqlengine.statements.context import Context
from sqlengine.statements.hive.found import (
    any_object,
    database,
    database_location,
    database_shown,
    one_partition,
    partition_prefix,
    type_of_column,
)
from sqlengine.statements.hive.kafka import HANDLER, is_kafka_table, kafka_properties

Line = tuple[str, str | None, str | None]
_HEAD = ("col_name", "data_type", "comment")


def describe(statement: ast.HiveDescribe, context: Context) -> Result:
    """DESCRIBE [EXTENDED | FORMATTED] table [PARTITION (...)] [column], DATABASE, FUNCTION."""
    with context.instance.lock:
        if statement.kind == "database":
            return _database(statement, context)
        if statement.kind == "function":
            return _function(statement.name[-1], statement.extended)
        obj = any_object(context, statement.name)
        if statement.column is not None:
            return _table([_column(obj, statement.column)])
        lines = list(_columns(obj))
        if isinstance(obj, FileTable) and obj.partition_columns:
            lines += _partition_information(obj)
        if statement.extended or statement.partition is not None:
            lines += _details(obj, context, statement.partition)
        return _table(_of_spark(lines) if context.settings.dialect == SPARK else lines)


def _of_spark(lines: Iterable[Line]) -> Iterable[Line]:
    """As Spark has it: no empty line before the partitions, NULL for no comment, empty texts behind a heading."""
    for name, kind, comment in lines:
        if kind is None and name == "# Partition Information":
            yield name, "", ""
        elif name or kind:
            yield name, kind, comment or None


def _table(lines: Iterable[Line]) -> Result:
    rows = list(lines)
    columns = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(_HEAD)}
    return Result("DESCRIBE", pa.table(columns))


def hive_columns(obj: CatalogObject) -> list[tuple[str, str, str]]:
    """Name, Hive type, comment of every column of whatever has columns."""
    if isinstance(obj, FileTable):
        return [*obj.hive_columns, *obj.partition_columns]
    return [(column.name, type_of_column(column), "") for column in obj.columns]


def _columns(obj: CatalogObject) -> Iterable[Line]:
    if not obj.columns:
        raise WrongObjectType(f'"{obj.name}" is a {obj.kind}: it has no columns')
    yield from hive_columns(obj)


def _column(obj: CatalogObject, name: str) -> Line:
    columns = {column: (column, kind, comment) for column, kind, comment in hive_columns(obj)}
    if name not in columns:
        raise UndefinedColumn(f'column "{name}" of "{obj.name}" does not exist', hint=did_you_mean(name, columns))
    return columns[name]


def _partition_information(table: FileTable) -> list[Line]:
    return [
        ("", None, None),
        ("# Partition Information", None, None),
        ("# col_name", "data_type", "comment"),
        *table.partition_columns,
    ]


def _details(obj: CatalogObject, context: Context, spec: ast.PartitionSpec | None) -> list[Line]:
    """What EXTENDED and FORMATTED tell: both the readable form."""
    schema, _, name = obj.name.rpartition(".")
    facts: dict[str, str] = {"Database:": database_shown(schema)}
    head = "# Detailed Table Information"
    counted: dict[str, str] = {}
    if spec is not None:
        if not isinstance(obj, FileTable):
            raise WrongObjectType(f'"{obj.name}" is a {obj.kind}: it has no partitions')
        partition = one_partition(obj, spec)
        head = "# Detailed Partition Information"
        facts |= {"Table:": name, "Partition Value:": f"[{', '.join(map(str, partition.values))}]"}
        facts["Location:"] = f"file:{partition.location}"
        prefix = partition_prefix([name for name, _, _ in obj.partition_columns], partition.values)
        counted = {name.removeprefix(prefix): text for name, text in obj.statistics.items() if name.startswith(prefix)}
    else:
        owner = context.instance.catalog.roles.by_id(obj.owner).name
        created = dt.datetime.fromtimestamp(obj.created_us / 1e6, dt.UTC)
        facts |= {"Owner:": owner, "CreateTime:": created.strftime("%Y-%m-%d %H:%M:%S UTC")}
        if isinstance(obj, FileTable):
            facts["Location:"] = f"file:{obj.location}"
        facts["Table Type:"] = table_type(obj)
    lines: list[Line] = [("", None, None), (head, None, None), *((key, value, None) for key, value in facts.items())]
    if isinstance(obj, FileTable) and spec is None:
        lines += _pairs("Table Parameters:", parameters(obj))
    elif isinstance(obj, Stream) and is_kafka_table(obj):
        lines += _pairs("Table Parameters:", kafka_properties(obj) | {"EXTERNAL": "TRUE", "storage_handler": HANDLER})
    elif counted:
        lines += _pairs("Partition Parameters:", counted)
    if isinstance(obj, FileTable):
        lines += _storage(obj if spec is None else as_stored(obj, one_partition(obj, spec).values))
    if isinstance(obj, (View, MaterializedView)):
        lines += [
            ("", None, None),
            ("# View Information", None, None),
            ("Original Query:", dialect_of(obj.query)[1], None),
        ]
    return lines


def table_type(obj: CatalogObject) -> str:
    """Hive's word for what an object is."""
    if isinstance(obj, FileTable):
        return "EXTERNAL_TABLE" if obj.is_external else "MANAGED_TABLE"
    if is_kafka_table(obj):
        return "EXTERNAL_TABLE"
    kinds = {"view": "VIRTUAL_VIEW", "materialized view": "MATERIALIZED_VIEW"}
    return kinds.get(obj.kind, "MANAGED_TABLE")


def parameters(table: FileTable) -> dict[str, str]:
    """Table parameters: properties, comment and what ANALYZE has counted."""
    made = {**table.properties}
    if table.is_external:
        made["EXTERNAL"] = "TRUE"
    if table.comment:
        made["comment"] = table.comment
    return {**made, **{name: text for name, text in table.statistics.items() if "." not in name}}


def _pairs(head: str, pairs: Mapping[str, str]) -> list[Line]:
    return [(head, None, None), *(("", name, pairs[name]) for name in sorted(pairs))]


def _storage(table: FileTable) -> list[Line]:
    stored = warehouse.stored_as(table.file_format)
    facts: Sequence[tuple[str, str]] = (
        ("SerDe Library:", table.serde or stored.serde_class),
        ("InputFormat:", stored.input_format),
        ("OutputFormat:", stored.output_format),
        ("Compressed:", "No"),
        ("Num Buckets:", str(table.num_buckets or -1)),
        ("Bucket Columns:", f"[{', '.join(table.bucket_columns)}]"),
        (
            "Sort Columns:",
            f"[{', '.join(f'Order(col:{c}, order:{0 if down else 1})' for c, down in table.sort_columns)}]",
        ),
        *_skewed(table),
    )
    lines: list[Line] = [("", None, None), ("# Storage Information", None, None)]
    lines += [(key, value, None) for key, value in facts]
    return lines + (_pairs("Storage Desc Params:", table.serde_properties) if table.serde_properties else [])


def _skewed(table: FileTable) -> Iterable[tuple[str, str]]:
    if table.skewed is None:
        return
    names, rows, as_directories = table.skewed
    if as_directories:
        yield "Stored As SubDirectories:", "Yes"
    yield "Skewed Columns:", f"[{', '.join(names)}]"
    yield "Skewed Values:", f"[{', '.join('[' + ', '.join(row) + ']' for row in rows)}]"


# ---------------------------------------------------------------- databases, functions


def _database(statement: ast.HiveDescribe, context: Context) -> Result:
    found = database(context, statement.name[-1])
    owner = context.instance.catalog.roles.by_id(found.owner).name
    row = {
        "db_name": database_shown(found.name),
        "comment": found.comment or "",
        "location": f"file:{database_location(context, found.name)}",
        "owner_name": owner,
        "owner_type": "USER",
        "parameters": "",
    }
    if statement.extended and found.properties:
        row["parameters"] = "{" + ", ".join(f"{k}={v}" for k, v in sorted(found.properties.items())) + "}"
    return Result("DESCRIBE", pa.table({name: pa.array([value], pa.string()) for name, value in row.items()}))


def _function(name: str, extended: bool) -> Result:
    """`name(arguments) - what it does`, one line for each form; EXTENDED: with an example."""
    catalogue = import_module("sqlengine.expr.hive.catalogue")  # only who speaks Hive pays for it
    lines = catalogue.described(name, extended)
    return Result("DESCRIBE", pa.table({"tab_name": pa.array(lines, pa.string())}))
