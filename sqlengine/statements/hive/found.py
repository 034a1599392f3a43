"""What Hive's statements begin with: the table they name, where it is, which of its partitions they mean."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from sqlengine import warehouse
from sqlengine.catalog.catalog import DEFAULT_SCHEMA, object_name
from sqlengine.catalog.objects import (
    CatalogObject,
    ColumnInfo,
    FileTable,
    HiveColumns,
    Namespace,
    PartitionFormat,
    PartitionValues,
    Table,
)
from sqlengine.errors import (
    InvalidDefinition,
    InvalidParameter,
    UndefinedColumn,
    UndefinedObject,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.runtime.file_tables import as_stored, description_of, overrides_of
from sqlengine.sql import ast
from sqlengine.sql.dialect import DEFAULT_DATABASE
from sqlengine.statements.context import Context
from sqlengine.text_limits import limit_in, limit_of
from sqlengine.warehouse import Column, HiveType, Partition, TableDescription
from sqlengine.warehouse.writing import static_values

# ---------------------------------------------------------------- names


def database_shown(schema: str) -> str:
    """What Hive calls a schema."""
    return DEFAULT_DATABASE if schema in ("", DEFAULT_SCHEMA) else schema


def shown_name(name: str) -> str:
    """`database.table` of a name of the catalog."""
    schema, _, table = name.rpartition(".")
    return f"{database_shown(schema)}.{table}"


def database(context: Context, schema: str) -> Namespace:
    """A database; UndefinedObject (3F000) when there is none."""
    if schema == DEFAULT_SCHEMA:
        return Namespace(name=DEFAULT_SCHEMA, comment="Default Hive database")
    found = context.instance.catalog.find((schema,))
    if not isinstance(found, Namespace):
        names = [DEFAULT_DATABASE, *(o.name for o in context.instance.catalog if isinstance(o, Namespace))]
        raise UndefinedObject(f'database "{schema}" does not exist', sqlstate="3F000", hint=did_you_mean(schema, names))
    return found


def database_location(context: Context, schema: str) -> str:
    """The directory of a database."""
    stated = database(context, schema).location
    return stated or warehouse.database_location(context.instance.warehouse.location, database_shown(schema))


def table_location(context: Context, name: ast.Name) -> str:
    """Where a table is that was given no place."""
    schema, table = name[-2:]
    stated = database(context, schema).location
    if stated:
        return f"{stated}/{os.path.basename(warehouse.table_location('', DEFAULT_DATABASE, table))}"
    return warehouse.table_location(context.instance.warehouse.location, database_shown(schema), table)


def local_path(text: str) -> str:
    """A path of this machine: `file:` before it says the same; InvalidParameter (22023) for other places and "" ."""
    for head in ("file://localhost/", "file:///", "file:/"):
        if text.startswith(head):
            return "/" + text[len(head) :].lstrip("/")
    if "://" in text:
        raise InvalidParameter(
            f'"{text}" is in a place that cannot be reached', hint="a path of this machine is expected"
        )
    if not text:
        raise InvalidParameter("a path is expected, not an empty text")
    return os.path.abspath(text)


def is_inside(path: str, directory: str) -> bool:
    """Whether a path is below a directory, links followed."""
    path, directory = os.path.realpath(path), os.path.realpath(directory)
    return path == directory or path.startswith(directory.rstrip("/") + "/")


# ---------------------------------------------------------------- tables


def any_object(context: Context, name: ast.Name) -> CatalogObject:
    """Whatever has the name; UndefinedTable (42P01)."""
    return context.instance.catalog.get(name)


def file_table(context: Context, name: ast.Name, doing: str) -> FileTable:
    """A table over files; WrongObjectType (42809) for anything else."""
    found = any_object(context, name)
    if not isinstance(found, FileTable):
        kind = "table of rows by key" if isinstance(found, Table) else found.kind
        raise WrongObjectType(f'cannot {doing} "{found.name}": it is a {kind}, not a table over files')
    context.instance.warehouse.recover(found.location)
    return found


def column_infos(description: TableDescription, said: Iterable[ast.HiveColumn] = ()) -> tuple[ColumnInfo, ...]:
    """The catalog's columns of a description; NOT NULL and DEFAULT as the statement said."""
    by_name = {column.name: column for column in said}
    made = []
    for column in (*description.columns, *description.partition_columns):
        given = by_name.get(column.name)
        made.append(
            ColumnInfo(
                column.name,
                column.type.arrow,
                not_null=given is not None and given.not_null,
                default=None if given is None else given.default,
                limit=limit_of(str(column.type)),
            )
        )
    return tuple(made)


def texts(columns: Sequence[Column]) -> HiveColumns:
    """Columns as the catalog keeps them."""
    return tuple((column.name, str(column.type), column.comment) for column in columns)


def redefined(table: FileTable, **changes: Any) -> FileTable:
    """The table with changed fields, checked; its columns as these say."""
    changed = replace(table, **changes)
    description = description_of(changed)
    known = {column.name: column for column in table.columns}
    columns = tuple(
        replace(known[info.name], type=info.type, limit=info.limit) if info.name in known else info
        for info in column_infos(description)
    )
    return replace(
        changed,
        columns=columns,
        hive_columns=texts(description.columns),
        partition_columns=texts(description.partition_columns),
    )


