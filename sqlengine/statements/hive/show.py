"""SHOW as Hive answers it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pyarrow as pa

from sqlengine import warehouse
from sqlengine.catalog.objects import CatalogObject, FileTable, MaterializedView, Namespace, Stream, Table, View
from sqlengine.errors import WrongObjectType
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.sql.dialect import DEFAULT_DATABASE, SPARK
from sqlengine.statements.context import Context
from sqlengine.statements.hive.describe import hive_columns, parameters, table_type
from sqlengine.statements.hive.found import (
    any_object,
    database,
    database_location,
    database_shown,
    file_table,
    one_partition,
    partition_shown,
    partitions_of,
    shown_name,
)
from sqlengine.statements.hive.kafka import is_kafka_table, kafka_properties
from sqlengine.statements.hive.session import set_

TABLES = (Stream, Table, FileTable, View, MaterializedView)
"""What SHOW TABLES lists: everything that can be read."""


def show(statement: ast.HiveShow, context: Context) -> Result:
    """SHOW DATABASES, TABLES, VIEWS, PARTITIONS, CREATE TABLE, COLUMNS, TBLPROPERTIES, TABLE EXTENDED, CONF."""
    with context.instance.lock:
        return _SHOWN[statement.what](statement, context)


def _one_column(name: str, values: Iterable[str]) -> Result:
    return Result("SHOW", pa.table({name: pa.array(list(values), pa.string())}))


def matches(name: str, pattern: str | None) -> bool:
    """Whether a name fits a pattern: `*` stands for any characters, `|` divides choices; SQL's `%` and `_` too."""
    if pattern is None:
        return True
    return any(re.fullmatch(_regex(choice.strip()), name, re.IGNORECASE) for choice in pattern.split("|"))


def _regex(choice: str) -> str:
    parts = {"*": ".*", "%": ".*", "_": "."}
    if "*" in choice:
        del parts["_"]
    return "".join(parts.get(char, re.escape(char)) for char in choice)


# ---------------------------------------------------------------- lists


def _databases(statement: ast.HiveShow, context: Context) -> Result:
    names = [DEFAULT_DATABASE, *(o.name for o in context.instance.catalog if isinstance(o, Namespace))]
    head = "namespace" if _is_spark(context) else "database_name"
    return _one_column(head, (name for name in sorted(names) if matches(name, statement.like)))


def _is_spark(context: Context) -> bool:
    return bool(context.settings.dialect == SPARK)


def _of_spark(found: list[CatalogObject], context: Context, name: str) -> Result:
    """Rows of namespace, name and isTemporary, as Spark lists tables and views."""
    catalog = context.instance.catalog
    columns = {
        "namespace": pa.array([database_shown(o.name.rpartition(".")[0]) for o in found], pa.string()),
        name: pa.array([_plain(o) for o in found], pa.string()),
        "isTemporary": pa.array([catalog.oid(o.name) in context.temporary for o in found], pa.bool_()),
    }
    return Result("SHOW", pa.table(columns))


def _named(statement: ast.HiveShow, context: Context, *classes: type[CatalogObject]) -> list[CatalogObject]:
    """Objects of a database, by name."""
    schema = statement.database or ""
    database(context, schema)
    found = []
    for obj in sorted(context.instance.catalog, key=lambda o: o.name):
        within, _, name = obj.name.rpartition(".")
        is_there = database_shown(within) == database_shown(schema)
        if is_there and isinstance(obj, classes) and "$" not in name and matches(name, statement.like):
            found.append(obj)
    return found


def _plain(obj: CatalogObject) -> str:
    return obj.name.rpartition(".")[2]


def _tables(statement: ast.HiveShow, context: Context) -> Result:
    found = _named(statement, context, *TABLES)
    if _is_spark(context):
        return _of_spark(found, context, "tableName")
    if not statement.extended:
        return _one_column("tab_name", map(_plain, found))
    rows = {"tab_name": [_plain(o) for o in found], "table_type": [table_type(o) for o in found]}
    return Result("SHOW", pa.table({name: pa.array(values, pa.string()) for name, values in rows.items()}))


