"""Expressions that the catalog keeps as text: computed columns, defaults, what older rows have in new columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.objects import ColumnInfo, Stream, Table
from sqlengine.expr.bind import bind
from sqlengine.expr.compile import Evaluator, compile_exprs
from sqlengine.expr.tree import Cast, Expr
from sqlengine.plan import nodes
from sqlengine.plan.scope import Relation, Visible
from sqlengine.reading import UTC, reading_in


def columns_relation(columns: Sequence[ColumnInfo], table: str | None = None) -> Relation:
    """A name scope of just these columns."""
    schema = pa.schema([pa.field(c.name, c.type) for c in columns])
    return Relation(nodes.Values(schema=schema, rows=()), tuple(Visible(table, c.name) for c in columns))


@reading_in(UTC)
def bind_over(text: str, columns: Sequence[ColumnInfo]) -> Expr:
    """A stored expression text bound over an object's columns."""
    return bind(sql.parse_expr(text), columns_relation(columns))


def computed_evaluator(obj: Stream | Table) -> Evaluator | None:
    """Evaluates all computed columns over the others, or None when there are none."""
    computed = [c for c in obj.columns if c.computed is not None]
    if not computed:
        return None
    base = [c for c in obj.columns if c.computed is None]
    exprs: list[Expr] = []
    for info in computed:
        text = info.computed or ""
        expr = bind_over(text if info.limit is None else f"CAST(({text}) AS {info.limit.sql})", base)
        exprs.append(expr if expr.type == info.type else Cast(type=info.type, arg=expr))
    return compile_exprs(exprs)


def value_before(info: ColumnInfo, rows: int) -> pa.Array:
    """What rows written before the column was added have in it."""
    if info.before is None:
        return pa.nulls(rows, info.type)
    return constant(info.before, info, rows, 0)


def constant(text: str, info: ColumnInfo, rows: int, now_us: int) -> pa.Array:
    """An expression without columns as so many values of a column's type."""
    with reading_in(UTC, now_us=now_us or None):
        expr = bind_over(text, ())
        evaluate = compile_exprs([expr if expr.type == info.type else Cast(type=info.type, arg=expr)])
        dummy = pa.RecordBatch.from_arrays([pa.nulls(rows, pa.int8())], names=["$n"])
        return evaluate(dummy, now_us)[0]
