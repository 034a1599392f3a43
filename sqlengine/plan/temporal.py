"""Temporal filters: conditions that compare a row with now(), so that rows enter and leave as time passes.

`row op moment`, where `moment` is a function of now() that never goes back (now() - INTERVAL '5 minutes',
date_trunc('hour', now()), current_date - 7), holds for one span of time per row.  Such conditions become a
TemporalFilter, whose state the filter itself bounds.  now() anywhere else changes every row's answer all the time: it
is refused in what a query puts out, and has no incremental operator elsewhere.  proctime() is different: it is the time
at which a row came, and stays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import pyarrow as pa

from sqlengine.errors import InvalidDefinition
from sqlengine.expr.simplify import conjunction, conjuncts, volatility
from sqlengine.expr.tree import Call, Cast, Const, Expr, InputRef, called, children, input_columns, with_children
from sqlengine.plan import build, nodes
from sqlengine.plan.distinct import distinct_nodes
from sqlengine.plan.exprs import expressions, shift
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.nodes import Node, TimeBound
from sqlengine.plan.properties import derive, over_inputs
from sqlengine.plan.rules.once import once_a_node
from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast
from sqlengine.types import TIMESTAMPTZ
from storage.replacing import replace

MOMENTS = frozenset("now current_timestamp current_date current_time localtime localtimestamp".split())
"""Functions of the time of the statement."""
_TIMES = frozenset(("now", "proctime"))
ALTERNATIVES_MAX = 4
"""Conditions on now() under one OR; each doubles the filters that rows go through."""
_OPPOSITES = {"lt": ("ge",), "le": ("gt",), "gt": ("le",), "ge": ("lt",), "eq": ("lt", "gt")}
_FLIPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq"}


def place_temporal_filters(node: Node, written_at: Callable[[], int | None] = lambda: None) -> Node:
    """The plan with its conditions on now() as TemporalFilters; Unplannable for now() in any other place, and in what a
    query puts out InvalidDefinition (42P17), at `written_at` in its text."""
    if _moving(node):
        raise InvalidDefinition(
            "now() in what a continuous query puts out changes all the time",
            hint="proctime() is the time a row was processed, and stays with it; conditions may compare rows with"
            " now(), and a SELECT from the view may have it",
            position=written_at(),
        )
    return _placed(node) if any(_tells_time(e) for one in distinct_nodes(node) for e in expressions(one)) else node


def _tells_time(expr: Expr) -> bool:
    """Whether an expression may be another for the same row."""
    return not _TIMES.isdisjoint(called(expr)) or volatility(expr) == "volatile"


@once_a_node
def _placed(node: Node) -> Node:
    node = over_inputs(node, _placed)
    if isinstance(node, nodes.Join) and node.residual is not None and calls(node.residual, "now"):
        node = _out_of_condition(node, node.residual)
    if isinstance(node, nodes.Filter) and calls(node.predicate, "now"):
        node = _split(node)
    elif any(calls(e, "now") for e in expressions(node)):
        raise Unplannable("now() outside a comparison with a column")
    if isinstance(node, MatchRecognize):  # which asks again what it asked before
        if any(calls(e, "proctime") or volatility(e) == "volatile" for e in expressions(node)):
            raise Unplannable("proctime() or a volatile function over what a match is asked for")
    elif not all(i.append_only for i in node.inputs):
        if any(calls(e, "proctime") for e in expressions(node)):
            raise Unplannable("proctime() over rows that are taken back")
        if any(volatility(e) == "volatile" for e in expressions(node)):
            raise Unplannable("a volatile function over rows that are taken back")
    return node


def _moving(node: Node) -> set[int]:
    """The columns that are computed from now()."""
    match node:
        case nodes.Project(input=below, exprs=exprs):
            inner = _moving(below)
            return {i for i, e in enumerate(exprs) if calls(e, "now") or inner & input_columns(e)}
        case nodes.Filter() | nodes.TopN() | nodes.Over() | nodes.Unnest():
            return _moving(node.inputs[0])
        case nodes.UnionAll(branches=branches):
            return set().union(*map(_moving, branches))
    return set()


def _out_of_condition(join: nodes.Join, residual: Expr) -> Node:
    """Conditions on now() in ON as conditions on the side they are about, or on the rows of an inner join."""
    width = len(join.left.schema)
    left: list[Expr] = []
    right: list[Expr] = []
    above: list[Expr] = []
    rest: list[Expr] = []
    for part in conjuncts(residual):
        columns = input_columns(part)
        if not calls(part, "now"):
            rest.append(part)
        elif columns and min(columns) >= width and join.kind in ("inner", "left", "semi"):
            right.append(shift(part, -width))
        elif join.kind == "inner" or (join.kind == "semi" and max(columns, default=0) < width):
            (left if max(columns, default=0) < width else above).append(part)
        else:
            rest.append(part)
    sides = (_restricted(join.left, left), _restricted(join.right, right))
    made = derive(replace(join, left=sides[0], right=sides[1], residual=conjunction(rest)))
    return _restricted(made, above)


def _restricted(node: Node, parts: list[Expr]) -> Node:
    predicate = conjunction(parts)
    return node if predicate is None else _split(nodes.Filter(schema=node.schema, input=node, predicate=predicate))


def _split(node: nodes.Filter) -> Node:
    """The plain conditions below, the temporal ones above."""
    plain: list[Expr] = []
    bounds: list[TimeBound] = []
    either: list[Call] = []
    for part in conjuncts(node.predicate):
        if not calls(part, "now"):
            plain.append(part)
        elif isinstance(part, Call) and part.function == "or":
            either.append(part)
        else:
            bounds += _bounds(part)
    below = build.restricted(node.input, plain)
    for part in either:
        below = _either(below, part)
    if not bounds:
        return below
    return derive(nodes.TemporalFilter(schema=below.schema, input=below, bounds=tuple(bounds)))


def _either(below: Node, part: Call) -> Node:
    """Each row while one of the alternatives holds: those of the first, and of the others while it does not."""
    terms = sorted(_alternatives(part), key=lambda term: calls(term, "now"))
    if sum(calls(term, "now") for term in terms) > ALTERNATIVES_MAX:
        raise Unplannable(f"more than {ALTERNATIVES_MAX} conditions on now() under OR")
    first, rest = terms[0], terms[1:]
    if not rest:
        return _restricted(below, [first])
    missed = _any(_failing_all(first))
    return build.union_all([_restricted(below, [first]), _restricted(below, [missed, _any(rest)])])


def _failing(part: Expr) -> list[Expr]:
    """Conditions one of which holds where the given one is not true, false or NULL; it is a comparison with now(), an
    alternative of such, or has nothing to do with it."""
    if not calls(part, "now"):
        known = Call(pa.bool_(), "coalesce", (part, Const(pa.bool_(), False)))
        return [Call(pa.bool_(), "not", (known,))]
    if isinstance(part, Call) and part.function == "or":
        first, *others = (_any(_failing_all(term)) for term in _alternatives(part))
        for other in others:
            first = Call(pa.bool_(), "and", (first, other))
        return [first]
    if isinstance(part, Call) and part.function in _OPPOSITES:
        unknown = [Call(pa.bool_(), "is_null", (arg,)) for arg in part.args if input_columns(arg)]
        return [*unknown, *(Call(pa.bool_(), op, part.args) for op in _OPPOSITES[part.function])]
    raise Unplannable("a condition on now() that is not a comparison with a column")


def _failing_all(term: Expr) -> list[Expr]:
    return [failing for part in conjuncts(term) for failing in _failing(part)]


def _any(terms: list[Expr]) -> Expr:
    made = terms[0]
    for term in terms[1:]:
        made = Call(pa.bool_(), "or", (made, term))
    return made


def _alternatives(expr: Expr) -> list[Expr]:
    if isinstance(expr, Call) and expr.function == "or":
        return [term for arg in expr.args for term in _alternatives(arg)]
    return [expr]


def _bounds(part: Expr) -> list[TimeBound]:
    """A comparison as bounds on the time at which a row is in."""
    if isinstance(part, Call) and part.function in _FLIPPED:
        op, (left, right) = part.function, part.args
        if not calls(right, "now"):
            op, left, right = _FLIPPED[op], right, left
        left, right, op = _untangled(left, right, op)
        if not calls(left, "now") and not input_columns(right) and _never_goes_back(right):
            moment = _of_time(right)
            if op == "eq":
                return [TimeBound(left, "ge", moment), TimeBound(left, "le", moment)]
            return [TimeBound(left, op, moment)]
    raise Unplannable("a condition on now() that is not a comparison with a column")


def _untangled(left: Expr, right: Expr, op: str) -> tuple[Expr, Expr, str]:
    """`span op now() - t` as `t op now() - span`."""
    match right:
        case Call(function="subtract", args=(moment, row)) if (
            isinstance(left, Const) and input_columns(row) and not calls(row, "now") and moment.type == row.type
        ):
            return row, Call(moment.type, "subtract", (moment, left)), op
    return left, right, op


def _never_goes_back(expr: Expr) -> bool:
    """Whether an expression over now() alone grows, or stays, as time passes."""
    match expr:
        case Call(function="now"):
            return True
        case Cast(arg=arg, type=dtype):
            return _is_moment(dtype) and _never_goes_back(arg)
        case Call(function="add" | "subtract", args=(arg, Const())):
            return _is_moment(arg.type) and _never_goes_back(arg)
        case Call(function="add", args=(Const(), arg)):
            return _is_moment(arg.type) and _never_goes_back(arg)
        case Call(function="date_trunc", args=(Const(), arg)):
            return _never_goes_back(arg)
    return False


def _is_moment(dtype: pa.DataType) -> bool:
    return pa.types.is_timestamp(dtype) or pa.types.is_date32(dtype)


def _of_time(expr: Expr) -> Expr:
    """The expression with now() as input column 0."""
    if isinstance(expr, Call) and expr.function == "now":
        return InputRef(TIMESTAMPTZ, 0, "now")
    kids = children(expr)
    return with_children(expr, [_of_time(kid) for kid in kids]) if kids else expr


def first_moment(query: object) -> int | None:
    """Where a query first calls now() or one of its kin, subqueries included; None where it does not."""
    if isinstance(query, ast.Call) and query.name in MOMENTS:
        return query.position
    if isinstance(query, tuple):
        parts: Iterable[object] = query
    elif dataclasses.is_dataclass(query) and not isinstance(query, type):
        parts = (getattr(query, f.name) for f in dataclasses.fields(query))
    else:
        return None
    found = [at for at in map(first_moment, parts) if at is not None]
    return min(found, default=None)


def calls(expr: Expr, function: str) -> bool:
    """Whether a function is called anywhere in the expression."""
    return function in called(expr)
