"""SELECT columns FROM t: an object's rows as they are held, without an executor that would copy them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.objects import CatalogObject, MaterializedView, Stream, Table
from sqlengine.errors import Error
from sqlengine.snapshot.expand import Expanded
from sqlengine.sql import ast
from sqlengine.state.repeated_texts import plain
from sqlengine.statements.context import Context

Columns = tuple[tuple[str, str], ...]
"""(name in the answer, name in the object) of each."""


SMALL_ROWS = 2_048
"""Batches of fewer rows are put together: whoever reads them takes a step for each."""


def plain_columns(items: Sequence[ast.SelectItem], table: str, all_names: Sequence[str]) -> Columns | None:
    """What a SELECT list takes of a table under that name; None when it is more than columns."""
    found: list[tuple[str, str]] = []
    for item in items:
        match item.expr:
            case ast.Star(table=of, except_=(), replace=()) if of in (None, table):
                found += [(column, column) for column in all_names]
            case ast.Column(parts=(column,)) if column in all_names:
                found.append((item.name, column))
            case ast.Column(parts=(of, column)) if of == table and column in all_names:
                found.append((item.name, column))
            case _:
                return None
    return tuple(found)


def plain_select(context: Context, query: ast.Query, expanded: Expanded) -> Columns | None:
    """The columns of a query that is some of the columns of its one object; None for any other."""
    objects = list(expanded.inputs.values())
    if len(objects) != 1 or not isinstance(objects[0], (Stream, Table, MaterializedView)):
        return None
    if not sql.is_bare(query) or expanded.pg_types or expanded.of_session:
        return None
    try:
        tree = sql.lower(query)
    except Error:
        return None
    return _of(context, tree, objects[0])


def _of(context: Context, tree: ast.Select | ast.SetOperation, obj: CatalogObject) -> Columns | None:
    if not isinstance(tree, ast.Select) or not isinstance(tree.from_, ast.TableRef):
        return None
    ref = tree.from_
    if ast.Select(items=tree.items, from_=ref) != tree:
        return None
    if ref != ast.TableRef(ref.parts, alias=ref.alias, position=ref.position):
        return None
    if context.instance.catalog.get(context.prefer_path(ref.parts)) is not obj:
        return None
    columns = plain_columns(tree.items, ref.alias or ref.parts[-1], [c.name for c in obj.columns])
    names = [name for name, _ in columns or ()]
    return columns if names and len(set(names)) == len(names) else None


def rows_of_columns(table: pa.Table, columns: Columns, obj: CatalogObject) -> pa.Table:
    """Those columns of an object's rows, with every value written out."""
    kinds = {c.name: c.type for c in obj.columns}
    schema = pa.schema([pa.field(name, kinds[column]) for name, column in columns])
    chosen = table.select([column for _, column in columns]).rename_columns([name for name, _ in columns])
    if chosen.num_rows < SMALL_ROWS * chosen.column(0).num_chunks:
        chosen = chosen.combine_chunks()
    return pa.Table.from_batches([plain(batch, schema) for batch in chosen.to_batches()], schema=schema)