def _views(statement: ast.HiveShow, context: Context) -> Result:
    found = _named(statement, context, View)
    if _is_spark(context):
        return _of_spark(found, context, "viewName")
    return _one_column("tab_name", map(_plain, found))


def _materialized_views(statement: ast.HiveShow, context: Context) -> Result:
    return _one_column("mv_name", map(_plain, _named(statement, context, MaterializedView)))


def _partitions(statement: ast.HiveShow, context: Context) -> Result:
    assert statement.name is not None, "the grammar asks for a name"
    table = file_table(context, statement.name, "show partitions of")
    if not table.partition_columns:
        raise WrongObjectType(f'table "{table.name}" is not partitioned')
    return _one_column("partition", (partition_shown(table, p) for p in partitions_of(table, statement.partition)))


def _columns(statement: ast.HiveShow, context: Context) -> Result:
    assert statement.name is not None, "the grammar asks for a name"
    columns = hive_columns(any_object(context, statement.name))
    return _one_column("field", (name for name, _, _ in columns if matches(name, statement.like)))


def _properties(statement: ast.HiveShow, context: Context) -> Result:
    assert statement.name is not None, "the grammar asks for a name"
    found = any_object(context, statement.name)
    known = parameters(found) if isinstance(found, FileTable) else dict(getattr(found, "options", {}))
    if isinstance(found, Stream) and is_kafka_table(found):
        known = kafka_properties(found)
    if statement.key is not None:
        value = known.get(statement.key)
        shown = (
            value if value is not None else f"Table {shown_name(found.name)} does not have property: {statement.key}"
        )
        known = {statement.key: shown}
    rows = sorted(known.items())
    columns = {"prpt_name": [name for name, _ in rows], "prpt_value": [value for _, value in rows]}
    return Result("SHOW", pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))


def _table_status(statement: ast.HiveShow, context: Context) -> Result:
    """SHOW TABLE EXTENDED: a few lines for each table."""
    lines: list[str] = []
    for obj in _named(statement, context, *TABLES):
        lines += [f"tableName:{_plain(obj)}", f"owner:{context.instance.catalog.roles.by_id(obj.owner).name}"]
        if isinstance(obj, FileTable):
            lines += _status_of_files(obj, statement.partition)
        lines.append("")
    return _one_column("tab_name", lines)


def _status_of_files(table: FileTable, spec: ast.PartitionSpec | None) -> list[str]:
    stored = warehouse.stored_as(table.file_format)
    location = table.location if spec is None else one_partition(table, spec).location
    described = ", ".join(f"{kind} {name}" for name, kind, _ in table.partition_columns)
    found = partitions_of(table) if spec is None else [one_partition(table, spec)]
    files = [file for partition in found for file in warehouse.data_files(partition.location)]
    return [
        f"location:file:{location}",
        f"inputformat:{stored.input_format}",
        f"outputformat:{stored.output_format}",
        f"partitioned:{'true' if table.partition_columns else 'false'}",
        f"partitionColumns:struct partition_columns {{ {described}}}" if described else "partitionColumns:",
        f"totalNumberFiles:{len(files)}",
        f"totalFileSize:{sum(file.size for file in files)}",
    ]


def _conf(statement: ast.HiveShow, context: Context) -> Result:
    return set_(ast.HiveSet(name=statement.key), context)


# ---------------------------------------------------------------- CREATE


def _create(statement: ast.HiveShow, context: Context) -> Result:
    assert statement.name is not None, "the grammar asks for a name"
    obj = any_object(context, statement.name)
    if isinstance(obj, FileTable):
        return _one_column("createtab_stmt", create_text(obj))
    if not obj.sql:
        raise WrongObjectType(f'"{obj.name}" is a {obj.kind}: no statement made it')
    return _one_column("createtab_stmt", obj.sql.strip().rstrip(";").splitlines())


