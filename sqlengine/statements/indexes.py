"""CREATE, ALTER and DROP INDEX and UNIQUE constraints: what the catalog keeps of them, and rows that forbid one.

The index itself is made by the first look-up that wants it (state/row_store.py); nothing of it is written to disk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from sqlengine.catalog.catalog import Catalog, object_name
from sqlengine.catalog.objects import (
    CatalogObject,
    ColumnInfo,
    IndexInfo,
    MaterializedView,
    Table,
    indexes_of,
    primary_key_name,
)
from sqlengine.errors import (
    DependentObjects,
    DuplicateColumn,
    DuplicateTable,
    InvalidDefinition,
    NotSupportedError,
    UndefinedColumn,
    UndefinedObject,
    UniqueViolation,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.expr.simplify import volatility
from sqlengine.result import Result
from sqlengine.runtime.stored_expressions import bind_over
from sqlengine.sql import ast
from sqlengine.state.row_store import RowStore
from sqlengine.statements import key_values
from sqlengine.statements.context import Context
from sqlengine.statements.write import table_store

Owned = tuple[CatalogObject, IndexInfo]


def create_index(statement: ast.CreateIndex, context: Context) -> Result:
    """CREATE [UNIQUE] INDEX on a table or materialized view."""
    if context.transaction:
        raise NotSupportedError("CREATE INDEX cannot follow changes in the same transaction", sqlstate="25001")
    with context.instance.lock:
        catalog = context.instance.catalog
        obj = catalog.get(context.prefer_path(statement.name))
        if not isinstance(obj, (Table, MaterializedView)):
            raise WrongObjectType(
                f'cannot create index on {obj.kind} "{obj.name}"', hint="tables and materialized views have indexes"
            )
        if isinstance(obj, MaterializedView) and statement.unique:
            raise NotSupportedError(
                f'an index on materialized view "{obj.name}" cannot be UNIQUE',
                hint="its query says which rows there are; leave UNIQUE out",
            )
        name = statement.index or free_name(catalog, obj, statement.columns, "idx")
        if is_taken(catalog, obj, name):
            if statement.if_not_exists and statement.index is not None:
                context.notice(f'relation "{name}" already exists, skipping')
                return Result("CREATE INDEX")
            raise DuplicateTable(f'relation "{name}" already exists')
        check_columns(obj.columns, statement.columns, statement.positions, stored=statement.unique)
        for column, position in statement.carried:
            check_columns(obj.columns, (column,), (position,), stored=False)
        serial = _serial(obj.indexes)
        made = IndexInfo(name, statement.columns, statement.unique, serial=serial, nulls_equal=statement.nulls_equal)
        if isinstance(obj, Table) and made.unique:
            context.instance.catch_up(context.check)
            refuse_duplicates(table_store(context, obj), made)
        catalog.update(obj, indexes=(*obj.indexes, made))
    return Result("CREATE INDEX")


def drop_index(statement: ast.Drop, context: Context) -> Result:
    """DROP INDEX [IF EXISTS] name; DependentObjects (2BP01) for one that a constraint has made."""
    catalog = context.instance.catalog
    found = find_index(context, statement.name)
    if found is None:
        message = f'index "{object_name(statement.name)}" does not exist'
        if not statement.if_exists:
            names = [index.name for _, index in all_indexes(catalog)]
            raise UndefinedObject(message, hint=did_you_mean(statement.name[-1], names))
        context.notice(f"{message}, skipping")
        return Result("DROP INDEX")
    obj, index = found
    if index.constraint:
        raise DependentObjects(
            f"cannot drop index {index.name} because constraint {index.name} on table {obj.name} requires it",
            hint=f"you can drop constraint {index.name} on table {obj.name} instead",
        )
    without_index(context, obj, index)
    return Result("DROP INDEX")


def existing_index(context: Context, name: ast.Name) -> Owned:
    """The index of a name and what it is on; UndefinedObject (42704) with the nearest names."""
    found = find_index(context, name)
    if found is None:
        names = [index.name for _, index in all_indexes(context.instance.catalog)]
        raise UndefinedObject(f'index "{object_name(name)}" does not exist', hint=did_you_mean(name[-1], names))
    return found


def without_index(context: Context, obj: CatalogObject, index: IndexInfo, **changes: object) -> None:
    """Forget an index, in the catalog and where it is kept; `changes`: fields of the object to be changed as well."""
    left = tuple(other for other in indexes_of(obj) if other is not index)
    context.instance.catalog.update(obj, indexes=left, **changes)
    store = _store(context, obj)
    if store is not None and not any(other.columns == index.columns for other in left):
        names = [c.name for c in obj.columns]
        store.drop_index(tuple(names.index(column) for column in index.columns))


def _store(context: Context, obj: CatalogObject) -> RowStore | None:
    scheduler = context.instance.scheduler
    if isinstance(obj, Table):
        return scheduler.sources[obj.name].store
    query = scheduler.by_name(obj.name)
    return None if query is None else query.store


# ---------------------------------------------------------------- constraints


def unique_infos(
    catalog: Catalog, table: Table, uniques: Sequence[ast.UniqueDef], taken: Collection[str] = ()
) -> tuple[IndexInfo, ...]:
    """The catalog's UNIQUE constraints of a table, behind those it has; `taken`: names of its other constraints."""
    had = len(table.indexes)
    made = list(table.indexes)
    for unique in uniques:
        position = () if unique.position is None else (unique.position,) * len(unique.columns)
        check_columns(table.columns, unique.columns, position, stored=True)
        table = replace(table, indexes=tuple(made))
        name = unique.name or free_name(catalog, table, unique.columns, "key")
        if is_taken(catalog, table, name) or name in taken:
            raise DuplicateTable(f'relation "{name}" already exists', position=unique.position)
        made.append(IndexInfo(name, unique.columns, True, True, _serial(made), unique.nulls_equal))
    return tuple(made[had:])


