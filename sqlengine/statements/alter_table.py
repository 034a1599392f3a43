"""ALTER TABLE: columns are added (to streams as well), defaults changed, CHECK constraints added and dropped; no row is
written again.

Rows that are there take the default of a new column as it is at that moment.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from sqlengine import pgtext, types
from sqlengine.catalog.objects import (
    CatalogObject,
    ColumnInfo,
    MaterializedView,
    Sink,
    Stream,
    Table,
    View,
    primary_key_name,
)
from sqlengine.errors import (
    DependentObjects,
    DuplicateColumn,
    NotNullViolation,
    NotSupportedError,
    SyntaxError,  # noqa: A004 - SQL's word
    UndefinedObject,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.evolving import evolve, evolved
from sqlengine.runtime.planning import Planning
from sqlengine.runtime.rows import limited
from sqlengine.runtime.stored_expressions import constant
from sqlengine.sql import ast
from sqlengine.statements.alter_column import altered, free_stored_name, require_own_topic
from sqlengine.statements.change import check_assigned
from sqlengine.statements.columns import column_infos
from sqlengine.statements.constraints import check_infos, check_rows
from sqlengine.statements.context import Context
from sqlengine.statements.indexes import refuse_duplicates, unique_infos, without_index
from sqlengine.statements.primary_key import drop_primary_key
from sqlengine.statements.spelled_stars import plan_of, spelt_out
from sqlengine.statements.write import table_store


def add_column(statement: ast.AddColumn, context: Context) -> Result:
    """ALTER TABLE and ALTER STREAM ADD COLUMN; DependentObjects (2BP01) where a view selects every column of it."""
    instance, column = context.instance, statement.column
    done = Result(f"ALTER {statement.kind.upper()}")
    if column.primary_key or column.identity is not None:
        kind = "a primary key" if column.primary_key else "an identity column"
        raise NotSupportedError(f"{kind} cannot be added to a {statement.kind} that exists", position=column.position)
    with instance.lock:
        obj = altered(statement.table, context)
        if any(c.name == column.name for c in obj.columns):
            if statement.if_not_exists:
                context.notice(f'column "{column.name}" of relation "{obj.name}" already exists, skipping')
                return done
            raise DuplicateColumn(f'column "{column.name}" of relation "{obj.name}" already exists')
        if isinstance(obj, Stream):
            _require_stream_takes(obj, column, context)
        info = _info(column, obj, context)
        new = replace(obj, columns=(*obj.columns, info), sql=_with(obj, statement))
        if isinstance(new, Table):
            taken = [check.name for check in new.checks]
            uniques = unique_infos(instance.catalog, new, column.uniques, taken)
            checks = check_infos(new.name, column.checks, new.columns)
            new = replace(new, indexes=(*new.indexes, *uniques), checks=(*new.checks, *checks))
        _put(context, obj, new)
    return done


def _require_stream_takes(stream: Stream, column: ast.ColumnDef, context: Context) -> None:
    """NotSupportedError (0A000) for a column that the stream's records cannot have, or that no stream has."""
    if column.checks or column.uniques:
        raise NotSupportedError("a stream's columns have no constraints but NOT NULL", position=column.position)
    if column.expr is not None or column.metadata is not None:
        return
    if stream.format != "json" or "late_topic" in stream.options:  # json: the field may be there already
        require_own_topic(context, stream, "add a column to")


def add_check(statement: ast.AddCheck, context: Context) -> Result:
    """ALTER TABLE ADD CHECK; CheckViolation (23514) where a row that is there breaks it."""
    with context.instance.lock:
        table = _changed(statement.table, context)
        taken = {check.name for check in table.checks}
        (check,) = check_infos(table.name, [statement.check], table.columns, taken)
        rows = table_store(context, table).snapshot_table()
        check_rows(context, replace(table, checks=(check,)), rows)
        context.instance.catalog.update(replace(table, checks=(*table.checks, check), sql=_with(table, statement)))
    return Result("ALTER TABLE")


def add_unique(statement: ast.AddUnique, context: Context) -> Result:
    """ALTER TABLE ADD UNIQUE; UniqueViolation (23505) where rows that are there break it."""
    with context.instance.lock:
        table = _changed(statement.table, context)
        taken = [check.name for check in table.checks]
        (unique,) = unique_infos(context.instance.catalog, table, [statement.unique], taken)
        refuse_duplicates(table_store(context, table), unique)
        indexes = (*table.indexes, unique)
        context.instance.catalog.update(replace(table, indexes=indexes, sql=_with(table, statement)))
    return Result("ALTER TABLE")


def drop_constraint(statement: ast.DropConstraint, context: Context) -> Result:
    """ALTER TABLE DROP CONSTRAINT, of a CHECK or UNIQUE."""
    with context.instance.lock:
        table = _changed(statement.table, context)
        for index in table.indexes:
            if index.constraint and index.name == statement.constraint:
                without_index(context, table, index, sql=_with(table, statement))
                return Result("ALTER TABLE")
        left = tuple(check for check in table.checks if check.name != statement.constraint)
        if len(left) == len(table.checks):
            if table.primary_key and statement.constraint == primary_key_name(table):
                return drop_primary_key(statement, table, context)
            message = f'constraint "{statement.constraint}" of relation "{table.name}" does not exist'
            if not statement.if_exists:
                names = [*(check.name for check in table.checks), *(i.name for i in table.indexes if i.constraint)]
                raise UndefinedObject(message, hint=did_you_mean(statement.constraint, names))
            context.notice(f"{message}, skipping")
            return Result("ALTER TABLE")
        context.instance.catalog.update(replace(table, checks=left, sql=_with(table, statement)))
    return Result("ALTER TABLE")


