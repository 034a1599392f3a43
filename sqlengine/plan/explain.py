"""Plans as text: the format of EXPLAIN and of the golden tests; also JSON and Graphviz dot."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sqlengine.expr.text import to_text
from sqlengine.expr.tree import rename_args
from sqlengine.plan import nodes, sketches
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.match_text import match_text
from sqlengine.plan.nodes import AggregateCall, Node, Window

Annotate = Callable[[Node], str]


def explain(node: Node, annotate: Annotate | None = None, *, with_hints: bool = True) -> list[str]:
    """One line a node, inputs indented below; a sub-plan that occurs again is written once and referred to.

    `with_hints`: also what changes nothing of what nodes keep."""
    lines: list[str] = []
    numbers: dict[Node, int] = {}
    _lines(node, 0, lines, numbers, _repeated(node), annotate, with_hints)
    return lines


def _repeated(root: Node) -> set[Node]:
    seen: set[Node] = set()
    twice: set[Node] = set()

    def visit(node: Node) -> None:
        if node in seen:
            twice.add(node)
            return
        seen.add(node)
        for below in node.inputs:
            visit(below)

    visit(root)
    return twice


def _lines(
    node: Node,
    depth: int,
    lines: list[str],
    numbers: dict[Node, int],
    repeated: set[Node],
    annotate: Annotate | None,
    with_hints: bool,
) -> None:
    indent = "  " * depth
    if node in numbers:
        lines.append(f"{indent}-> shared #{numbers[node]}")
        return
    mark = ""
    if node in repeated and not isinstance(node, nodes.Scan):
        numbers[node] = len(numbers) + 1
        mark = f" #{numbers[node]}"
    note = annotate(node) if annotate is not None else ""
    extra = f"  ({note})" if note else ""
    hint = _hint(node) if with_hints else ""
    lines.append(f"{indent}{describe(node)}{hint}{mark}{extra}")
    for below in node.inputs:
        _lines(below, depth + 1, lines, numbers, repeated, annotate, with_hints)
    if isinstance(node, (nodes.Iterate, nodes.WorkingTables, nodes.Rounds)):
        lines.append(f"{indent}  step:")
        _lines(node.step, depth + 2, lines, {}, set(), None, with_hints)


def _hint(node: Node) -> str:
    if not isinstance(node, nodes.Join) or node.best is None:
        return ""
    values = ", ".join(f"{'greatest' if up else 'least'} {node.schema.names[at]}" for at, up in node.best.columns)
    return f" for the {values} of each {('left', 'right')[node.best.side]} row"


def describe(node: Node) -> str:
    """One node in one line."""
    head = type(node).__name__
    text = detail(node)
    flags = "" if node.append_only else " retracts"
    return f"{head} {text}{flags}".rstrip() if text else head + flags


def detail(node: Node) -> str:
    """What the node does, without its name."""
    match node:
        case nodes.Scan(source=source, columns=columns, pushed=pushed):
            names = dict(zip(columns, node.schema.names, strict=False))  # as the query knows them
            tests = " AND ".join(_test(test, names[test.column], node.schema) for test in pushed)
            return f"{source} [{', '.join(names.values())}]" + (f" pushed: {tests}" if tests else "")
        case nodes.Values(rows=rows):
            return f"{len(rows)} rows"
        case nodes.Filter(predicate=predicate):
            return to_text(predicate)
        case nodes.TemporalFilter(bounds=bounds):
            signs = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
            return " AND ".join(f"{to_text(b.row)} {signs[b.op]} {to_text(b.moment)}" for b in bounds)
        case nodes.Project(exprs=exprs):
            return ", ".join(
                text if (text := to_text(e)) == name else f"{text} AS {name}"
                for e, name in zip(exprs, node.schema.names, strict=True)
            )
        case nodes.AssignWindow(window=window, time_column=time):
            return f"{window_text(window)} on {node.input.schema.names[time]}"
        case nodes.Unnest(lists=lists, outer=outer):
            return ", ".join(map(to_text, lists)) + (" with ordinality" if node.ordinality else "") + outer * " outer"
        case nodes.DropLate(window=window, lateness_us=late):
            return (window_text(window) if window else "behind the watermark") + _micros("lateness", late)
        case nodes.GroupAggregate() | nodes.WindowAggregate() | nodes.SessionAggregate():
            return _aggregate(node) + _forgets(node)
        case nodes.Join() | nodes.AsofJoin():
            return _join(node)
        case nodes.Versions(keys=keys, time_column=time):
            names = node.input.schema.names
            return f"by [{', '.join(names[k] for k in keys)}] from {names[time]}"
        case nodes.TopN():
            return _top_n(node) + _forgets(node)
        case nodes.Over():
            return _over(node) + _forgets(node)
        case MatchRecognize():
            return match_text(node) + _forgets(node)
        case nodes.ReleaseInOrder(time_column=time):
            return f"by {node.schema.names[time]}"
        case nodes.HoldWatermark(hold_us=hold):
            return _micros("by", hold).strip()
        case nodes.EmitEvery(every_us=every):
            return f"{every / 1e6:g} s"
        case nodes.RecursiveRef(name=name):
            return name
        case nodes.Port(index=index):
            return str(index)
        case nodes.Recursion(all=every) | nodes.Iterate(all=every) | nodes.WorkingTables(all=every):
            return "union all" if every else "union"
        case nodes.Recompute(reason=reason):
            return f"because of {reason}"
    return ""


def _test(test: nodes.BatchTest, column: str, schema: pa.Schema) -> str:
    """What batches are left out by."""
    if not test.values:
        return f"{column} {test.op.replace('_', ' ').upper()}"
    kind = schema.field(column).type
    stamps = pa.types.is_temporal(kind)
    values = [str(pa.scalar(v, pa.int64()).cast(_storage(kind)).cast(kind)) if stamps else repr(v) for v in test.values]
    sign = {"eq": "=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}[test.op]
    return f"{column} {sign} {values[0]}" if len(values) == 1 else f"{column} IN ({', '.join(values)})"


def _storage(kind: pa.DataType) -> pa.DataType:
    """The integer type a temporal one is stored as."""
    return pa.int32() if pa.types.is_date32(kind) else pa.int64()


def window_text(window: Window) -> str:
    """`tumble 1 minute`-like text."""
    parts = [window.kind, _span(window.size)]
    if window.slide != window.size:
        parts.append("every " + _span(window.slide))
    if window.offset_us:
        parts.append(f"offset {window.offset_us / 1e6:g} s")
    return " ".join(parts)


def _span(span: tuple[int, int]) -> str:
    return f"{span[0]} months" if span[0] else f"{span[1] / 1e6:g} s"


def _micros(name: str, micros: int) -> str:
    return f" {name} {micros / 1e6:g} s" if micros else ""


def _forgets(node: Node) -> str:
    """Until when a node keeps what is of a time."""
    match node:
        case nodes.GroupAggregate(forget=nodes.Forget() as forget) | nodes.TopN(forget=nodes.Forget() as forget):
            return " until " + _passed(node.input.schema.names[forget.column], forget.slack_us)
        case nodes.Over(forget=nodes.Forget() as forget) | MatchRecognize(forget=nodes.Forget() as forget):
            return " until " + _passed(node.input.schema.names[forget.column], forget.slack_us)
        case nodes.WindowAggregate(retention_us=int(kept)) | nodes.SessionAggregate(retention_us=int(kept)):
            return " until " + _passed(nodes.WINDOW_COLUMNS[1], kept)
    return ""


def _passed(time: str, micros: int) -> str:
    return time + (f" {'+' if micros > 0 else '-'} {abs(micros) / 1e6:g} s" if micros else "")


def _aggregate(node: nodes.GroupAggregate | nodes.WindowAggregate | nodes.SessionAggregate) -> str:
    names = node.input.schema.names
    parts = [f"by [{', '.join(names[k] for k in node.keys)}]"]
    if not isinstance(node, nodes.GroupAggregate):
        parts.append(f"{window_text(node.window)} on {names[node.time_column]}")
    calls = (call_text(c, names) + sketches.note(node, c) for c in node.aggregates)
    parts.append("[" + ", ".join(calls) + "]")
    if not isinstance(node, nodes.GroupAggregate):
        parts.append(f"emit {node.emit}" + _micros("lateness", node.lateness_us))
    if isinstance(node, nodes.WindowWinners):
        parts.append(f"best {call_text(node.aggregates[node.best], names)}")
    return " ".join(parts)


def call_text(call: AggregateCall, names: list[str]) -> str:
    """An aggregate call as SQL-like text."""
    args = ", ".join([*(names[a] for a in call.args), *(repr(c) for c in call.constants)]) or "*"
    text = f"{call.function}({'distinct ' if call.distinct else ''}{args})"
    if call.order_by:
        text += " order by " + ", ".join(names[c] + (" desc" if d else "") for c, d, _ in call.order_by)
    if call.filter is not None:
        text += f" filter {names[call.filter]}"
    return text


def _join(node: nodes.Join | nodes.AsofJoin) -> str:
    left, right = node.left.schema.names, node.right.schema.names
    sign = "is" if isinstance(node, nodes.Join) and node.null_safe else "="
    keys = ", ".join(f"{left[a]} {sign} {right[b]}" for a, b in zip(node.left_keys, node.right_keys, strict=True))
    text = f"{node.kind} on [{keys}]"
    if isinstance(node, nodes.AsofJoin):
        sign = {"backward": ">", "forward": "<"}[node.direction] + ("" if node.strict else "=")
        return f"{text} {left[node.left_time]} {sign} {right[node.right_time]}" + (" settled" if node.settle else "")
    text += f" and {to_text(node.residual)}" if node.residual is not None else ""
    bounds = ((left, node.left_bound), (right, node.right_bound))
    kept = [_passed(names[b[0]], b[1]) for names, b in bounds if b is not None]
    return text + (f" until {', '.join(kept)}" if kept else "")


def _top_n(node: nodes.TopN) -> str:
    names = node.input.schema.names
    order = ", ".join(names[c] + (" desc" if d else "") for c, d, _ in node.order)
    text = f"{node.function} <= {node.limit}" if node.limit < 2**62 else "all"
    if node.offset:
        text += f" offset {node.offset}"
    return f"{text} by [{', '.join(names[p] for p in node.partition)}] order by {order}"


def _kept(kept: nodes.Kept) -> str:
    """`2 rows, 10 s and running totals`."""
    parts = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((kept.rows, "row"), (kept.groups, "group")) if n]
    parts += [] if kept.distance is None else [f"{kept.distance / 1e6:g} s"]
    parts += ["running totals"] if kept.carried else []
    *first, last = parts or ["0 rows"]
    return f"{', '.join(first)} and {last}" if first else last


def _over(node: nodes.Over) -> str:
    names = node.input.schema.names
    calls = ", ".join(rename_args(f"{c.sql} {c.frame_sql}".rstrip(), [names[i] for i in c.reads]) for c in node.calls)
    order = ", ".join(names[c] + (" desc" if d else "") for c, d, _ in node.order)
    keeps = "" if node.keeps is None else f" keeps {_kept(node.keeps)} of each"
    by = f"[{calls}] by [{', '.join(names[p] for p in node.partition)}]"
    return by + (f" order by {order}" if order else "") + keeps


def to_json(
    node: Node, annotate: Annotate | None = None, figures: Callable[[Node], dict[str, Any]] | None = None
) -> str:
    """The plan in PostgreSQL's form, an array of one object whose Plan has its inputs as Plans: type of node, detail,
    columns with their types, a note of those that have one, and what `figures` tells of each."""

    def encode(n: Node) -> dict[str, Any]:
        return {
            "Node Type": type(n).__name__,
            "Detail": detail(n),
            "Append Only": n.append_only,
            "Columns": {f.name: str(f.type) for f in n.schema},
            **({"Note": note} if annotate is not None and (note := annotate(n)) else {}),
            **({"Figures": figures(n)} if figures is not None else {}),
            **({"Plans": [encode(i) for i in n.inputs]} if n.inputs else {}),
        }

    return json.dumps([{"Plan": encode(node)}], indent=2)


def to_dot(node: Node, annotate: Annotate | None = None) -> str:
    """The plan for Graphviz."""
    ids: dict[Node, int] = {}
    lines = ["digraph plan {", "  rankdir = BT;", '  node [shape = box, fontname = "monospace"];']

    def visit(n: Node) -> int:
        if n not in ids:
            ids[n] = len(ids)
            label = describe(n) if annotate is None else f"{describe(n)}\n{annotate(n)}"
            lines.append(f"  n{ids[n]} [label = {json.dumps(label)}];")
            for below in n.inputs:
                lines.append(f"  n{visit(below)} -> n{ids[n]};")
        return ids[n]

    visit(node)
    return "\n".join([*lines, "}"])
