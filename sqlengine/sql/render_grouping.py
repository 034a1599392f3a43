"""Grouping window functions (`GROUP BY tumble(ts, ...)`, TUMBLE_START, Spark's `window`) in DuckDB text, in
place.

Works on one SELECT block of a sqlglot tree.  Tumbling windows are expressions of the row; hopping and
cumulating ones come from a lateral list of starts; sessions are numbered in a sub-query below, over the rows
WHERE lets through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlglot import exp

from sqlengine.errors import NotSupportedError, UndefinedColumn, UndefinedFunction
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from sqlengine.sql.from_sqlglot import Lowering
from sqlengine.sql.lower_values import position_of
from sqlengine.sql.nodes import find_all
from sqlengine.sql.render_functions import raw, text, time_of
from sqlengine.sql.render_windows import bounds, literal, session_rows, steps
from sqlengine.sql.token_edit import ROWTIME
from sqlengine.sql.windows import AUXILIARY, GROUPING, grouping_window


@dataclass(frozen=True)
class _Use:
    """One call of a grouping window function: the node, its time argument and its window."""

    node: Any
    time: exp.Expr
    spec: ast.WindowSpec


def rewrite_grouping(select: exp.Select, now: str, own_time: Callable[[exp.Expr], str | None]) -> None:
    """Replace the block's grouping window functions; all must be of the same window.

    `own_time` gives the time column of a relation of FROM, for calls that do not name theirs.
    """
    _spell_out_groups(select)
    source = select.args.get("from_")
    uses = [use for use in (_use(call, source, own_time) for call in _calls(select)) if use is not None]
    if not uses:
        return
    first = uses[0]
    if not any(_is_grouping(use.node) for use in uses):
        raise UndefinedFunction(
            f"function {first.node.name.lower()}() stands in GROUP BY only",
            hint="group by it, or use tumble_start(time, size)",
            position=position_of(first.node),
        )
    if any(use.spec != first.spec or not _same_time(use.time, first.time) for use in uses):
        raise NotSupportedError(
            "a query groups by one window",
            hint="use sub-queries for several windows",
            position=position_of(uses[-1].node),
        )
    start, end = _window_text(select, first, uses)
    for column in [node for node in _own_nodes(select) if _names_window(node)]:
        _spell_column(column, start, end)
    for use in uses:
        use.node.replace(_value(use.node, start, end, now))
    if not _is_session(first):
        _restrict(select, raw(f"{text(first.time)} IS NOT NULL"))


def _restrict(select: exp.Select, condition: exp.Expr) -> None:
    """A further condition in WHERE; `select.where` of the compiled sqlglot takes no raw text."""
    where = select.args.get("where")
    if where is None:
        select.set("where", exp.Where(this=condition))
        return
    first = where.this
    first = exp.Paren(this=first) if isinstance(first, exp.Connector) else first
    where.set("this", exp.And(this=first, expression=condition))


def no_own_time(position: int | None, joined: str | None = None) -> UndefinedColumn:
    """The error of a window without a time column, or WITHIN, over an input (`joined`) that has none."""
    return UndefinedColumn(
        "this window needs a time column, and its input has none"
        if joined is None
        else f'WITHIN needs a time column, and "{joined}" has none',
        hint="declare WATERMARK FOR on the stream, or name the column in the window function",
        position=position,
    )


def _spell_out_groups(select: exp.Select) -> None:
    """Positions and output names in GROUP BY that mean a window become the window; so do Spark's `window.start`."""
    group = select.args.get("group")
    if group is None:
        return
    items = [item.unalias() for item in select.expressions]
    named = {item.alias: item.unalias() for item in select.expressions if isinstance(item, exp.Alias)}
    windowed = any(_holds_window(item) for item in items)
    for key in list(group.expressions):
        if isinstance(key, exp.Literal) and windowed and str(key.this).isdigit():
            if 0 < int(key.this) <= len(items):
                key.replace(items[int(key.this) - 1].copy())
        elif isinstance(key, exp.Column) and not key.table and _is_window_call(named.get(key.name)):
            key.replace(named[key.name].copy())
    calls = {str(key.name).lower(): key for key in group.expressions if _is_window_call(key)}
    for column in find_all(select, exp.Column):
        if column.table in ("window", "session_window") and column.table in calls:
            column.replace(exp.Dot(this=exp.Paren(this=calls[column.table].copy()), expression=column.this))


