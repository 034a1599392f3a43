"""Dead-state analysis: how large the state of each operator of a plan may become, and what bounds it.

`state_of` answers for one node, from what its inputs amount to (`contents_of`): rows of a stream come for ever, rows of
a table or a view are as many as somebody keeps anyway.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlengine.expr.tree import InputRef
from sqlengine.plan import nodes
from sqlengine.plan.match_node import BEGIN, MatchRecognize
from sqlengine.plan.nodes import AggregateCall, Node
from sqlengine.plan.sketches import sketch_of
from sqlengine.plan.time_bounds import time_distances
from sqlengine.quick_dataclass import dataclass
from storage.replacing import replace

ENDLESS = 1 << 62
"""A LIMIT from here on is none."""

_KEEP_VALUES = {"array_agg", "string_agg", "listagg", "median", "mode", "percentile_cont", "percentile_disc"}
_KEEP_VALUES |= {"quantile_cont", "quantile_disc"}
_KEEP_DISTINCT = {"approx_count_distinct", "approx_top_k"}
"""Of approximate aggregates that keep values, those of which each different one is kept once."""
_NEED_VALUES_TO_RETRACT = {"min", "max", "first", "last", "first_value", "last_value", "any_value"}
_NEED_VALUES_TO_RETRACT |= {"arg_min", "arg_max", "min_by", "max_by"}


@dataclass(frozen=True)
class Size:
    """What something grows with: `rows`: streams of which every row adds to it; `keys`: what it has an entry for each
    distinct value of; and what bounds the rest of it."""

    rows: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    bounds: frozenset[str] = frozenset()

    def __or__(self, other: Size) -> Size:
        return Size(self.rows | other.rows, self.keys | other.keys, self.bounds | other.bounds)

    @property
    def grows(self) -> bool:
        """Whether it grows for ever."""
        return bool(self.rows or self.keys)

    def text(self) -> str:
        """For people: the worst that is true."""
        if self.rows:
            return f"grows with every row of {_listed(self.rows)}"
        if self.keys:
            return f"grows with {_listed(self.keys)}"
        objects = {b.removeprefix(ROWS_OF) for b in self.bounds if b.startswith(ROWS_OF)}
        others = {b for b in self.bounds if not b.startswith(ROWS_OF)}
        return f"bounded by {_listed([*others, *([ROWS_OF + _listed(objects)] if objects else [])])}"


ROWS_OF = "the rows of "


def _listed(parts: Collection[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = sorted(parts)
    return f"{', '.join(first)} and {last}" if first else last


def _bounded(by: str) -> Size:
    return Size(bounds=frozenset({by}))


def _name(node: Node, column: int) -> str:
    """What a user calls a column: a name the planner made up gives way to the one it stands for."""
    name = node.schema.names[column]
    if name.startswith("$") and isinstance(node, nodes.Project) and isinstance(expr := node.exprs[column], InputRef):
        return _name(node.input, expr.index)
    if name.startswith("$") and isinstance(node, (nodes.Filter, nodes.ReleaseInOrder)):
        return _name(node.input, column)
    return name


def _watermark(node: Node, column: int) -> Size:
    return _bounded(f"the watermark of {_name(node, column)}")


@dataclass(frozen=True)
class StateAnalysis:
    """`streams`: names of the scanned objects whose rows come for ever."""

    streams: Collection[str]

    def annotate(self, node: Node) -> str:
        """`state: ...` for EXPLAIN; empty for an operator that keeps nothing."""
        size = self.state_of(node)
        return "" if size is None else f"state: {size.text()}"

    def state_of(self, node: Node) -> Size | None:
        """What an operator's own state may amount to; None when it has none."""
        match node:
            case nodes.LookupJoin(right=right):
                return self.contents_of(right)
            case nodes.Join(left=left, right=right, left_bound=left_bound, right_bound=right_bound):
                return self._side(left, left_bound) | self._side(right, right_bound)
            case nodes.AsofJoin(left=left, right=right, right_time=time, settle=settle):
                return _watermark(right, time) if settle else self.contents_of(left) | self.contents_of(right)
            case nodes.GroupAggregate():
                return self._of_groups(node)
            case nodes.WindowAggregate() | nodes.SessionAggregate():
                return self._of_windows(node)
            case nodes.TopN() | nodes.Over():
                return self._of_ranking(node)
            case MatchRecognize():
                return self._of_matches(node)
            case nodes.TemporalFilter():
                return _bounded("the condition on now()")
            case nodes.ReleaseInOrder(time_column=time):
                return _watermark(node, time)
            case nodes.EmitEvery():
                return _bounded("the changes of an interval")
            case (
                nodes.Recompute(branches=branches)
                | nodes.Iterate(branches=branches)
                | nodes.WorkingTables(branches=branches)
                | nodes.Rounds(branches=branches)
            ):
                return self._all(branches)
        return None

    def contents_of(self, node: Node) -> Size:
        """What the rows a node has put out, less those it took back, may amount to."""
        match node:
            case nodes.Scan(source=source):
                endless = source in self.streams
                return Size(rows=frozenset({source})) if endless else _bounded(ROWS_OF + source)
            case nodes.TemporalFilter(input=below, bounds=bounds):
                leaves = any(b.op in ("gt", "ge") for b in bounds)
                return _bounded("the condition on now()") if leaves else self.contents_of(below)
            case nodes.Versions(input=below) | nodes.Changelog(input=below):
                return self._changes(below)
            case nodes.GroupAggregate(keys=()):
                return _bounded("a single row")
            case nodes.GroupAggregate(input=below, keys=keys):
                return self._distinct(below, keys)
            case nodes.WindowAggregate(input=below, keys=keys) | nodes.SessionAggregate(input=below, keys=keys):
                return self._distinct(
                    below, keys, "sessions" if isinstance(node, nodes.SessionAggregate) else "windows"
                )
            case nodes.TopN(input=below, partition=partition, limit=limit) if limit < ENDLESS:
                return self._distinct(below, partition) if partition else _bounded(f"{limit} rows")
            case nodes.Join(kind="semi" | "anti", left=left) | nodes.LookupJoin(left=left) | nodes.AsofJoin(left=left):
                return self.contents_of(left)
        return self._all(node.inputs) if node.inputs else _bounded("constants")

    def _all(self, inputs: Collection[Node]) -> Size:
        size = Size()
        for below in inputs:
            size |= self.contents_of(below)
        return size

    def _changes(self, node: Node) -> Size:
        """A history keeps every change of what it is of."""
        size = self.contents_of(node)
        changed = {f"the changes of {b.removeprefix(ROWS_OF)}" for b in size.bounds}
        return replace(size, rows=size.rows | changed, bounds=frozenset())

    def _distinct(self, below: Node, keys: Collection[int], windows: str = "") -> Size:
        """One entry for each distinct value of columns, and for each window."""
        size = self.contents_of(below)
        if not size.grows:
            return size
        named = f"the distinct ({', '.join(_name(below, k) for k in keys)})" if keys else ""
        parts = [f"the {windows}" if windows else "", named]
        return Size(keys=frozenset({" and ".join(p for p in parts if p)}), bounds=size.bounds)

    def _side(self, side: Node, bound: tuple[int, int] | None) -> Size:
        return _watermark(side, bound[0]) if bound is not None else self.contents_of(side)

    def _of_groups(self, node: nodes.GroupAggregate) -> Size:
        if node.forget is not None:
            return _watermark(node.input, node.forget.column)
        return self.contents_of(node) | self._values(node.input, node.keys, node.aggregates)

    def _of_windows(self, node: nodes.WindowAggregate | nodes.SessionAggregate) -> Size:
        if node.emit == "close" or node.retention_us is not None:
            return _watermark(node.input, node.time_column)
        return self.contents_of(node) | self._values(node.input, node.keys, node.aggregates)

    def _of_ranking(self, node: nodes.TopN | nodes.Over) -> Size:
        kept = node.keeps if isinstance(node, nodes.Over) else None
        if node.forget is not None and (kept is None or not kept.carried or node.forget.column in node.partition):
            return _watermark(node.input, node.forget.column)
        if kept is not None:
            return self._distinct(node.input, node.partition) if node.partition else _bounded("a few rows")
        if isinstance(node, nodes.TopN) and node.input.append_only:
            return self.contents_of(node)
        return self.contents_of(node.input)

    def _of_matches(self, node: MatchRecognize) -> Size:
        """Rows that a match may still reach; and of each partition those that later matches look back at."""
        if node.forget is not None:
            return _watermark(node.input, node.forget.column)
        if not node.closing:
            return self.contents_of(node.input)
        if node.within_us is None and not node.is_bounded:
            return self.contents_of(node.input)
        if node.within_us is None or node.behind or node.counts or BEGIN in node.program.ops:
            return self._distinct(node.input, node.partition) if node.partition else _bounded("a few rows")
        return _watermark(node.input, node.order[0][0])

    def _values(self, below: Node, keys: tuple[int, ...], calls: tuple[AggregateCall, ...]) -> Size:
        """What aggregates keep beside one value a group."""
        size = Size()
        for call in calls:
            needs = not below.append_only and call.function in _NEED_VALUES_TO_RETRACT
            sketch = sketch_of(call, [below.schema.field(c).type for c in call.args], below.append_only)
            if sketch:
                continue
            if call.user is not None or call.function in _KEEP_VALUES:
                size |= self.contents_of(below)
            elif needs or call.distinct or sketch is not None:
                size |= self._distinct(below, dict.fromkeys([*keys, *call.args]))
        return size


