"""TABLESAMPLE by a hash of the row: the same rows at every time, so that a row that is taken back was there.

Both executors hash a row's values with DuckDB's function, and equal rows are in the sample together.
"""

from __future__ import annotations

from typing import Protocol

from sqlengine.plan.ranking import limited
from sqlengine.plan.scope import Relation
from sqlengine.sql import ast, sampled_share


class BlockBinder(Protocol):
    """The part of the binder this file needs."""

    def relation(self, rel: ast.Relation) -> Relation:
        """Bind a FROM item."""
        ...

    def block(self, s: ast.Select, relation: Relation) -> Relation:
        """A SELECT block over a relation its FROM is bound to."""
        ...


def sample(binder: BlockBinder, rel: ast.SampleRef) -> Relation:
    """The sampled rows, under the names they had."""
    below = binder.relation(rel.input)
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
