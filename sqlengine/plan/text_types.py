"""CHAR(n) and VARCHAR(n) in a bound plan: which columns and expressions are of them, found by where values come from.

Arrow has no type for texts of limited length, so expressions are plain texts.  A column is of such a type when a table
declares it, when a cast makes it, or when it is handed through; what computes a new text gives a plain one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from sqlengine.expr import tree
from sqlengine.plan import nodes
from sqlengine.plan.distinct import distinct_nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import over_inputs
from sqlengine.text_limits import TextLimit
from storage.replacing import replace

E = TypeVar("E", bound=tree.Expr)
Limits = tuple[TextLimit | None, ...]
Declared = Callable[[str, str], TextLimit | None]
"""(an object, the stored name of a column of it) -> what the column's texts are limited to."""
CUTS = {"hive$cut_char": True, "hive$cut_varchar": False}
"""The calls that casts to CHAR(n) and VARCHAR(n) are made of, and whether the length is fixed."""
_CUT_NAMES = frozenset(CUTS)
_KEEPING = frozenset(("coalesce", "hive$upper", "hive$lower", "upper", "lower"))
_COMPARING = frozenset(("eq", "ne", "lt", "le", "gt", "ge", "is_distinct"))
_SAME = (nodes.Filter, nodes.TemporalFilter, nodes.DropLate, nodes.Repeat, nodes.TopN, nodes.Over, nodes.AssignWindow,
         nodes.Unnest, nodes.Versions, nodes.Changelog)  # fmt: skip
"""Nodes that hand their input's columns through, and have their own behind them."""
_BARE = frozenset("min max first last any_value arbitrary".split())


def has_limits(plan: Node, is_limited: Callable[[str], bool]) -> bool:
    """Whether a plan has anything to do with CHAR(n) or VARCHAR(n); most have not. `is_limited`: whether an object has
    columns of them."""
    for node in distinct_nodes(plan):
        if isinstance(node, nodes.Scan):
            if is_limited(node.source):
                return True
        elif isinstance(node, nodes.Project) and any(not _CUT_NAMES.isdisjoint(tree.called(e)) for e in node.exprs):
            return True
    return False


def limits_of(node: Node, declared: Declared) -> Limits:
    """Of each column of a node, what its texts are limited to; None of other columns."""
    return _Walk(declared).of(node)


class _Walk:
    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._known: dict[int, tuple[Node, Limits]] = {}

    def of(self, node: Node) -> Limits:
        """The columns of one node, of which plans may have several readers."""
        if id(node) not in self._known:
            found = self._columns(node)[: len(node.schema)]
            self._known[id(node)] = node, (*found, *[None] * (len(node.schema) - len(found)))
        return self._known[id(node)][1]

    def _columns(self, node: Node) -> Limits:
        match node:
            case nodes.Scan(source=source, columns=columns):
                return tuple(self._declared(source, name) for name in columns)
            case nodes.Project(input=read, exprs=exprs):
                inside = self.of(read)
                return tuple(limit_of_expr(expr, inside) for expr in exprs)
            case nodes.Join(left=left, right=right) | nodes.AsofJoin(left=left, right=right):
                return (*self.of(left), *self.of(right))
            case nodes.UnionAll(branches=branches):
                return tuple(_both(column) for column in zip(*(self.of(b) for b in branches), strict=True))
            case nodes.GroupAggregate(input=read, keys=keys, aggregates=aggregates):
                inside = self.of(read)
                calls = (inside[a.args[0]] if a.function in _BARE and a.args else None for a in aggregates)
                return (*(inside[key] for key in keys), *calls)
            case nodes.Unary(input=read) if isinstance(node, _SAME):
                return self.of(read)
        return ()


def limit_of_expr(expr: tree.Expr, inside: Limits) -> TextLimit | None:
    """What the texts of an expression over columns of these limits are limited to."""
    if expr.type != pa.string():
        return None
    match expr:
        case tree.InputRef(index=index):
            return inside[index]
        case tree.Call(function=name, args=(_, tree.Const(value=int() as length))) if name in CUTS:
            return TextLimit(length, CUTS[name])
        case tree.Call(function=name, args=args) if name in _KEEPING:
            return _both([limit_of_expr(arg, inside) for arg in args])
        case tree.Case(whens=whens, default=default):
            return _both([limit_of_expr(e, inside) for e in (*(v for _, v in whens), default) if not _is_null(e)])
    return None


def _is_null(expr: tree.Expr | None) -> bool:
    return expr is None or (isinstance(expr, tree.Const) and expr.value is None)


def _both(limits: Sequence[TextLimit | None]) -> TextLimit | None:
    """The limit of a choice: the longest where all are of one kind."""
    first = limits[0] if limits else None
    if first is None or any(limit is None or limit.fixed is not first.fixed for limit in limits):
        return None
    return TextLimit(max(limit.length for limit in limits if limit is not None), first.fixed)


# ---------------------------------------------------------------- comparisons


def blanks_ignored(node: Node, declared: Declared) -> Node:
    """The plan with the blanks at the end of constants cut off that CHAR(n) values are compared with.

    Such values are kept without theirs, so that blanks count in no comparison with a constant (Hive makes the constant
    a value of the column's type)."""
    return _Comparisons(declared).plan(node)


class _Comparisons:
    def __init__(self, declared: Declared) -> None:
        self._walk = _Walk(declared)
        self._made: dict[int, tuple[Node, Node]] = {}

    def plan(self, node: Node) -> Node:
        if id(node) not in self._made:
            self._made[id(node)] = node, self._node(node)
        return self._made[id(node)][1]

    def _node(self, node: Node) -> Node:
        changes: dict[str, Any] = {}
        match node:
            case nodes.Filter(input=read, predicate=predicate):
                changes["predicate"] = self._expr(predicate, self._walk.of(read))
            case nodes.Project(input=read, exprs=exprs):
                inside = self._walk.of(read)
                changes["exprs"] = tuple(self._expr(e, inside) for e in exprs)
            case nodes.Join(left=left, right=right, residual=residual) if residual is not None:
                changes["residual"] = self._expr(residual, (*self._walk.of(left), *self._walk.of(right)))
        made = node
        if any(getattr(node, name) != value for name, value in changes.items()):
            made = replace(node, **changes)
        return over_inputs(made, self.plan)

    def _expr(self, expr: tree.Expr, inside: Limits) -> tree.Expr:
        kids = tree.children(expr)
        made = tree.with_children(expr, [self._expr(kid, inside) for kid in kids]) if kids else expr
        if isinstance(made, tree.Call) and made.function in _COMPARING and len(made.args) == 2:
            left, right = made.args
            sides = (_cut(left, right, inside), _cut(right, left, inside))
            return made if sides == made.args else replace(made, args=sides)
        if isinstance(made, tree.InList):
            values = tuple(_cut(value, made.arg, inside) for value in made.values)
            return made if values == made.values else replace(made, values=values)
        return made


def _cut(expr: E, beside: tree.Expr, inside: Limits) -> E:
    """A constant text without its blanks where what it is compared with is a CHAR(n)."""
    if not isinstance(expr, tree.Const) or not isinstance(expr.value, str) or not expr.value.endswith(" "):
        return expr
    limit = limit_of_expr(beside, inside)
    return replace(expr, value=expr.value.rstrip(" ")) if limit is not None and limit.fixed else expr
