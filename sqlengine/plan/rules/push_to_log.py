"""What a filter asks of stored columns goes to the scan, which leaves out whole batches that cannot satisfy it.

A topic keeps the least and greatest value and the number of NULLs of each column of a batch.  The filter stays where it
is: the statistics say which batches need not be looked at, not which rows.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine.expr.simplify import conjuncts
from sqlengine.expr.tree import Call, Const, Expr, InList, InputRef
from sqlengine.plan import nodes
from sqlengine.plan.nodes import BatchTest, Node
from sqlengine.plan.predicates import cannot_fail, plain_column
from sqlengine.plan.properties import over_inputs, rebuild
from sqlengine.plan.rules.once import once_a_node
from storage.replacing import replace

_FLIPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq"}


@once_a_node
def push_to_log(node: Node) -> Node:
    """The plan with the tests of filters right above scans handed to these."""
    node = over_inputs(node, push_to_log)
    if isinstance(node, nodes.Filter) and isinstance(node.input, nodes.Scan):
        scan = node.input
        if scan.slacks_us or not scan.append_only:
            return node  # the rows of tables and views are not read from a log
        if not cannot_fail(node.predicate):
            return node  # a row on which it raises must be reported, whatever the rest says
        tests = [t for part in conjuncts(node.predicate) if (t := _test(part, scan)) is not None]
        if tests:
            return rebuild(node, (replace(scan, pushed=tuple(tests)),))
    return node


def _test(part: Expr, scan: nodes.Scan) -> BatchTest | None:
    """A conjunct as a test of one stored column; None for anything else."""
    match part:
        case Call(function="is_null" | "is_not_null" as op, args=(InputRef(index=at),)):
            return BatchTest(scan.columns[at], op, ())
        case InList(arg=arg, values=values, negated=False):
            found = [_physical(arg, v) for v in values if v.value is not None]
            column = plain_column(arg)
            if column is None or any(f is None for f in found):
                return None
            return BatchTest(scan.columns[column.index], "eq", tuple(f for f in found if f is not None))
        case Call(function=op, args=(a, b)) if op in _FLIPPED:
            if isinstance(a, Const):
                op, a, b = _FLIPPED[op], b, a
            column = plain_column(a)
            value = _physical(a, b) if isinstance(b, Const) else None
            return None if column is None or value is None else BatchTest(scan.columns[column.index], op, (value,))
    return None


def _physical(compared: Expr, const: Const) -> int | float | None:
    """A constant as statistics store the values of its type; None when they have no such thing."""
    kind, value = const.type, const.value
    column = plain_column(compared)
    if value is None or column is None or compared.type != kind:
        return None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return value if value == value else None  # NaN bounds nothing
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        return int(pa.scalar(value, kind).value)
    return None
