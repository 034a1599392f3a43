"""What a filter asks of stored columns goes to the scan, which leaves out whole batches that cannot satisfy it.

A topic keeps the least and greatest value and the number of NULLs of each column of a batch.  The filter stays where it
is: the statistics say which batches need not be looked at, not which rows.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from sqlengine.expr.simplify import conjuncts
from sqlengine.expr.tree import Call, Cast, Const, Expr, InList, InputRef
from sqlengine.plan import nodes
from sqlengine.plan.nodes import BatchTest, Node
from sqlengine.plan.properties import rebuild

_SAFE = {"eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "is_null", "is_not_null", "like", "ilike"}
_FLIPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq"}


def push_to_log(node: Node) -> Node:
    """The plan with the tests of filters right above scans handed to these."""
    node = rebuild(node, tuple(push_to_log(i) for i in node.inputs))
    if isinstance(node, nodes.Filter) and isinstance(node.input, nodes.Scan):
        scan = node.input
        if not _cannot_fail(node.predicate):
            return node  # a row on which it raises must be reported, whatever the rest says
        tests = [t for part in conjuncts(node.predicate) if (t := _test(part, scan)) is not None]
        if tests:
            return rebuild(node, (replace(scan, pushed=tuple(tests)),))
    return node


def _cannot_fail(expr: Expr) -> bool:
    """Whether evaluating an expression never raises."""
    match expr:
        case InputRef() | Const():
            return True
        case InList(arg=arg):
            return _cannot_fail(arg)
        case Cast():
            return _column(expr) is not None
        case Call(function=name, args=args):
            return name in _SAFE and all(_cannot_fail(a) for a in args)
    return False


def _test(part: Expr, scan: nodes.Scan) -> BatchTest | None:
    """A conjunct as a test of one stored column; None for anything else."""
    match part:
        case Call(function="is_null" | "is_not_null" as op, args=(InputRef(index=at),)):
            return BatchTest(scan.columns[at], op, ())
        case InList(arg=arg, values=values, negated=False):
            found = [_physical(arg, v) for v in values if v.value is not None]
            column = _column(arg)
            if column is None or any(f is None for f in found):
                return None
            return BatchTest(scan.columns[column.index], "eq", tuple(f for f in found if f is not None))
        case Call(function=op, args=(a, b)) if op in _FLIPPED:
            if isinstance(a, Const):
                op, a, b = _FLIPPED[op], b, a
            column = _column(a)
            value = _physical(a, b) if isinstance(b, Const) else None
            return None if column is None or value is None else BatchTest(scan.columns[column.index], op, (value,))
    return None


def _column(expr: Expr) -> InputRef | None:
    """The column compared, seen through casts that keep its order and its values."""
    match expr:
        case InputRef():
            return expr
        case Cast(arg=InputRef() as column, type=to) if pa.types.is_integer(column.type):
            narrow = pa.types.is_floating(to) and column.type.bit_width <= 32 and to.bit_width == 64
            wider = pa.types.is_integer(to) and to.bit_width >= column.type.bit_width
            return column if narrow or wider else None
    return None


def _physical(compared: Expr, const: Const) -> int | float | None:
    """A constant as statistics store the values of its type; None when they have no such thing."""
    kind, value = const.type, const.value
    column = _column(compared)
    if value is None or column is None or compared.type != kind:
        return None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return value if value == value else None  # NaN bounds nothing
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        return int(pa.scalar(value, kind).value)
    return None
