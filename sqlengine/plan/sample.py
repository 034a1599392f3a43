"""TABLESAMPLE by a hash of the row: the same rows at every time, so that a row that is taken back was there.

Both executors hash a row's values with DuckDB's function, and equal rows are in the sample together.
"""

from __future__ import annotations

from typing import Protocol

from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import FileTable
from sqlengine.errors import InvalidDefinition
from sqlengine.plan.ranking import limited
from sqlengine.plan.scope import Relation
from sqlengine.sql import ast, sampled_share


class BlockBinder(Protocol):
    """The part of the binder this file needs."""

    @property
    def catalog(self) -> Catalog:
        """What there is."""
        ...

    def relation(self, rel: ast.Relation) -> Relation:
        """Bind a FROM item."""
        ...

    def block(self, s: ast.Select, relation: Relation) -> Relation:
        """A SELECT block over a relation its FROM is bound to."""
        ...


def sample(binder: BlockBinder, rel: ast.SampleRef) -> Relation:
    """The sampled rows, under the names they had."""
    below = binder.relation(rel.input)
    if rel.bucket is not None:
        return _bucket(binder, rel.input, below, *rel.bucket)
    columns = tuple(ast.Column((f"#{i}",)) for i, c in enumerate(below.columns) if c.depth == 0 and not c.merged)
    row = f"row({', '.join(ast.quoted(c.parts) for c in columns)})"
    items = tuple(ast.SelectItem(ast.Column((f"#{i}",)), c.name) for i, c in enumerate(below.columns))
    share = ast.Opaque(sampled_share(row, rel.seed), columns)
    if rel.percent is not None:
        condition = ast.Binary("<", share, ast.Literal(rel.percent / 100, "double precision"))
        return below.on(binder.block(ast.Select(items=items, where=condition), below).node)
    limit = ast.Literal(rel.rows, "bigint")
    first = ast.Select(items=items, order_by=(ast.OrderItem(share),), limit=limit)
    return below.on(limited(lambda block: binder.block(block, below), first).node)


def _bucket(binder: BlockBinder, read: ast.Relation, below: Relation, which: int, of: int) -> Relation:
    """The rows of one bucket of a table that is clustered; InvalidDefinition (42P17) for any other relation."""
    obj = binder.catalog.find(tuple(read.parts)) if isinstance(read, ast.TableRef) else None
    columns = obj.bucket_columns if isinstance(obj, FileTable) else ()
    if not columns:
        raise InvalidDefinition(
            "TABLESAMPLE (BUCKET ...) needs ON with an expression: the table is not clustered",
            hint=f"TABLESAMPLE (BUCKET {which} OUT OF {of} ON column)",
        )
    hashed = ast.Call("hive$murmur_hash", tuple(ast.Column((name,)) for name in columns))
    kept = ast.Binary("&", hashed, ast.Literal(2**31 - 1, "integer"), rules="hive")
    rest = ast.Binary("%", kept, ast.Literal(of, "integer"), rules="hive")
    condition = ast.Binary("=", rest, ast.Literal(which - 1, "integer"), rules="hive")
    items = tuple(ast.SelectItem(ast.Column((f"#{i}",)), c.name) for i, c in enumerate(below.columns))
    return below.on(binder.block(ast.Select(items=items, where=condition), below).node)