def growing(root: Node, streams: Collection[str]) -> list[tuple[Node, Size]]:
    """The operators whose state grows with every row of a stream, the lowest first."""
    analysis = StateAnalysis(streams)
    found: dict[Node, Size] = {}

    def visit(node: Node) -> None:
        for below in node.inputs:
            visit(below)
        size = analysis.state_of(node)
        if size is not None and size.rows:
            found.setdefault(node, size)

    visit(root)
    return list(found.items())


def how_to_bound(node: Node, streams: Collection[str]) -> str:
    """What a query can say so that such an operator forgets."""
    newest = "WHERE ts > now() - INTERVAL '1 day' keeps the newest rows only"
    match node:
        case nodes.Join(left=left, right=right):
            analysis = StateAnalysis(streams)
            if time_distances(node):
                return "EMIT ON WINDOW CLOSE, or EMIT CHANGES ALLOWED LATENESS INTERVAL '1 hour', lets them go"
            if analysis.contents_of(left).rows and analysis.contents_of(right).rows:
                return (
                    "say how far apart the times of the two sides may be (b.ts BETWEEN a.ts AND a.ts + INTERVAL "
                    "'1 hour') and EMIT ON WINDOW CLOSE or EMIT CHANGES ALLOWED LATENESS INTERVAL '1 hour'; " + newest
                )
            return "FOR SYSTEM_TIME AS OF PROCTIME() keeps no row that waits for the table to change; " + newest
        case MatchRecognize(closing=True):
            return "WITHIN INTERVAL '1 hour' behind the pattern says how long a match may be open; " + newest
        case MatchRecognize():
            return (
                "EMIT ON WINDOW CLOSE, with WITHIN INTERVAL '1 hour' behind the pattern, keeps what a match may still"
                " reach; " + newest
            )
        case nodes.AsofJoin():
            return "EMIT ON WINDOW CLOSE lets go of what the watermark has passed; " + newest
    return "group by windows and EMIT ON WINDOW CLOSE; " + newest
