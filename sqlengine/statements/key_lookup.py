"""SELECT columns FROM t WHERE key = $1: a prepared look-up that reads an index of a table or view, without a plan.

Why: a round trip to DuckDB costs milliseconds and scans; the contents have an index by key already, or by what CREATE
INDEX and UNIQUE say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.objects import MaterializedView, Table
from sqlengine.errors import Error
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.state.key_index import Column
from sqlengine.state.row_store import RowStore
from sqlengine.statements.context import Context
from sqlengine.statements.plain_select import plain_columns

_DIGITS = 19
"""A number of fewer digits is an int64."""


@dataclass(frozen=True)
class KeyLookup:
    """`columns`: the places in the object of what is answered, `schema`: what that is; `at`: the key's columns, by
    their places in the object; `numbers`: the parameter that is each of them; `version`: of the catalog it was made
    for."""

    obj: Table | MaterializedView
    columns: tuple[int, ...]
    schema: pa.Schema
    at: tuple[int, ...]
    numbers: tuple[int, ...]
    kinds: tuple[pa.DataType, ...]
    version: int


def key_lookup(statement: ast.Statement, context: Context) -> KeyLookup | None:
    """How a prepared statement is answered from an index; None when it is of another shape."""
    if not isinstance(statement, ast.SelectStatement) or statement.emit is not None or statement.as_of:
        return None
    try:
        tree, arrays = sql.lower_open(statement.query)
        return None if arrays else _of(tree, context)
    except Error:
        return None


def _of(tree: ast.Select | ast.SetOperation, context: Context) -> KeyLookup | None:
    if not isinstance(tree, ast.Select) or not isinstance(tree.from_, ast.TableRef) or tree.where is None:
        return None
    bare = ast.Select(items=tree.items, from_=tree.from_, where=tree.where)
    ref = tree.from_
    if bare != tree or ref.as_of is not None or ref.column_aliases:
        return None
    obj = context.instance.catalog.get(context.prefer_path(ref.parts))
    if not isinstance(obj, (Table, MaterializedView)):
        return None
    store = _store(obj, context)
    if store is None:
        return None
    name = ref.alias or ref.parts[-1]
    known = {c.name: c.type for c in obj.columns}
    columns = plain_columns(tree.items, name, list(known))
    keys = _keys(tree.where, name)
    if columns is None or keys is None:
        return None
    names = list(known)
    indexes = [tuple(names.index(column) for column in index.columns) for index in obj.indexes]
    if store.key_columns is not None:
        indexes.insert(0, store.key_columns)
    elif isinstance(obj, Table) and obj.primary_key:
        indexes.insert(0, tuple(names.index(column) for column in obj.primary_key))
    at = next((i for i in indexes if max(i) < len(names) and {names[c] for c in i} == set(keys)), None)
    if at is None:
        return None
    wanted = [names[c] for c in at]
    kinds = tuple(known[column] for column in wanted)
    if not all(pa.types.is_integer(kind) or pa.types.is_string(kind) for kind in kinds):
        return None
    places = tuple(names.index(column) for _, column in columns)
    schema = pa.schema([(name, known[column]) for name, column in columns])
    numbers = tuple(keys[c] for c in wanted)
    return KeyLookup(obj, places, schema, at, numbers, kinds, context.instance.catalog.version)


def _keys(where: ast.Expr, table: str) -> dict[str, int] | None:
    """Column -> the parameter it equals, of `a = $1 AND b = $2`; None for anything else."""
    if isinstance(where, ast.Binary) and where.op == "and":
        left, right = _keys(where.left, table), _keys(where.right, table)
        if left is None or right is None or left.keys() & right.keys():
            return None
        return left | right
    if not isinstance(where, ast.Binary) or where.op != "=":
        return None
    for column, other in ((where.left, where.right), (where.right, where.left)):
        if isinstance(column, ast.Column) and isinstance(other, ast.Param) and isinstance(other.key, int):
            if column.parts[:-1] in ((), (table,)):
                return {column.parts[-1]: other.key}
    return None


def _store(obj: Table | MaterializedView, context: Context) -> RowStore | None:
    """An object's contents; None where it has none of its own now (its query has failed, or is not there yet)."""
    scheduler = context.instance.scheduler
    if isinstance(obj, Table):
        source = scheduler.sources.get(obj.name)
        return None if source is None or source.failure is not None else source.store
    query = scheduler.by_name(obj.name)
    return None if query is None or query.status != "running" else query.store


def look_up(lookup: KeyLookup, values: Sequence[str | None], context: Context, idle_only: bool) -> Result | None:
    """The answer; `values`: the parameters' texts.  None when the ordinary way has to be taken: the catalog has
    changed, a transaction has rows of its own, a text is no such number, or (`idle_only`) there is work before it."""
    instance = context.instance
    if lookup.version != instance.catalog.version or context.transaction:
        return None
    try:
        keys = [_key(values[number], kind) for number, kind in zip(lookup.numbers, lookup.kinds, strict=True)]
    except pa.ArrowInvalid:
        return None
    if context.settings.read_consistency == "strict":
        if not idle_only:
            instance.catch_up(context.check)
        elif not instance.scheduler.is_up_to_date():
            return None
    store = _store(lookup.obj, context)
    if store is None:
        return None
    found = store.peek_by(lookup.at, keys, lookup.columns)
    if any(values[number] is None for number in lookup.numbers):
        found = [column.slice(0, 0) for column in found]
    rows = pa.RecordBatch.from_arrays(found, schema=lookup.schema)
    count = rows.num_rows
    return Result(f"SELECT {count}", schema=lookup.schema, batches=iter((rows,)), row_count=count)


def _key(text: str | None, kind: pa.DataType) -> Column:
    """A parameter as one value of the key's type; Arrow's cast takes many times as long as Python's."""
    if text is not None and len(text) < _DIGITS and text.isascii() and text.isdigit():
        if pa.types.is_signed_integer(kind) and (value := int(text)) < 1 << kind.bit_width - 1:
            return np.array([value])
    return pa.array([text], pa.string()).cast(kind)
