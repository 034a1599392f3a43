"""UNION, INTERSECT and EXCEPT, with ALL and without.

INTERSECT and EXCEPT count each distinct row's copies on both sides in one grouping (NULLs are equal there, as the
standard has it) and keep it, or as many copies of it, as the counts say.
"""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from sqlengine.errors import DuplicateColumn, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.expr.coerce import untyped
from sqlengine.expr.tree import Call, Const, Expr, InputRef
from sqlengine.plan import build, nodes
from sqlengine.plan.nodes import AggregateCall, Node
from sqlengine.plan.properties import derive
from sqlengine.plan.scope import Relation, named
from sqlengine.plan.unify import coerce, meet
from sqlengine.sql import ast


class QueryBinder(Protocol):
    """The part of the binder this file needs."""

    def query(self, query: ast.Select | ast.SetOperation) -> Relation:
        """Bind a query."""
        ...


def bind_set_operation(binder: QueryBinder, op: ast.SetOperation) -> Relation:
    """The rows of both queries together, in both, or in the first alone; names are the first query's."""
    left, right = binder.query(op.left), binder.query(op.right)
    if op.by_name:
        left, right = _by_name(left, right)
    if len(left.columns) != len(right.columns):
        raise SyntaxError(f"each {op.op.upper()} query must have the same number of columns")
    known = [known_types(side.node, texts=not op.rules) for side in (left, right)]
    merged = [meet(pair, op.rules) for pair in zip(*known, strict=True)]
    for side in () if op.rules else (left, right):
        _check_literals(side.node, merged)
    names = [c.name for c in left.columns]
    schema = pa.schema([pa.field(n, t) for n, t in zip(names, merged, strict=True)])
    sides = [build.cast_to(side.node, schema, op.rules) for side in (left, right)]
    if op.op != "union":
        return named(_counted(sides, op), None)
    both = build.union_all(sides)
    return named(both if op.all else build.renamed(build.grouped(both, range(len(names)), ()), names), None)


def known_types(node: Node, *, texts: bool = True) -> list[pa.DataType]:
    """The types of a query's columns; those that are a literal in each of its rows, NULL or one of `texts`, have none
    yet."""
    kinds = list(node.schema.types)
    for column, kind in enumerate(kinds):
        found = _literals(node, column) if pa.types.is_string(kind) else []
        if found and (texts or all(const.value is None for const in found)):
            kinds[column] = pa.null()
    return kinds


def _literals(node: Node, column: int) -> list[Const]:
    """The literals that a column consists of, where those are all of it and text where nothing else is known."""
    match node:
        case nodes.UnionAll(branches=branches):
            found = [_literals(branch, column) for branch in branches]
            return [const for some in found for const in some] if all(found) else []
        case nodes.GroupAggregate(input=below, keys=keys) if column < len(keys):
            return _literals(below, keys[column])
        case nodes.Values(rows=rows):
            cells = [row[column] for row in rows]
            return [c for c in cells if isinstance(c, Const)] if cells and all(map(untyped, cells)) else []
        case nodes.Project(input=below, exprs=exprs):
            expr = exprs[column]
            if isinstance(expr, InputRef):
                return _literals(below, expr.index)
            return [expr] if isinstance(expr, Const) and untyped(expr) else []
    return []


def _check_literals(node: Node, kinds: list[pa.DataType]) -> None:
    """InvalidText (22P02) for a literal that is no value of the type that its column takes."""
    for column, kind in enumerate(kinds):
        for const in _literals(node, column) if not pa.types.is_string(kind) else ():
            coerce(const, kind)


def _by_name(left: Relation, right: Relation) -> tuple[Relation, Relation]:
    """Both sides with the columns of the left, then those only the right has, matched without regard to case."""
    places = [{c.name.lower(): i for i, c in enumerate(side.columns)} for side in (left, right)]
    for side, known in zip((left, right), places, strict=True):
        if len(known) != len(side.columns):
            raise DuplicateColumn("a query of UNION BY NAME has two columns of one name")
    names = [c.name for c in left.columns] + [c.name for c in right.columns if c.name.lower() not in places[0]]
    made = []
    for side, known in zip((left, right), places, strict=True):
        other = right if side is left else left
        exprs: list[Expr] = []
        for name in names:
            at = known.get(name.lower())
            there = places[1] if side is left else places[0]
            if at is not None:
                exprs.append(build.ref(side.node, at))
            else:
                exprs.append(Const(other.node.schema.field(there[name.lower()]).type, None))
        made.append(named(build.projected(side.node, exprs, names), None))
    return made[0], made[1]


def _counted(sides: list[Node], op: ast.SetOperation) -> Node:
    """INTERSECT and EXCEPT: the distinct rows of both sides with their copies on each, filtered or repeated."""
    names, width = sides[0].schema.names, len(sides[0].schema)
    flags = [[Const(pa.bool_(), True), Const(pa.bool_(), None)], [Const(pa.bool_(), None), Const(pa.bool_(), True)]]
    marked = [
        build.projected(side, [*build.refs(side), *flag], [*names, "$left", "$right"])
        for side, flag in zip(sides, flags, strict=True)
    ]
    calls = [AggregateCall("count", (width + i,), pa.int64()) for i in range(2)]
    grouped = build.grouped(build.union_all(marked), range(width), calls)
    copies = _copies(op, build.ref(grouped, width), build.ref(grouped, width + 1))
    rows = [build.ref(grouped, i) for i in range(width)]
    if not op.all:
        kept = build.filtered(grouped, Call(pa.bool_(), "gt", (copies, Const(pa.int64(), 0))))
        return build.projected(kept, rows, names)
    counted = build.projected(grouped, [*rows, copies], [*names, "$copies"])
    schema = pa.schema(list(counted.schema)[:width])
    return derive(nodes.Repeat(schema=schema, input=counted, count=width))


def _copies(op: ast.SetOperation, left: Expr, right: Expr) -> Expr:
    """How many copies of a row the operation has, given those of its sides; not above 0 for none."""
    zero = Const(pa.int64(), 0)
    if op.op == "intersect":
        return Call(pa.int64(), "least", (left, right))
    if op.all:
        return Call(pa.int64(), "subtract", (left, right))
    return Call(pa.int64(), "if", (Call(pa.bool_(), "eq", (right, zero)), left, zero))
