"""ALTER TABLE and ALTER STREAM of one column: DROP, TYPE, SET and DROP NOT NULL; no row is written again.

The catalog's object changes and says how older rows are read (catalog/objects.py, runtime/stored_columns.py). What
reads the column is not rewritten: it is named in a refusal, or dropped where CASCADE says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from sqlengine import types
from sqlengine.catalog.objects import STREAM_QUERY, CatalogObject, ColumnInfo, Sink, Stream, Table
from sqlengine.duck import quote
from sqlengine.errors import (
    DatatypeMismatch,
    DependentObjects,
    Error,
    InvalidDefinition,
    NotNullViolation,
    NotSupportedError,
    UndefinedColumn,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.expr.coerce import untyped
from sqlengine.expr.simplify import volatility
from sqlengine.expr.tree import Expr, input_columns
from sqlengine.functions.casting import assignable, widens
from sqlengine.result import Result
from sqlengine.runtime.evolving import evolve, evolved
from sqlengine.runtime.rows import limited
from sqlengine.runtime.stored_expressions import bind_over, constant
from sqlengine.sql import ast
from sqlengine.statements.column_use import (
    computed_of,
    constraints_of,
    own_uses,
    readers,
    refuse_running,
    shown,
    unique_indexes_of,
)
from sqlengine.statements.compaction import reads_topic
from sqlengine.statements.context import Context
from sqlengine.statements.drop import drop_object
from sqlengine.text_limits import TextLimit, limit_of


def drop_column(statement: ast.DropColumn, context: Context) -> Result:
    """DROP COLUMN; DependentObjects (2BP01) names what needs the column, which CASCADE drops as well."""
    with context.instance.lock:
        obj = altered(statement.name, context)
        if statement.if_exists and not any(c.name == statement.column for c in obj.columns):
            context.notice(f'column "{statement.column}" of relation "{obj.name}" does not exist, skipping')
            return done(statement)
        old = column_of(obj, statement.column)
        _refuse_fixed(obj, old, "drop")
        require_own_topic(context, obj, "drop a column of")
        gone = {old.name, *computed_of(obj, old.name)}
        new = _without(obj, gone)
        uses = own_uses(obj, old.name)
        over = readers(context, new)
        if not statement.cascade:
            _refuse_users(obj, old, [*uses, *(shown(o) for o in over)])
        refuse_running(context, obj, gone, but=over)
        for use in uses:
            context.notice(f"drop cascades to {use}")
        for reader in over:
            if reader.name in context.instance.catalog:
                context.notice(f"drop cascades to {shown(reader)}")
                drop_object(context, context.instance.catalog.get(_whole(reader)), cascade=True)
        put(context, obj, new, statement)
    return done(statement)


def set_type(statement: ast.SetType, context: Context) -> Result:
    """ALTER COLUMN TYPE: a stream's column may only become wider, a table's is cast or made by USING.

    Raises DatatypeMismatch (42804) where the cast has to be written, DataError where a row has no value of the type,
    NotSupportedError (0A000) naming what needs the column as it is.
    """
    kind = types.from_sql(statement.type_name, statement.type_position)
    limit = limit_of(statement.type_name, statement.type_position)
    with context.instance.lock:
        obj = altered(statement.name, context)
        old = column_of(obj, statement.column)
        if kind == old.type and statement.using is None and _fits(context, obj, old, limit):
            if limit != old.limit:
                put(context, obj, with_column(obj, old, replace(old, limit=limit)), statement)
            return done(statement)
        _require_retypable(context, obj, old, kind, statement)
        new = _retyped(obj, old, kind, None, statement, context)
        if limit is not None and (store := evolved(context.instance, new)) is not None:
            limited(store.snapshot_table().column(old.name), replace(old, limit=limit))
            new = _retyped(obj, old, kind, limit, statement, context)
        over = [shown(o) for o in readers(context, new)]
        if over:
            raise NotSupportedError(
                "cannot alter type of a column used by a view or sink",
                detail="\n".join(f'{name} depends on column "{old.name}"' for name in over),
                hint="drop them first",
            )
        refuse_running(context, obj, [old.name])
        put(context, obj, new, statement)
    return done(statement)


def _fits(context: Context, obj: Stream | Table, old: ColumnInfo, limit: TextLimit | None) -> bool:
    """Whether all texts of a column stay as they are under another limit. StringTooLong (22001), or NotSupportedError
    (0A000) of a stream, where one is too long."""
    was = old.limit
    if limit is None or limit == was:
        return True
    if was is not None and was.length <= limit.length and (was.fixed or not limit.fixed):
        return True
    if isinstance(obj, Stream):
        raise NotSupportedError(
            f'column "{old.name}" of stream "{obj.name}" can only become wider: '
            f"{old.type_text} cannot become {limit.sql}",
            hint="a stream's rows stay as they are; a view over it can cast",
        )
    texts = context.instance.contents(obj).column(old.name)
    return old.computed is not None or limited(texts, replace(old, limit=limit)).equals(texts)


def set_not_null(statement: ast.SetNotNull, context: Context) -> Result:
    """SET NOT NULL, which NotNullViolation (23502) refuses where a row has none, and DROP NOT NULL."""
    with context.instance.lock:
        obj = altered(statement.name, context)
        old = column_of(obj, statement.column)
        if old.computed is not None or old.metadata is not None:
            raise InvalidDefinition(f'column "{old.name}" of relation "{obj.name}" is computed')
        if not statement.not_null and (isinstance(obj, Table) and old.name in obj.primary_key):
            raise InvalidDefinition(f'column "{old.name}" is in a primary key', sqlstate="42P16")
        if not statement.not_null and old.identity is not None:
            raise InvalidDefinition(
                f'column "{old.name}" of relation "{obj.name}" is an identity column', sqlstate="42601"
            )
        if statement.not_null and not old.not_null and _has_null(context, obj, old.name):
            raise NotNullViolation(f'column "{old.name}" of relation "{obj.name}" contains null values')
        put(context, obj, with_column(obj, old, replace(old, not_null=statement.not_null)), statement)
    return done(statement)


# ---------------------------------------------------------------- what is there


def altered(name: ast.Name, context: Context) -> Stream | Table:
    """The object whose columns are to be changed, up to date; the caller holds the lock."""
    if context.transaction:
        raise NotSupportedError("ALTER TABLE cannot follow changes in the same transaction", sqlstate="25001")
    instance = context.instance
    obj = instance.catalog.get(context.prefer_path(name))
    if not isinstance(obj, (Stream, Table)):
        raise WrongObjectType(f'"{obj.name}" is not a table or stream', hint="ALTER VIEW ... AS changes a view's query")
    if isinstance(obj, Stream):
        written = obj.name + STREAM_QUERY in instance.catalog
        by = "a query writes it" if written else f"its connector {obj.connector} feeds it"
        if written or obj.connector != "topic":
            raise NotSupportedError(f'columns of stream "{obj.name}" cannot be altered: {by}')
    instance.fills.refuse_change(obj.name)
    instance.catch_up(context.check)
    return obj


def column_of(obj: Stream | Table, name: str) -> ColumnInfo:
    """A column by its name; UndefinedColumn (42703) with the nearest names."""
    found = next((c for c in obj.columns if c.name == name), None)
    if found is None:
        hint = did_you_mean(name, [c.name for c in obj.columns])
        raise UndefinedColumn(f'column "{name}" of relation "{obj.name}" does not exist', hint=hint)
    return found


def _has_null(context: Context, obj: Stream | Table, name: str) -> bool:
    return bool(context.instance.contents(obj).column(name).null_count)


def done(statement: ast.AlterColumn) -> Result:
    """What the statement answers."""
    return Result(f"ALTER {statement.kind.upper()}")


def _whole(reader: CatalogObject) -> tuple[str, ...]:
    """The name of what is dropped with a query: the stream that it writes, or its own object."""
    return tuple(reader.name.removesuffix(STREAM_QUERY).split("."))


# ---------------------------------------------------------------- refusals


def _refuse_users(obj: Stream | Table, column: ColumnInfo, users: Sequence[str]) -> None:
    if users:
        name = f"column {column.name} of {obj.kind} {obj.name}"
        raise DependentObjects(
            f"cannot drop {name} because other objects depend on it",
            detail="\n".join(f"{user} depends on {name}" for user in users),
            hint="use DROP ... CASCADE to drop the dependent objects too",
        )


def _refuse_fixed(obj: Stream | Table, column: ColumnInfo, verb: str) -> None:
    """NotSupportedError (0A000) for a column of the key or of the watermark."""
    fixed = [use for use in own_uses(obj, column.name) if use.startswith("the ")]
    if fixed:
        raise NotSupportedError(f'cannot {verb} column "{column.name}": {" and ".join(fixed)} depends on it')


def require_own_topic(context: Context, obj: Stream | Table, verb: str) -> None:
    """NotSupportedError (0A000) unless the topic's records are this object's alone to say what is in them."""
    reason = None
    if isinstance(obj, Stream) and obj.format != "arrow":
        reason = f"its records are {obj.format}, which keep their fields"
    elif isinstance(obj, Stream) and "late_topic" in obj.options:
        reason = "its late_topic has the same columns"
    others = [o for o in context.instance.catalog if o.name != obj.name and _shares(o, obj.topic)]
    if others:
        reason = f'{others[0].kind} "{others[0].name}" uses its topic "{obj.topic}" as well'
    elif isinstance(obj, Stream) and not obj.owns_topic:
        reason = f'its topic "{obj.topic}" was there before it'
    if reason is not None:
        raise NotSupportedError(f'cannot {verb} {obj.kind} "{obj.name}": {reason}')


def _shares(other: CatalogObject, topic: str) -> bool:
    writes = isinstance(other, Sink) and other.options.get("topic") == topic
    return writes or reads_topic(other, topic)


def _require_retypable(
    context: Context, obj: Stream | Table, old: ColumnInfo, kind: pa.DataType, statement: ast.SetType
) -> None:
    if old.computed is not None or old.metadata is not None:
        raise NotSupportedError(f'column "{old.name}" of relation "{obj.name}" is computed: its type cannot be altered')
    if old.identity is not None and not types.is_integer(kind):
        raise InvalidDefinition("identity column type must be smallint, integer, or bigint", sqlstate="22023")
    _refuse_fixed(obj, old, "alter type of")
    uses = [*own_uses(obj, old.name), *(f"index {name}" for name in unique_indexes_of(obj, old.name))]
    if uses:
        raise NotSupportedError(
            f'cannot alter type of column "{old.name}" of {obj.kind} "{obj.name}"',
            detail="\n".join(f"{use} depends on it" for use in uses),
            hint="drop it first, and add it again",
        )
    if isinstance(obj, Table):
        return
    require_own_topic(context, obj, "alter the type of a column of")
    if statement.using is not None or not widens(old.type, kind):
        raise NotSupportedError(
            f'column "{old.name}" of stream "{obj.name}" can only become wider: '
            f"{types.to_sql(old.type)} cannot become {types.to_sql(kind)}",
            hint="a stream's rows stay as they are; a view over it can cast",
        )


# ---------------------------------------------------------------- the new object


def put(
    context: Context,
    old: Stream | Table,
    new: Stream | Table,
    statement: ast.Statement,
    changed: Sequence[CatalogObject] = (),
) -> None:
    """Make the object the new one, and others that are changed with it: first what may fail, then the catalog, then
    what is running."""
    instance = context.instance
    text = f"{old.sql.rstrip().rstrip(';')};\n{statement.text.rstrip().rstrip(';')}"
    new = replace(new, sql=text)
    store = evolved(instance, new)
    known = {c.stored_name for c in old.columns}
    for made in new.columns:
        fresh = made.not_null and made.stored_name not in known
        if fresh and store is not None and store.snapshot_table().column(made.name).null_count:
            raise NotNullViolation(f'column "{made.name}" of relation "{new.name}" contains null values')
    instance.catalog.change([new, *changed])
    evolve(instance, new, store)


def with_column(obj: Stream | Table, old: ColumnInfo, new: ColumnInfo) -> Stream | Table:
    """The object with a column in another's place."""
    return replace(obj, columns=tuple(new if c.name == old.name else c for c in obj.columns))


