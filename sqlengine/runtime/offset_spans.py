"""Which records of a topic a query may want, by its conditions on their offsets, partitions and times.

A stream may have what the log knows of a record among its columns (`__offset`, `__partition` and `__timestamp` of
Hive's tables over topics).  Conditions on these say where to begin and to end reading; the plan keeps them, so that a
span may be wider than they are, never narrower.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlengine.catalog.objects import Stream
from sqlengine.expr.simplify import conjuncts
from sqlengine.expr.tree import Call, Cast, Const, Expr, InList, InputRef
from sqlengine.plan.nodes import Node
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.file_tables import needs_of
from sqlengine.runtime.reader import TopicReader

_FLIPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq"}
_KNOWN = ("offset", "partition", "timestamp_ms")
Range = tuple[int | None, int | None]
"""The least and the greatest value that may be wanted; None: any."""
_ALL: Range = (None, None)


@dataclass(frozen=True)
class Span:
    """Of records that one scan wants: offsets, partitions and milliseconds since 1970, the ends included."""

    offsets: Range = _ALL
    partitions: Range = _ALL
    times_ms: Range = _ALL


def spans_of(plans: Iterable[Node], obj: Stream) -> tuple[Span, ...]:
    """A span for each scan of the stream; () where all records may be wanted."""
    known = {c.stored_name: c.metadata for c in obj.columns if c.metadata in _KNOWN}
    if not known:
        return ()
    spans = []
    for plan in plans:
        for columns, condition in needs_of(plan, obj.name).scans:
            spans.append(_span([known.get(name) for name in columns], condition))
    return () if Span() in spans else tuple(spans)


def _span(kinds: Sequence[str | None], condition: Expr | None) -> Span:
    found: dict[str | None, Range] = {}
    for part in conjuncts(condition) if condition is not None else []:
        for at, wanted in _ranges(part):
            kind = kinds[at]
            found[kind] = _narrower(found.get(kind, _ALL), wanted)
    return Span(*(found.get(kind, _ALL) for kind in _KNOWN))


def _ranges(part: Expr) -> Iterable[tuple[int, Range]]:
    """(column, the values it may have) of a condition; nothing for conditions of other forms."""
    if isinstance(part, InList) and not part.negated:
        at, values = _column(part.arg), [item.value for item in part.values if item.value is not None]
        if at is not None and values and all(_is_whole(value) for value in values):
            yield at, (min(values), max(values))
    if not isinstance(part, Call) or part.function not in _FLIPPED or len(part.args) != 2:
        return
    left, right = part.args
    function, at, value = part.function, _column(left), right
    if at is None:
        function, at, value = _FLIPPED[part.function], _column(right), left
    if at is None or not isinstance(value, Const) or not _is_whole(value.value):
        return
    number = int(value.value)
    yield (
        at,
        {
            "eq": (number, number),
            "lt": (None, number - 1),
            "le": (None, number),
            "gt": (number + 1, None),
            "ge": (number, None),
        }[function],
    )


def _column(expr: Expr) -> int | None:
    while isinstance(expr, Cast):  # widened to what it is compared with
        expr = expr.arg
    return expr.index if isinstance(expr, InputRef) else None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _narrower(a: Range, b: Range) -> Range:
    lows, highs = ([x for x in pair if x is not None] for pair in zip(a, b, strict=True))
    return max(lows, default=None), min(highs, default=None)


# ---------------------------------------------------------------- reading


def confine(reader: TopicReader, ends: Sequence[int], spans: Sequence[Span]) -> list[int]:
    """Move the reader to the first record of each partition that some span wants; the offsets behind the last ones."""
    positions, until = [], []
    for partition, end in enumerate(ends):
        bounds = [_bounds(reader, partition, end, span) for span in spans]
        wanted = [(low, high) for low, high in bounds if low < high]
        positions.append(min((low for low, _ in wanted), default=end))
        until.append(max((high for _, high in wanted), default=end))
    reader.positions = positions
    return until


def _bounds(reader: TopicReader, partition: int, end: int, span: Span) -> tuple[int, int]:
    """Where to begin and where to end in a partition."""
    least, most = span.partitions
    if (least is not None and partition < least) or (most is not None and partition > most):
        return end, end
    low, high = span.offsets
    low = max(0, low or 0)
    high = end if high is None else min(end, high + 1)
    if span.times_ms[0] is not None and reader.reads_records:
        first = reader.topic.partitions[partition].offset_for_timestamp(span.times_ms[0] * 1000)
        low = end if first is None else max(low, first)
    return low, high
