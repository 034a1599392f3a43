"""ALTER TABLE ADD PRIMARY KEY, and DROP CONSTRAINT of one.

A key that is added counts for every statement from then on, and for queries that are planned then; running queries go
on with the plans they have. Its rows stay kept and written as those of a table without a key (Table.row_key).
"""

from __future__ import annotations

from dataclasses import replace

from sqlengine.catalog.objects import (
    CatalogObject,
    IndexInfo,
    MaterializedView,
    Sink,
    Table,
    TableSink,
    primary_key_name,
)
from sqlengine.catalog.seen import with_seen
from sqlengine.errors import (
    DependentObjects,
    DuplicateTable,
    InvalidDefinition,
    NotNullViolation,
    NotSupportedError,
)
from sqlengine.result import Result
from sqlengine.runtime.planning import Planning
from sqlengine.sql import ast
from sqlengine.statements.alter_column import altered, put
from sqlengine.statements.column_use import plan_of, read_by, shown
from sqlengine.statements.context import Context
from sqlengine.statements.indexes import check_columns, is_taken, refuse_duplicates
from sqlengine.statements.write import table_store


def add_primary_key(statement: ast.AddPrimaryKey, context: Context) -> Result:
    """ADD [CONSTRAINT name] PRIMARY KEY (columns): UniqueViolation (23505) or NotNullViolation (23502) where rows that
    are there cannot have it, InvalidDefinition (42P16) for a second one."""
    with context.instance.lock:
        table = _table(statement.table, context)
        if table.primary_key:
            raise InvalidDefinition(f'multiple primary keys for table "{table.name}" are not allowed', sqlstate="42P16")
        if table.append_only:
            raise NotSupportedError(f'append-only table "{table.name}" takes no primary key')
        check_columns(table.columns, statement.columns, statement.positions, stored=True)
        computed = [c.name for c in table.columns if c.computed is not None and c.name in statement.columns]
        if computed:
            raise NotSupportedError(f'computed column "{computed[0]}" cannot be in a primary key', hint="UNIQUE can be")
        columns = tuple(replace(c, not_null=c.not_null or c.name in statement.columns) for c in table.columns)
        new = replace(
            table, columns=columns, primary_key=statement.columns, key_name=statement.constraint, key_added=True
        )
        name = primary_key_name(new)
        if is_taken(context.instance.catalog, table, name) or any(check.name == name for check in table.checks):
            raise DuplicateTable(f'relation "{name}" already exists')
        store = table_store(context, table)
        for column in statement.columns:
            if store.snapshot_table().column(column).null_count:
                raise NotNullViolation(f'column "{column}" of relation "{table.name}" contains null values')
        refuse_duplicates(store, IndexInfo(name, statement.columns, True, True))
        put(context, table, new, statement, _with_their_plans(context, table, new))
    return Result("ALTER TABLE")


def drop_primary_key(statement: ast.DropConstraint, table: Table, context: Context) -> Result:
    """DROP CONSTRAINT of the primary key; DependentObjects (2BP01) names the queries that count on it. The columns stay
    NOT NULL."""
    new = replace(table, primary_key=(), key_name=None, key_added=False)
    logs = context.instance.topic_of(table).partitions
    if table.row_key and (len(logs) > 1 or any(log.compacted_offset for log in logs) or _is_compacted(context, table)):
        raise NotSupportedError(
            f'the primary key of table "{table.name}" cannot be dropped: its topic is written or compacted by it'
        )
    now, then = _plannings(context, new)
    needing = [
        shown(reader)
        for reader in context.instance.catalog.dependents(table.name)
        if isinstance(reader, (MaterializedView, Sink)) and _counts_on_key(reader, table, now, then)
    ]
    if needing:
        name = f"constraint {statement.constraint} on table {table.name}"
        raise DependentObjects(
            f"cannot drop {name} because other objects depend on it",
            detail="\n".join(f"{user} depends on {name}" for user in needing),
            hint="drop them first",
        )
    put(context, table, new, statement)
    return Result("ALTER TABLE")


def _table(name: ast.Name, context: Context) -> Table:
    table = context.instance.catalog.get_as(Table, context.prefer_path(name))
    obj = altered(tuple(table.name.split(".")), context)
    assert isinstance(obj, Table)
    return obj


def _counts_on_key(reader: MaterializedView | Sink, table: Table, now: Planning, then: Planning) -> bool:
    """Whether its plan was made with the key and would be another one without it, or it writes by the key."""
    if isinstance(reader, TableSink) and reader.into == table.name:
        return True
    if reader.planning.names and table.name not in reader.planning.keys:
        return now.plan_again(reader).physical != then.plan_again(reader).physical
    return plan_of(reader, now) != plan_of(reader, then)


def _is_compacted(context: Context, table: Table) -> bool:
    return "compact" in context.instance.topic_of(table).config.cleanup


def _plannings(context: Context, new: Table) -> tuple[Planning, Planning]:
    catalog = context.instance.catalog
    return Planning(context.instance, catalog), Planning(context.instance, catalog.with_object(new))


def _with_their_plans(context: Context, table: Table, new: Table) -> list[CatalogObject]:
    """The views and sinks that would be planned otherwise with the key, as they go on being planned without it."""
    now, then = _plannings(context, new)
    kept: list[CatalogObject] = []
    for reader in context.instance.catalog.dependents(table.name):
        if isinstance(reader, (MaterializedView, Sink)):
            if now.plan_again(reader).physical != then.plan_again(reader).physical:
                read = read_by(context.instance.catalog, reader)
                kept.append(replace(reader, planning=with_seen(reader.planning, read, reader.query)))
    return kept