def _without(obj: Stream | Table, gone: set[str]) -> Stream | Table:
    """The object without some columns and without the constraints on them."""
    left = tuple(c for c in obj.columns if c.name not in gone)
    if not any(c.computed is None and c.metadata is None for c in left):
        raise InvalidDefinition(f'{obj.kind} "{obj.name}" would have no column left', hint="DROP drops all of it")
    retired = (*obj.retired, *(retired_column(c) for c in obj.columns if c.name in gone))
    changes: dict[str, Any] = {
        "columns": left,
        "retired": retired,
        "column_grants": tuple((name, grants) for name, grants in obj.column_grants if name not in gone),
    }
    if isinstance(obj, Table):
        broken = {name for column in gone for name in constraints_of(obj, column)}
        changes["checks"] = tuple(c for c in obj.checks if c.name not in broken)
        changes["indexes"] = tuple(i for i in obj.indexes if not gone & set(i.columns))
    return replace(obj, **changes)


def retired_column(info: ColumnInfo) -> ColumnInfo:
    """What stays known of a column that goes: how older rows have it."""
    return ColumnInfo(info.stored_name, info.type, before=info.before, reads=info.reads)


def _retyped(
    obj: Stream | Table,
    old: ColumnInfo,
    kind: pa.DataType,
    limit: TextLimit | None,
    statement: ast.SetType,
    context: Context,
) -> Stream | Table:
    """The object with a column of another type: a new one for the log, made of the old one where rows lack it."""
    base = [c for c in obj.columns if c.computed is None and c.metadata is None]
    text = statement.using if statement.using is not None else quote(old.name)
    try:
        expr = bind_over(text, base)
    except Error as error:
        position = error.position
        raise error.at(None if position is None else statement.using_position + position) from None
    _require_castable(old, expr, kind, statement)
    used = sorted(input_columns(expr))
    info = replace(
        old,
        type=kind,
        limit=limit,
        before=f"CAST({text} AS {types.to_sql(kind) if limit is None else limit.sql})",
        reads=tuple((base[at].name, base[at].stored_name) for at in used),
        stored=free_stored_name(obj, old.name),
        default=_default_as(old, kind, context),
    )
    new = with_column(obj, old, info)
    return replace(new, retired=(*obj.retired, retired_column(old)))