def refuse_duplicates(store: RowStore, key: IndexInfo) -> None:
    """UniqueViolation (23505) when two rows that are there have the same value of a key."""
    rows = store.snapshot_table().select(list(key.columns))
    again = key_values.repeats(rows, key)
    if len(again):
        raise UniqueViolation(
            f'could not create unique index "{key.name}"',
            detail=f"key {key_values.shown(rows, key, int(again[0]))} is duplicated",
        )


def check_columns(
    columns: Sequence[ColumnInfo], names: Sequence[str], positions: Sequence[int], *, stored: bool
) -> None:
    """UndefinedColumn (42703) or DuplicateColumn (42701) for columns an index cannot have; InvalidDefinition (42P17)
    for a computed one of a UNIQUE index (`stored`) that may be another the next time."""
    known = {c.name: c for c in columns}
    for number, name in enumerate(names):
        position = positions[number] if positions else None
        if name not in known:
            raise UndefinedColumn(f'column "{name}" does not exist', hint=did_you_mean(name, known), position=position)
        if name in names[:number]:
            raise DuplicateColumn(f'column "{name}" appears twice in the index', position=position)
        computed = known[name].computed
        base = [c for c in columns if c.computed is None]
        if stored and computed is not None and volatility(bind_over(computed, base)) != "immutable":
            raise InvalidDefinition(
                f'computed column "{name}" cannot be UNIQUE: it must be the same for the same row at any time',
                position=position,
            )


# ---------------------------------------------------------------- names


def all_indexes(catalog: Catalog) -> Iterator[Owned]:
    """Every secondary index, with what it is on."""
    for obj in catalog:
        for index in indexes_of(obj):
            yield obj, index


def rename_index(statement: ast.Rename, context: Context) -> Result:
    """ALTER INDEX name RENAME TO new, of a constraint's index with the constraint; DuplicateTable (42P07)."""
    catalog = context.instance.catalog
    obj, index = existing_index(context, statement.name)
    new_name = statement.new_name
    checks = obj.checks if isinstance(obj, Table) else ()
    if is_taken(catalog, obj, new_name) or (index.constraint and any(check.name == new_name for check in checks)):
        raise DuplicateTable(f'relation "{new_name}" already exists')
    if index in indexes_of(obj):
        left = tuple(replace(other, name=new_name) if other is index else other for other in indexes_of(obj))
        catalog.update(obj, indexes=left)
    else:
        catalog.update(obj, key_name=new_name)
    return Result("ALTER INDEX")


def find_index(context: Context, name: ast.Name) -> Owned | None:
    """The index of a name, and what it is on: in the schema named, else in those of the search path."""
    schemas = [name[-2]] if len(name) > 1 else [s.strip() for s in context.settings.search_path.split(",")]
    catalog = context.instance.catalog
    keys = [(obj, obj.unique_keys()[0]) for obj in catalog if isinstance(obj, Table) and obj.primary_key]
    found = {(_schema(obj), index.name): (obj, index) for obj, index in (*all_indexes(catalog), *keys)}
    return next((found[schema, name[-1]] for schema in schemas if (schema, name[-1]) in found), None)


def free_name(catalog: Catalog, obj: CatalogObject, columns: Sequence[str], suffix: str) -> str:
    """PostgreSQL's name of an index that was given none."""
    plain = "_".join([obj.name.rpartition(".")[2], *columns, suffix])
    number = 0
    name = plain
    while is_taken(catalog, obj, name):
        number += 1
        name = f"{plain}{number}"
    return name


def is_taken(catalog: Catalog, obj: CatalogObject, name: str) -> bool:
    """Whether a relation or index in the object's schema is called so."""
    schema = _schema(obj)
    others = [obj, *(o for o in catalog if o.name != obj.name and _schema(o) == schema)]
    keys = {primary_key_name(o) for o in others if isinstance(o, Table) and o.primary_key}
    names = {o.name.rpartition(".")[2] for o in others} | keys
    return name in names or any(index.name == name for o in others for index in indexes_of(o))


def _schema(obj: CatalogObject) -> str:
    return obj.name.rpartition(".")[0] or "public"


def _serial(indexes: Sequence[IndexInfo]) -> int:
    taken = {index.serial for index in indexes}
    return next(n for n in range(len(taken) + 1) if n not in taken)