def type_of_arrow(kind: pa.DataType) -> HiveType:
    """The Hive type of values of an Arrow type."""
    found: HiveType = warehouse.from_arrow(kind)
    return found


def type_of_field(field: pa.Field) -> str:
    """The Hive type of a column of a query's answer, as text."""
    limit = limit_in(field)
    return str(type_of_arrow(field.type)) if limit is None else limit.hive


def type_of_column(column: ColumnInfo) -> str:
    """The Hive type of a column of what is no table over files, as text."""
    return str(type_of_arrow(column.type)) if column.limit is None else column.limit.hive


# ---------------------------------------------------------------- partitions


def format_of_partition(table: FileTable, values: PartitionValues) -> PartitionFormat:
    """How the files of a partition are stored."""
    stored = as_stored(table, values)
    return values, stored.file_format, stored.serde, tuple(stored.serde_properties.items())


def with_format(table: FileTable, values: PartitionValues, own: PartitionFormat | None) -> FileTable:
    """The table with a partition that is stored in a way of its own, or (None) as the table says."""
    others = tuple(known for known in table.formats if known[0] != values)
    return replace(table, formats=others if own is None else (*others, own))


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def stated_values(table: FileTable, spec: ast.PartitionSpec, *, whole: bool = True) -> dict[str, str | None]:
    """Column -> text of PARTITION (a = 1, b = 2); with `whole` of all partition columns.

    InvalidDefinition (42P17) for comparisons and for what is left out, UndefinedColumn (42703).
    """
    check_columns(table, spec)
    for column, compare, _ in spec:
        if compare != "=":
            raise InvalidDefinition(
                f'partition column "{column}" needs a value here' if not compare else f'"{compare}" is not for here',
                hint=f"PARTITION ({column} = ...)",
            )
    values = {column: value for column, _, value in spec}
    missing = [name for name, _, _ in table.partition_columns if name not in values]
    if whole and missing:
        raise InvalidDefinition(f'the partition needs a value for column "{missing[0]}"')
    return values


def check_columns(table: FileTable, spec: ast.PartitionSpec) -> None:
    """UndefinedColumn (42703) for what is no partition column, InvalidDefinition (42P17) for one said twice."""
    names = [name for name, _, _ in table.partition_columns]
    if spec and not names:
        raise InvalidDefinition(f'table "{table.name}" is not partitioned')
    seen: set[str] = set()
    for column, compare, _ in spec:
        if column not in names:
            raise UndefinedColumn(
                f'table "{table.name}" has no partition column "{column}"', hint="columns: " + ", ".join(names)
            )
        if column in seen and compare in ("", "="):
            raise InvalidDefinition(f'partition column "{column}" is given twice')
        seen.add(column)


def spelt_values(table: FileTable, spec: ast.PartitionSpec) -> tuple[str | None, ...]:
    """The values of one partition, in the columns' order, as its directory spells them."""
    values = stated_values(table, spec)
    fixed = static_values(description_of(table), values)
    return tuple(fixed[at] for at in sorted(fixed))


def partitions_of(table: FileTable, spec: ast.PartitionSpec | None = None) -> list[Partition]:
    """The partitions there are, or those that a spec means, which may compare and leave columns out."""
    description = description_of(table)
    found = warehouse.find_partitions(description, overrides_of(table))
    if not spec:
        return list(found)
    check_columns(table, spec)
    names = [name for name, _, _ in table.partition_columns]
    for column, compare, value in spec:
        if compare:
            found = _matching(description, found, names.index(column), compare, value)
    return found


def _matching(
    description: TableDescription, found: list[Partition], at: int, compare: str, value: str | None
) -> list[Partition]:
    """Partitions whose value of one column compares so with a constant, as values of the column's type."""
    if compare == "=" and not value:
        return [partition for partition in found if partition.values[at] is None]
    given = Partition(tuple(value if i == at else None for i in range(len(description.partition_columns))), "")
    values = warehouse.typed_values(description, [*found, given]).column(at).to_pylist()
    wanted = values.pop()
    if wanted is None:
        column = description.partition_columns[at]
        raise InvalidParameter(f'invalid value for partition column "{column.name}" of type {column.type}: "{value}"')
    return [p for p, v in zip(found, values, strict=True) if v is not None and _COMPARE[compare](v, wanted)]


def one_partition(table: FileTable, spec: ast.PartitionSpec) -> Partition:
    """The partition of a whole spec; UndefinedObject (42704) when it does not exist."""
    values = spelt_values(table, spec)
    for partition in partitions_of(table):
        if partition.values == values:
            return partition
    raise no_partition(table, values)


def no_partition(table: FileTable, values: Sequence[str | None]) -> UndefinedObject:
    """What is said of a partition that does not exist."""
    names = [name for name, _, _ in table.partition_columns]
    shown = warehouse.partition_name(names, tuple(values))
    return UndefinedObject(f'table "{object_name(tuple(table.name.split(".")))}" has no partition {shown}')


def partition_prefix(names: list[str], values: tuple[str | None, ...]) -> str:
    """What the names of a partition's counts begin with among a table's statistics."""
    return f"partition.{warehouse.partition_name(names, values)}."


def partition_shown(table: FileTable, partition: Partition) -> str:
    """`ds=2024-01-01/hr=11`."""
    return str(warehouse.partition_name([name for name, _, _ in table.partition_columns], partition.values))
