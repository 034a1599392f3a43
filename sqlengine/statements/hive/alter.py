"""ALTER TABLE of Hive on tables over files: the catalog first says what files mean, then files move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlengine import types, warehouse
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import CatalogObject, FileTable, Stream, Table, View
from sqlengine.errors import (
    DependentObjects,
    DuplicateColumn,
    DuplicateObject,
    DuplicateTable,
    InvalidDefinition,
    NotSupportedError,
    UndefinedColumn,
    UndefinedObject,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.file_tables import as_stored, description_of, overrides_of
from sqlengine.sql import ast
from sqlengine.statements.alter_table import add_column
from sqlengine.statements.context import Context
from sqlengine.statements.followed_files import forget, is_followed, levelled
from sqlengine.statements.grants import set_owner
from sqlengine.statements.hive.clustering import reclustered
from sqlengine.statements.hive.found import (
    any_object,
    check_columns,
    column_infos,
    database,
    file_table,
    format_of_partition,
    local_path,
    partitions_of,
    redefined,
    spelt_values,
    table_location,
    with_format,
)
from sqlengine.statements.hive.kafka import alter_kafka_table, is_kafka_table
from sqlengine.statements.renaming import rename
from sqlengine.warehouse import Partition

Change = Callable[[FileTable, ast.AlterFileTable, Context], FileTable]
_TAG = "ALTER TABLE"


def alter_table(statement: ast.AlterFileTable, context: Context) -> Result:
    """ALTER TABLE name [PARTITION (...)] change."""
    change = statement.change
    with context.instance.lock:
        found = any_object(context, statement.name)
        if not isinstance(found, FileTable):
            return _alter_other(found, statement, context)
        table = file_table(context, statement.name, "alter")
        if statement.partition is not None and change.verb not in _OF_PARTITION:
            raise NotSupportedError(
                f"ALTER TABLE ... PARTITION ... {change.verb.replace('_', ' ').upper()} is not supported",
                hint="all partitions have the columns and properties of their table",
            )
        if change.verb in _RESHAPING and is_followed(context, table):
            _refuse_dependents(table, context)
            forget(context, table)
        changed = _CHANGES[change.verb](table, statement, context)
        if changed is not table and changed.name == table.name:
            context.instance.catalog.change([changed])
    return levelled(context, Result(_TAG))


# ---------------------------------------------------------------- what is no table over files


def _alter_other(obj: CatalogObject, statement: ast.AlterFileTable, context: Context) -> Result:
    """What means the same for tables by key and for views."""
    change = statement.change
    if change.verb == "rename_to" and change.new_name is not None:
        if (obj.name.rpartition(".")[0] or "public") != change.new_name[0]:
            raise NotSupportedError(f"a {obj.kind} cannot move to another database")
        return rename(ast.Rename(kind=obj.kind, name=statement.name, new_name=change.new_name[-1]), context)
    if change.verb == "set_owner":
        return set_owner(ast.SetOwner(kind=obj.kind, name=statement.name, role=change.text), context)
    if isinstance(obj, (Stream, Table)) and change.verb == "add_columns":
        for column in change.columns:
            kind = types.to_sql(warehouse.parse_type(column.type_text or "").arrow, types.HIVE_TINYINT)
            made = ast.ColumnDef(name=column.name, type_name=kind, default_text=column.default)
            add_column(ast.AddColumn(table=statement.name, column=made), context)
        return Result(_TAG)
    if isinstance(obj, Stream) and is_kafka_table(obj) and change.verb in ("set_properties", "unset_properties"):
        return alter_kafka_table(obj, change, context)
    if isinstance(obj, View) and change.verb in ("set_properties", "unset_properties"):
        context.notice("properties of views say nothing here")
        return Result("ALTER VIEW")
    raise WrongObjectType(f'"{obj.name}" is not a table over files: this form of ALTER TABLE is for those')


# ---------------------------------------------------------------- the table


def _rename(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    """Another name; files of a managed table in the usual place move with it."""
    new = statement.change.new_name
    assert new is not None, "the grammar asks for it"
    database(context, new[0])
    name, catalog = object_name(new), context.instance.catalog
    if name in catalog:
        raise DuplicateTable(f'relation "{name}" already exists')
    catalog.refuse_if_needed(table.name, table.kind, "rename")
    usual = table_location(context, statement.name)
    moved = replace(table, name=name)
    if not table.is_external and table.location == usual:
        location = table_location(context, new)
        warehouse.rename_table(description_of(table), location)
        moved = replace(moved, location=location)
    catalog.rename({table.name: moved})
    return moved


def _add_columns(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    """New columns behind the others, before the partition columns: NULL in the files that are there."""
    added = _texts(statement.change.columns)
    known = {name for name, _, _ in (*table.hive_columns, *table.partition_columns)}
    for name, _, _ in added:
        if name in known:
            raise DuplicateColumn(f'column "{name}" of table "{table.name}" already exists')
    return _with_columns(table, (*table.hive_columns, *added), statement.change.columns)


def _replace_columns(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    _refuse_dependents(table, context)
    return _with_columns(table, _texts(statement.change.columns), statement.change.columns)


def _change_column(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    """Another name, type, comment or place of one column; files are not touched."""
    change = statement.change
    _refuse_dependents(table, context)
    columns = list(table.hive_columns)
    at = _place(table, change.column)
    (made,) = _texts(change.columns)
    if not change.columns[0].comment and made[0] == columns[at][0]:
        made = (made[0], made[1], columns[at][2])
    del columns[at]
    if change.place is not None:
        others = [name for name, _, _ in columns]
        if change.place and change.place not in others:
            raise UndefinedColumn(
                f'column "{change.place}" of table "{table.name}" does not exist',
                hint=did_you_mean(change.place, others),
            )
        at = others.index(change.place) + 1 if change.place else 0
    columns.insert(at, made)
    return _with_columns(table, tuple(columns), change.columns)


def _place(table: FileTable, name: str) -> int:
    names = [column for column, _, _ in table.hive_columns]
    if name in names:
        return names.index(name)
    if name in [column for column, _, _ in table.partition_columns]:
        raise InvalidDefinition(f'"{name}" is a partition column, which cannot be changed')
    raise UndefinedColumn(f'column "{name}" of table "{table.name}" does not exist', hint=did_you_mean(name, names))


def _refuse_dependents(table: FileTable, context: Context) -> None:
    users = context.instance.catalog.dependents(table.name)
    if users:
        raise DependentObjects(
            f"cannot change columns of table {table.name} because other objects depend on it",
            detail="; ".join(f"{user.kind} {user.name} depends on it" for user in users),
            hint="drop them first",
        )


def _texts(columns: tuple[ast.HiveColumn, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((column.name, column.type_text or "", column.comment) for column in columns)


def _with_columns(
    table: FileTable, columns: tuple[tuple[str, str, str], ...], said: tuple[ast.HiveColumn, ...]
) -> FileTable:
    made = redefined(table, hive_columns=columns, statistics={})
    new = {column.name: column for column in column_infos(description_of(made), said)}
    stated = {column.name for column in said}
    return replace(made, columns=tuple(new[c.name] if c.name in stated else c for c in made.columns))


def _set_properties(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    """TBLPROPERTIES; `EXTERNAL` makes a table external or managed, `comment` is its comment."""
    given = dict(statement.change.properties)
    external = {key.lower(): value for key, value in given.items()}.get("external")
    kept = {key: value for key, value in given.items() if key.lower() not in ("external", "comment")}
    if kept.get("transactional", "").lower() == "true":
        raise NotSupportedError(
            "a table over files cannot become transactional", hint="CREATE TABLE ... AS SELECT makes one of its rows"
        )
    return redefined(
        table,
        properties={**table.properties, **kept},
        comment=given.get("comment", table.comment),
        is_external=table.is_external if external is None else external.lower() == "true",
    )


def _unset_properties(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    names = [name for name, _ in statement.change.properties]
    for name in names:
        if name not in table.properties and not statement.change.if_exists:
            raise UndefinedObject(
                f'table "{table.name}" has no property "{name}"', hint=did_you_mean(name, table.properties)
            )
    return redefined(table, properties={k: v for k, v in table.properties.items() if k not in names})


def _set_storage(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    """Another SerDe, file format or properties of the SerDe: of one partition, or of the table and the partitions to
    come; those there are stay as they are, because their files do (as in Hive's partition_wise_fileformat.q)."""
    if statement.partition is None:
        there = [partition.values for partition in partitions_of(table)] if table.partition_columns else []
        kept = tuple(format_of_partition(table, values) for values in there)
        return replace(_restored(table, statement.change), formats=kept)
    values = spelt_values(table, statement.partition)
    if values not in [partition.values for partition in partitions_of(table)]:
        raise UndefinedObject(f'partition "{_partition_name(table, values)}" of table "{table.name}" does not exist')
    changed = _restored(as_stored(table, values), statement.change)
    return with_format(table, values, format_of_partition(replace(changed, formats=()), values))


def _restored(table: FileTable, change: ast.TableChange) -> FileTable:
    """The table with its files stored as the change says."""
    given, layout = dict(change.properties), change.layout
    match change.verb:
        case "set_serde":
            return redefined(table, serde=layout.serde, serde_properties={**table.serde_properties, **given})
        case "set_serde_properties":
            return redefined(table, serde_properties={**table.serde_properties, **given})
        case "unset_serde_properties":
            left = {key: value for key, value in table.serde_properties.items() if key not in given}
            return redefined(table, serde_properties=left)
    stored = warehouse.stored_by_classes(layout.input_format) if layout.input_format else None
    return redefined(table, file_format=(stored or warehouse.stored_as(layout.file_format)).name, serde="")


def _recluster(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    return reclustered(table, statement.change)


def _set_location(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    """Of the table, or of one partition; files stay where they are."""
    location = local_path(statement.change.text)
    if statement.partition is None:
        return redefined(table, location=location, statistics={})
    values = spelt_values(table, statement.partition)
    return replace(table, located=_located(table, values, location), hidden=_shown(table, values))


def _located(
    table: FileTable, values: tuple[str | None, ...], location: str | None
) -> tuple[tuple[tuple[str | None, ...], str], ...]:
    """The places of partitions with another one for these values, or without one."""
    others = {known: place for known, place in table.located if known != values}
    return tuple({**others, values: location}.items() if location is not None else others.items())


def _shown(table: FileTable, values: tuple[str | None, ...]) -> tuple[tuple[str | None, ...], ...]:
    return tuple(hidden for hidden in table.hidden if hidden != values)


def _owner(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    set_owner(ast.SetOwner(kind="table", name=statement.name, role=statement.change.text), context)
    return table


def _nothing(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    context.notice("this changes nothing: files are as they were written")
    return table


def _constraint(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    context.notice("constraints of tables over files are not enforced")
    return table


# ---------------------------------------------------------------- partitions


def _add_partitions(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    """Directories for new partitions, or places that they have."""
    change = statement.change
    known = {partition.values for partition in partitions_of(table)}
    added: list[tuple[tuple[str | None, ...], str]] = []
    for spec, location in change.partitions:
        values = spelt_values(table, spec)
        if values in known or values in [v for v, _ in added]:
            if change.if_not_exists:
                continue
            raise DuplicateObject(f'partition "{_partition_name(table, values)}" of table "{table.name}" exists')
        added.append((values, location))
    for values, location in added:
        table = replace(with_format(table, values, None), hidden=_shown(table, values))
        if location:
            table = replace(table, located=_located(table, values, local_path(location)))
        warehouse.add_partition(description_of(table), values, overrides_of(table))
    return table


def _drop_partitions(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    """Partitions that the specs mean, which may compare; files of external tables stay, and are hidden.

    A spec that means none is none to complain about (hive.exec.drop.ignorenonexistent)."""
    gone: dict[tuple[str | None, ...], Partition] = {}
    for spec, _ in statement.change.partitions:
        check_columns(table, spec)
        if any(not compare for _, compare, _ in spec):
            raise InvalidDefinition("DROP PARTITION needs values", hint="PARTITION (ds = '2024-01-01')")
        gone |= {partition.values: partition for partition in partitions_of(table, spec)}
    description = description_of(table)
    warehouse.drop_partitions(description, list(gone.values()))
    stays = [p.values for p in gone.values() if table.is_external and p.values not in dict(table.located)]
    located = tuple((values, place) for values, place in table.located if values not in gone)
    formats = tuple(known for known in table.formats if known[0] not in gone)
    return replace(table, located=located, hidden=(*table.hidden, *stays), formats=formats)


def _rename_partition(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    ((new_spec, _),) = statement.change.partitions
    if statement.partition is None:
        raise InvalidDefinition("which partition is to be renamed?", hint="PARTITION (...) RENAME TO PARTITION (...)")
    old, new = spelt_values(table, statement.partition), spelt_values(table, new_spec)
    place = dict(table.located).get(old)
    own = next((known for known in table.formats if known[0] == old), None)
    renamed = with_format(with_format(table, old, None), new, None if own is None else (new, *own[1:]))
    if place is not None or table.is_external:
        known = {partition.values: partition for partition in partitions_of(table)}
        if old not in known:
            raise UndefinedObject(f'partition "{_partition_name(table, old)}" of table "{table.name}" does not exist')
        if new in known:
            raise DuplicateObject(f'partition "{_partition_name(table, new)}" of table "{table.name}" exists')
        moved = replace(renamed, located=_located(table, old, None), hidden=(*_shown(table, new), old))
        return replace(moved, located=_located(moved, new, known[old].location))
    warehouse.rename_partition(description_of(table), old, new, overrides_of(table))
    return renamed


def _exchange(table: FileTable, statement: ast.AlterFileTable, context: Context) -> FileTable:
    assert statement.change.new_name is not None, "the grammar asks for it"
    source = file_table(context, statement.change.new_name, "take partitions of")
    ((spec, _),) = statement.change.partitions
    moved = partitions_of(source, spec)
    if any(values == partition.values for partition in moved for values, *_ in source.formats):
        raise NotSupportedError(f'a partition of "{source.name}" is stored in another way than the table')
    warehouse.exchange_partitions(description_of(source), description_of(table), moved, overrides_of(table))
    return table


def _partition_name(table: FileTable, values: tuple[str | None, ...]) -> str:
    return str(warehouse.partition_name([name for name, _, _ in table.partition_columns], values))


_CHANGES: dict[str, Change] = {
    "rename_to": _rename,
    "add_columns": _add_columns,
    "replace_columns": _replace_columns,
    "change_column": _change_column,
    "set_properties": _set_properties,
    "unset_properties": _unset_properties,
    **dict.fromkeys(("set_serde", "set_serde_properties", "unset_serde_properties", "set_format"), _set_storage),
    **dict.fromkeys(("clustered", "buckets", "not_clustered", "not_sorted", "skewed_by", "not_skewed"), _recluster),
    "set_location": _set_location,
    "set_owner": _owner,
    "unneeded": _nothing,
    "add_constraint": _constraint,
    "drop_constraint": _constraint,
    "add_partitions": _add_partitions,
    "drop_partitions": _drop_partitions,
    "rename_partition": _rename_partition,
    "exchange": _exchange,
}
_OF_PARTITION = frozenset((
    "rename_partition", "set_location", "unneeded", "set_serde", "set_serde_properties", "unset_serde_properties",
    "set_format",
))  # fmt: skip
"""What one partition can have changed."""
_RESHAPING = frozenset((
    "rename_to", "add_columns", "replace_columns", "change_column", "set_properties", "unset_properties", "set_serde",
    "set_serde_properties", "unset_serde_properties", "set_format",
))  # fmt: skip
"""What may change the rows that files hold: not while queries follow them."""