def _require_castable(old: ColumnInfo, expr: Expr, kind: pa.DataType, statement: ast.SetType) -> None:
    if volatility(expr) != "immutable":
        raise NotSupportedError(
            "the USING expression must give the same for the same row at any time",
            hint="alter the type first, then UPDATE the rows",
            position=statement.using_position,
        )
    if untyped(expr) or assignable(expr.type, kind):
        return
    if statement.using is not None:
        raise DatatypeMismatch(
            f'result of USING clause for column "{old.name}" cannot be cast automatically to type {types.to_sql(kind)}',
            hint="you might need to add an explicit cast",
            position=statement.using_position,
        )
    raise DatatypeMismatch(
        f'column "{old.name}" cannot be cast automatically to type {types.to_sql(kind)}',
        hint=f'you might need to specify "USING {quote(old.name)}::{types.to_sql(kind)}"',
        position=statement.type_position,
    )


def _default_as(old: ColumnInfo, kind: pa.DataType, context: Context) -> str | None:
    """The default of a column whose type changes, which must have a value of the new one."""
    if old.default is None:
        return None
    if not assignable(old.type, kind):
        raise DatatypeMismatch(
            f'default for column "{old.name}" cannot be cast automatically to type {types.to_sql(kind)}',
            hint="DROP DEFAULT first",
        )
    constant(old.default, replace(old, type=kind), 1, context.instance.clock.now_us())
    return old.default


def free_stored_name(obj: Stream | Table, name: str) -> str | None:
    """What a new column is called in the topic: its name (None), or one made of it that none of the object's columns
    has ever had there."""
    taken = {c.stored_name for c in (*obj.columns, *obj.retired)}
    if name not in taken:
        return None
    return next(made for n in range(2, len(taken) + 3) if (made := f"{name}${n}") not in taken)