def create_text(table: FileTable) -> list[str]:
    """The statement that would make the table, line by line, with its class names spelt out, as Hive writes it."""
    stored = warehouse.stored_as(table.file_format)
    head = "CREATE EXTERNAL TABLE" if table.is_external else "CREATE TABLE"
    schema, _, name = table.name.rpartition(".")
    shown = f"`{name}`" if not schema else f"`{schema}`.`{name}`"
    lines = [f"{head} {shown}(", *_column_lines(table, table.hive_columns)]
    if table.comment:
        lines.append(f"COMMENT {_quoted(table.comment)}")
    if table.partition_columns:
        lines += ["PARTITIONED BY ( ", *_column_lines(table, table.partition_columns)]
    if table.num_buckets:
        lines += ["CLUSTERED BY ( ", *_closed([f"  `{column}`" for column in table.bucket_columns], ") ")]
        by = [f"  {column} {'DESC' if is_descending else 'ASC'}" for column, is_descending in table.sort_columns]
        lines += ["SORTED BY ( ", *_closed(by, ") ")] if by else []
        lines.append(f"INTO {table.num_buckets} BUCKETS")
    if table.skewed is not None:
        names, rows, as_directories = table.skewed
        values = ",".join("(" + ",".join(_quoted(value) for value in row) + ")" for row in rows)
        lines += [f"SKEWED BY ({','.join(names)})", f"  ON ({values})"]
        lines += ["  STORED AS DIRECTORIES"] if as_directories else []
    lines += ["ROW FORMAT SERDE ", f"  {_quoted(table.serde or stored.serde_class)} "]
    if table.serde_properties:
        lines += ["WITH SERDEPROPERTIES ( ", *_pair_lines(table.serde_properties)]
    lines += ["STORED AS INPUTFORMAT ", f"  {_quoted(stored.input_format)} "]
    lines += ["OUTPUTFORMAT ", f"  {_quoted(stored.output_format)}"]
    lines += ["LOCATION", f"  {_quoted('file:' + table.location)}"]
    if table.properties:
        lines += ["TBLPROPERTIES (", *_pair_lines(table.properties)]
    return lines


def _column_lines(table: FileTable, columns: Iterable[tuple[str, str, str]]) -> list[str]:
    infos = {info.name: info for info in table.columns}
    lines = []
    for name, kind, comment in columns:
        line = f"  `{name.replace('`', '``')}` {kind}"
        if infos[name].not_null:
            line += " NOT NULL"
        if infos[name].default is not None:
            line += f" DEFAULT {infos[name].default}"
        lines.append(line + (f" COMMENT {_quoted(comment)}" if comment else ""))
    return _closed(lines)


def _pair_lines(pairs: dict[str, str]) -> list[str]:
    return _closed([f"  {_quoted(key)}={_quoted(pairs[key])}" for key in sorted(pairs)])


def _closed(lines: list[str], end: str = ")") -> list[str]:
    """The items of a list, with commas and the closing parenthesis."""
    return [line + (", " if at + 1 < len(lines) else end) for at, line in enumerate(lines)]


_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def _quoted(text: str) -> str:
    """As a string of Hive's dialect; control characters by their codes."""
    made = "".join(_ESCAPES.get(char) or (char if char >= " " else f"\\u{ord(char):04x}") for char in text)
    return f"'{made}'"


def _create_database(statement: ast.HiveShow, context: Context) -> Result:
    found = database(context, statement.database or "")
    lines = [f"CREATE DATABASE `{database_shown(found.name)}`"]
    if found.comment:
        lines += ["COMMENT", f"  {_quoted(found.comment)}"]
    lines += ["LOCATION", f"  {_quoted('file:' + database_location(context, found.name))}"]
    if found.properties:
        lines += ["WITH DBPROPERTIES (", *_pair_lines(found.properties)]
    return _one_column("createdb_stmt", lines)


_SHOWN: dict[str, Callable[[ast.HiveShow, Context], Result]] = {
    "databases": _databases,
    "tables": _tables,
    "views": _views,
    "materialized views": _materialized_views,
    "partitions": _partitions,
    "columns": _columns,
    "tblproperties": _properties,
    "table status": _table_status,
    "conf": _conf,
    "create": _create,
    "create database": _create_database,
}