def _is_window_call(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() in GROUPING


def _holds_window(node: exp.Expr) -> bool:
    return any(call.name.lower() in (GROUPING.keys() | AUXILIARY.keys()) for call in find_all(node, exp.Anonymous))


def _calls(select: exp.Select) -> Iterator[exp.Expr]:
    """The block's own calls of window functions."""
    return (node for node in _own_nodes(select) if _is_window_function(node))


def _own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """The nodes of the block's own expressions, not those of sub-queries, of FROM or inside of window functions."""
    keys = ("expressions", "group", "having", "qualify", "order", "distinct")
    stack = [part for key in keys for part in _parts(select.args.get(key))]
    while stack:
        node = stack.pop()
        if isinstance(node, (exp.Select, exp.SetOperation)):
            continue
        yield node
        if not _is_window_function(node):
            stack += node.iter_expressions()


def _is_window_function(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() in (GROUPING.keys() | AUXILIARY.keys())


_COLUMNS = {"window_start": "start", "window_end": "end", "window_time": "rowtime"}


def _names_window(node: exp.Expr) -> bool:
    """Whether a node is one of the columns that a window in GROUP BY adds."""
    return isinstance(node, exp.Column) and not node.table and node.name in _COLUMNS


def _spell_column(column: exp.Expr, start: str, end: str) -> None:
    """The column as what it is of the window, under its name where it is an output column."""
    made = raw(_part(_COLUMNS[column.name], start, end))
    output = isinstance(column.parent, exp.Select) and column.arg_key == "expressions"
    name = exp.Identifier(this=column.name, quoted=True)
    column.replace(exp.Alias(this=made, alias=name) if output else made)


def _part(kind: str, start: str, end: str) -> str:
    return {"start": start, "end": end, "rowtime": f"{end} - INTERVAL '1 microseconds'"}[kind]


def _parts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value] if isinstance(value, exp.Expr) else []


def _use(node: Any, source: exp.Expr | None, own_time: Callable[[exp.Expr], str | None]) -> _Use | None:
    call = Lowering().expr(node)
    found = grouping_window(call) if isinstance(call, ast.Call) else None
    if found is None or not isinstance(call, ast.Call):
        return None
    if found[0] != ast.Column((ROWTIME,)):
        return _Use(node, node.expressions[0], found[1])
    default = own_time(source.this) if source is not None else None
    if default is None:
        raise no_own_time(position_of(node))
    time = exp.Column(this=exp.Identifier(this=default, quoted=True))
    if source is not None and source.this.alias:
        time.set("table", exp.Identifier(this=source.this.alias, quoted=True))
    return _Use(node, time, found[1])


def _same_time(left: exp.Expr, right: exp.Expr) -> bool:
    """Whether two time arguments are the same; `ts` may stand for `t.ts`."""
    if isinstance(left, exp.Column) and isinstance(right, exp.Column) and not (left.table and right.table):
        return left.name == right.name
    return text(left) == text(right)


def _is_session(use: _Use) -> bool:
    return use.spec.kind == "session"


def _window_text(select: exp.Select, use: _Use, uses: list[_Use]) -> tuple[str, str]:
    """(start, end) as expressions of the block; adds to its FROM what they need."""
    if _is_session(use):
        return _session(select, use, uses)
    time = text(use.time)
    if use.spec.kind == "tumble":
        made = bounds(use.spec, time, "0")
        return made.start, made.end
    made = bounds(use.spec, time, '"$i"')
    numbers = f"range({steps(use.spec)})"
    if made.condition:
        numbers = f'list_filter({numbers}, lambda "$i": {made.condition})'
    windows = f'list_transform({numbers}, lambda "$i": struct_pack(s := {made.start}, e := {made.end}))'
    select.append(
        "joins", exp.Join(this=raw(f'LATERAL (SELECT unnest({windows}) AS "$w") AS "$windows"'), kind="CROSS")
    )
    return '"$windows"."$w".s', '"$windows"."$w".e'


def _session(select: exp.Select, use: _Use, uses: list[_Use]) -> tuple[str, str]:
    """Sessions of the other grouping columns: FROM and WHERE move into a sub-query that numbers them."""
    source = select.args.get("from_")
    if source is None or select.args.get("joins"):
        raise NotSupportedError(
            "SESSION in GROUP BY over a join", hint="join in a sub-query", position=position_of(use.node)
        )
    group = select.args.get("group")
    nodes = [node.node for node in uses]
    keys = (
        [text(item) for item in group.expressions if not any(item is node for node in nodes)]
        if group is not None
        else []
    )
    where = select.args.get("where")
    below = f"SELECT * FROM {text(source.this)}" + (f" {text(where).strip()}" if where is not None else "")
    alias, time = _alias(source.this), text(use.time)
    select.set("where", None)
    source.set("this", raw(f"({session_rows(below, time, use.spec, keys, alias)}) AS {alias}"))
    return f"min({time})", f"max({time}) + {literal(use.spec.size)}"


def _alias(relation: exp.Expr) -> str:
    alias = relation.args.get("alias")
    if alias is None or alias.this is None:
        return '"$rows"'
    return text(alias.this)


def _is_grouping(node: Any) -> bool:
    return isinstance(node.find_ancestor(exp.Group, exp.Select), exp.Group)


def _value(node: Any, start: str, end: str, now: str) -> exp.Expr:
    """What a call stands for: the start where it groups, else a struct of start and end, or what its name says."""
    name = node.name.lower()
    kind = AUXILIARY.get(name, ("", "start"))[1]
    grouping = _is_grouping(node)
    if name in GROUPING and not grouping:
        return raw(f'struct_pack("start" := {start}, "end" := {end})')
    if kind == "proctime":
        return time_of("TIMESTAMPTZ", now)
    if grouping and start.startswith("min("):
        return raw('"$session"')
    if grouping and start.startswith('"$windows"'):
        return raw('"$windows"."$w"')
    return raw(_part(kind, start, end))