def set_default(statement: ast.SetDefault, context: Context) -> Result:
    """ALTER TABLE and ALTER STREAM SET DEFAULT and DROP DEFAULT: what later rows have that leave the column out."""
    with context.instance.lock:
        obj = altered(statement.table, context)
        check_assigned(obj, [statement.column])
        info = next(c for c in obj.columns if c.name == statement.column)
        if info.identity is not None:
            raise SyntaxError(
                f'column "{info.name}" of relation "{obj.name}" is an identity column', hint="it has no DEFAULT"
            )
        base = ast.ColumnDef(info.name, types.to_sql(info.type), default_text=statement.default)
        default = column_infos([base])[0].default
        if default is not None:
            constant(default, info, 1, context.instance.clock.now_us())  # it has a value of the column's type
        columns = tuple(replace(c, default=default) if c.name == info.name else c for c in obj.columns)
        context.instance.catalog.update(replace(obj, columns=columns, sql=_with(obj, statement)))
    return Result(f"ALTER {statement.kind.upper()}")


def _changed(name: ast.Name, context: Context) -> Table:
    """The table that is to be changed, up to date; the caller holds the lock."""
    if context.transaction:
        raise NotSupportedError("ALTER TABLE cannot follow changes in the same transaction", sqlstate="25001")
    table = context.instance.catalog.get_as(Table, context.prefer_path(name))
    context.instance.catch_up(context.check)
    return table


def _with(table: Stream | Table, statement: ast.Statement) -> str:
    """The text that makes it, with a change behind it."""
    return f"{table.sql.rstrip().rstrip(';')};\n{statement.text.rstrip().rstrip(';')}"


def _info(column: ast.ColumnDef, obj: Stream | Table, context: Context) -> ColumnInfo:
    """The catalog's column; its default, as it is now, for the rows that are there, unless their records say it."""
    base = [ast.ColumnDef(c.name, types.to_sql(c.type)) for c in obj.stored_columns()]
    info = column_infos([*base, column])[-1]
    info = replace(info, stored=free_stored_name(obj, info.name))
    if info.default is not None and (isinstance(obj, Table) or obj.format == "arrow"):
        now = constant(info.default, info, 1, context.instance.clock.now_us())
        (text,) = pgtext.to_text(limited(pa.chunked_array([now]), info).combine_chunks())
        if text is not None:
            quoted = text.replace("'", "''")
            info = replace(info, before=f"CAST('{quoted}' AS {types.to_sql(info.type)})")
    if info.not_null and info.before is None and info.computed is None and _has_rows(obj, context):
        raise NotNullViolation(
            f'column "{info.name}" of relation "{obj.name}" contains null values', hint="give it a DEFAULT"
        )
    return info


def _has_rows(obj: Stream | Table, context: Context) -> bool:
    if isinstance(obj, Table):
        return bool(table_store(context, obj).num_rows)
    return any(log.end_offset > log.start_offset for log in context.instance.topic_of(obj).partitions)


def _put(context: Context, old: Stream | Table, new: Stream | Table) -> None:
    """Make it the new one, unless an object that reads it would then have another column, or a row that is there breaks
    one of the new checks."""
    instance = context.instance
    store = evolved(instance, new)
    if isinstance(old, Table) and isinstance(new, Table):
        assert store is not None
        check_rows(context, replace(new, checks=new.checks[len(old.checks) :]), store.snapshot_table())
        for unique in new.indexes[len(old.indexes) :]:
            refuse_duplicates(store, unique)
    kept = _kept(context, old, new)
    instance.catalog.change([new, *kept])
    evolve(instance, new, store)
    for obj in kept:
        context.notice(f'the query of {obj.kind} "{obj.name}" names its columns now')
        if isinstance(obj, (MaterializedView, Sink)) and obj.query_id in instance.scheduler.queries:
            instance.scheduler.queries[obj.query_id].sql = obj.sql


def _kept(context: Context, old: Stream | Table, new: Stream | Table) -> list[CatalogObject]:
    """What reads the object and is written in another way to keep its columns; DependentObjects (2BP01) where
    that cannot be."""
    catalog = context.instance.catalog
    now, then = Planning(context.instance, catalog), Planning(context.instance, catalog.with_object(new))
    names, added = [c.name for c in old.columns], new.columns[-1].name
    kept: list[CatalogObject] = []
    for dependent in reversed(catalog.dependents(old.name)):  # the nearest first
        wanted = plan_of(now, dependent)
        if wanted is None or plan_of(then, dependent) == wanted:
            continue
        assert isinstance(dependent, (View, MaterializedView, Sink))
        made = spelt_out(dependent, names, added, wanted, then)
        if made is None:
            raise DependentObjects(
                f'cannot add a column to "{old.name}": {dependent.kind} "{dependent.name}" selects all its columns',
                hint=f'name the columns in the query of "{dependent.name}", or drop it first',
            )
        kept.append(made)
        then = Planning(context.instance, then.catalog.with_object(made))
    return kept
