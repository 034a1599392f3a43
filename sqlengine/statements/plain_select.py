"""SELECT columns FROM t [LIMIT n]: an object's rows as they are held, without an executor that would copy them, and
no more of a stream than is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.objects import CatalogObject, MaterializedView, Stream, Table
from sqlengine.errors import Error
from sqlengine.quick_dataclass import dataclass
from sqlengine.snapshot.expand import Expanded
from sqlengine.sql import ast
from sqlengine.state.repeated_texts import plain
from sqlengine.statements.context import Context

Columns = tuple[tuple[str, str], ...]
"""(name in the answer, name in the object) of each."""


@dataclass(frozen=True, slots=True)
class PlainSelect:
    """Columns of one object; of its rows those from the one numbered `offset` on, `limit` at most (None: all)."""

    columns: Columns
    limit: int | None = None
    offset: int = 0

    @property
    def rows_needed(self) -> int | None:
        """How many of the object's first rows the answer is made from; None for all."""
        return None if self.limit is None else self.offset + self.limit


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


def plain_select(context: Context, query: ast.Query, expanded: Expanded) -> PlainSelect | None:
    """A query that asks for no more than columns and first rows of its one object; None for any other."""
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


def _of(context: Context, tree: ast.Select | ast.SetOperation, obj: CatalogObject) -> PlainSelect | None:
    if not isinstance(tree, ast.Select) or not isinstance(tree.from_, ast.TableRef):
        return None
    ref = tree.from_
    if ast.Select(items=tree.items, from_=ref, limit=tree.limit, offset=tree.offset) != tree:
        return None
    if ref != ast.TableRef(ref.parts, alias=ref.alias, position=ref.position):
        return None
    limit, offset = _count(tree.limit), _count(tree.offset)
    if (limit is None) != (tree.limit is None) or (offset is None) != (tree.offset is None):
        return None
    if context.instance.catalog.get(context.prefer_path(ref.parts)) is not obj:
        return None
    columns = plain_columns(tree.items, ref.alias or ref.parts[-1], [c.name for c in obj.columns])
    names = [name for name, _ in columns or ()]
    return PlainSelect(columns, limit, offset or 0) if columns and len(set(names)) == len(names) else None


def _count(expr: ast.Expr | None) -> int | None:
    """A LIMIT or OFFSET that is a number; None for any other."""
    match expr:
        case ast.Literal(value=int(count), type_name="integer" | "bigint") if count >= 0:
            return count
    return None


def rows_of_columns(table: pa.Table, wanted: PlainSelect, obj: CatalogObject) -> pa.Table:
    """What was asked for of an object's rows, or of as many of the first as it needs, with every value written out."""
    columns = wanted.columns
    kinds = {c.name: c.type for c in obj.columns}
    schema = pa.schema([pa.field(name, kinds[column]) for name, column in columns])
    chosen = table.select([column for _, column in columns]).rename_columns([name for name, _ in columns])
    if wanted.limit is not None or wanted.offset:
        chosen = chosen.slice(wanted.offset, wanted.limit)
    if chosen.num_rows < SMALL_ROWS * chosen.column(0).num_chunks:
        chosen = chosen.combine_chunks()
    return pa.Table.from_batches([plain(batch, schema) for batch in chosen.to_batches()], schema=schema)
