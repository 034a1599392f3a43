"""Functions that give several rows: UNNEST and generate_series in FROM, and in the select list.

In FROM they see the items before them, LATERAL or not; several lists go side by side, the shorter ones filled up with
NULL.  In a select list they are taken after everything else of the block.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine import types
from sqlengine.errors import DatatypeMismatch
from sqlengine.expr.bind import bind as bind_scalar
from sqlengine.expr.tree import Const, Expr
from sqlengine.plan import nodes
from sqlengine.plan.properties import derive
from sqlengine.plan.rewrite import transform, walk
from sqlengine.plan.scope import HIDDEN, Relation, Visible, whole_rows
from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast
from storage.replacing import replace

SERIES = ("generate_series", "range")
"""Functions of numbers or times that give a list here and rows in FROM; `range` leaves its end out."""

ONE_ROW = Relation(
    nodes.Values(schema=pa.schema([pa.field("$one", pa.bool_())]), rows=((Const(pa.bool_(), True),),)),
    (Visible(None, "$one", depth=HIDDEN),),
)
"""What a query without FROM reads: a row with a column nobody sees; a table without columns has no number of rows."""


def is_several_rows(expr: ast.Expr) -> bool:
    """Whether a call gives several rows in a select list."""
    return isinstance(expr, ast.Call) and expr.name in ("unnest", "generate_series") and expr.over is None


def unnested(relation: Relation, ref: ast.FunctionRef, outer: bool = False) -> Relation:
    """Each row of `relation` with the function's rows; `outer`: with NULL where there are none."""
    ref = replace(ref, args=whole_rows(ref.args, relation))
    if ref.name == "unnest":
        lists = [_list(bind_scalar(a, relation), a) for a in ref.args]
    elif ref.name in SERIES:
        lists = [bind_scalar(ast.Call(ref.name, ref.args), relation)]
    else:
        raise Unplannable(f"{ref.name} in FROM")
    single = len(lists) == 1 and not ref.column_aliases and not ref.ordinality and ref.alias
    names = [ref.alias or ref.name] if single else [ref.name] * len(lists)
    names += ["ordinality"] if ref.ordinality else []
    names = [*ref.column_aliases, *names[len(ref.column_aliases) :]]
    node = _unnest(relation.node, lists, names, ref.ordinality, outer)
    table = ref.alias or ref.name
    return Relation(node, (*relation.columns, *(Visible(table, n) for n in names)))


def items_unnested(relation: Relation, s: ast.Select) -> tuple[Relation, ast.Select]:
    """The calls in the select list as columns of the rows they give."""
    calls = [e for e in dict.fromkeys(walk(s.items)) if is_several_rows(e)]
    if not calls:
        return relation, s
    lists: list[Expr] = []
    for call in calls:
        assert isinstance(call, ast.Call)
        if call.name == "unnest":
            if len(call.args) != 1:
                raise Unplannable("unnest of several lists in a select list")
            lists.append(_list(bind_scalar(call.args[0], relation), call.args[0]))
        else:
            lists.append(bind_scalar(call, relation))
    first = len(relation.columns)
    node = _unnest(relation.node, lists, [f"$u{i}" for i in range(len(lists))], False, False)
    columns = (*relation.columns, *(Visible("$unnest", f"$u{i}") for i in range(len(lists))))
    places = {call: ast.Column((f"#{first + i}",)) for i, call in enumerate(calls)}
    return Relation(node, columns), replace(s, items=transform(s.items, places.get))


def _list(expr: Expr, written: ast.Expr) -> Expr:
    if not (pa.types.is_list(expr.type) or pa.types.is_large_list(expr.type) or pa.types.is_fixed_size_list(expr.type)):
        raise DatatypeMismatch(
            f"function unnest({types.to_sql(expr.type)}) does not exist",
            sqlstate="42883",
            position=getattr(written, "position", None),
        )
    return expr


def _unnest(
    below: nodes.Node, lists: Sequence[Expr], names: Sequence[str], ordinality: bool, outer: bool
) -> nodes.Node:
    kinds = [e.type.value_type for e in lists] + ([pa.int64()] if ordinality else [])
    fields = [pa.field(n, k) for n, k in zip(names, kinds, strict=True)]
    schema = pa.schema([*below.schema, *fields])
    return derive(nodes.Unnest(schema=schema, input=below, lists=tuple(lists), ordinality=ordinality, outer=outer))
