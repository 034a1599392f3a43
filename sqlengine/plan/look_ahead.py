"""Window functions that look a fixed number of rows ahead, over rows that come in the order of their time.

A row's answer is known when the last row it needs has come, so it is told there: the row's own columns, and all it
asks, are read back from that row.  `lead(x, 1)` is x of the row at which it is told, whose `lag(c, 1)` are the columns
of the row it belongs to.  The last rows of a partition wait until more come.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine.expr.tree import Call, Const, Expr
from sqlengine.plan import build, nodes
from sqlengine.plan.nodes import Frame, FrameBound, Node, WindowCall
from sqlengine.plan.properties import derive
from storage.replacing import replace


def distance(over: nodes.Over) -> int | None:
    """How many rows the functions look ahead at most; None where one of them cannot be read from a later row."""
    ahead = [_ahead(call) for call in over.calls]
    return None if None in ahead else max(a for a in ahead if a is not None)


def told_later(over: nodes.Over, below: Node) -> Node:
    """The rows and answers of `over`, of whose calls `distance` knows how far they look, over `below`, its rows in
    the order of time."""
    by = distance(over)
    assert by is not None
    there = FrameBound("preceding", by)
    text = f"ROWS BETWEEN {_text(there)} AND {_text(there)}"
    own = WindowCall("count", (), (), None, pa.int64(), Frame("rows", there, there), (), "count(*)", text, True)
    columns = [_lag(i, field.type, by) for i, field in enumerate(below.schema)]
    calls = (*columns, *(_shifted(call, by) for call in over.calls), own)
    names = [f"$w{i}" for i in range(len(calls))]
    schema = pa.schema([*below.schema, *(pa.field(n, c.type) for n, c in zip(names, calls, strict=True))])
    later = derive(replace(over, schema=schema, input=below, calls=calls))
    present: Expr = build.ref(later, len(schema) - 1)
    complete = build.filtered(later, Call(pa.bool_(), "gt", (present, Const(pa.int64(), 0))))
    first = len(below.schema)
    shown: list[Expr] = [build.ref(complete, first + i) for i in range(len(columns) + len(over.calls))]
    for i, call in enumerate(over.calls):
        if call.function == "row_number":
            at = len(columns) + i
            shown[at] = Call(pa.int64(), "subtract", (shown[at], Const(pa.int64(), by)))
    return build.projected(complete, shown, over.schema.names)


_UNBOUNDED, _CURRENT = FrameBound("unbounded preceding"), FrameBound("current row")


def _ahead(call: WindowCall) -> int | None:
    if call.frame is None or len(call.args) > 1 and call.function in ("lag", "lead"):
        return None
    if call.function in ("lag", "lead"):
        by = call.constants[0]
        return None if not isinstance(by, int) else max(0, by if call.function == "lead" else -by)
    if call.function == "row_number":
        return 0
    if call.function in _PLACED or call.frame.mode != "rows":
        return None
    end = call.frame.end
    if end.kind == "unbounded following" or not all(isinstance(b.offset, int) for b in (call.frame.start, end)):
        return None
    return int(end.offset) if end.kind == "following" else 0


_PLACED = frozenset(("rank", "dense_rank", "percent_rank", "cume_dist", "ntile"))
"""Functions of a row's place that rows behind it, or equal to it, change."""


def _shifted(call: WindowCall, by: int) -> WindowCall:
    """The call as the row `by` places further on makes it."""
    if call.function == "row_number":
        return call
    if call.function in ("lag", "lead"):
        own = call.constants[0]
        assert isinstance(own, int)
        return _lag(call.args[0], call.type, by + (own if call.function == "lag" else -own))
    assert call.frame is not None
    frame = Frame("rows", _earlier(call.frame.start, by), _earlier(call.frame.end, by))
    return replace(call, frame=frame, frame_sql=f"ROWS BETWEEN {_text(frame.start)} AND {_text(frame.end)}")


def _lag(column: int, dtype: pa.DataType, by: int) -> WindowCall:
    frame = Frame("rows", _UNBOUNDED, _CURRENT)
    return WindowCall("lag", (column,), (by,), None, dtype, frame, (column,), f"lag(a0, {by})", "", True)


def _earlier(bound: FrameBound, by: int) -> FrameBound:
    if bound.kind == "unbounded preceding":
        return bound
    place = {"preceding": -1, "following": 1}.get(bound.kind, 0) * int(bound.offset) - by
    if place == 0:
        return _CURRENT
    return FrameBound("preceding" if place < 0 else "following", abs(place))


def _text(bound: FrameBound) -> str:
    fixed = bound.kind in ("unbounded preceding", "current row")
    return bound.kind.upper() if fixed else f"{bound.offset} {bound.kind.upper()}"
