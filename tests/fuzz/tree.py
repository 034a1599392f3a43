"""Queries as trees of text that know how they can become smaller.

A node is text with holes; the holes are nodes, parts that may be left out, and lists whose elements may be left out.
What a node stands for (a query, an expression of a type, a FROM item) says what may take its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Col:
    """A column: `exact` when its values are the same however they were computed (no rounding, no arrays)."""

    name: str
    type: str
    exact: bool = True


@dataclass(frozen=True)
class Opt:
    """A part that may be left out."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Many:
    """A list of which elements may be left out while `least` remain."""

    items: tuple[Part, ...]
    separator: str = ", "
    least: int = 1


@dataclass(frozen=True)
class Alt:
    """What a view says its own way, and the same in words that DuckDB knows (over the history, see history.py)."""

    view: str
    oracle: str


@dataclass(frozen=True)
class Emit:
    """EMIT EVERY so many seconds; or, with `streams`, ON WINDOW CLOSE: a row is out when the least watermark of these
    streams, `behind_s` back, has reached the row's column number `end`."""

    every_s: int = 0
    streams: tuple[str, ...] = ()
    end: int = 0
    behind_s: int = 0

    @property
    def sql(self) -> str:
        """The clause."""
        return " EMIT ON WINDOW CLOSE" if self.streams else f" EMIT EVERY INTERVAL '{self.every_s} seconds'"


@dataclass(frozen=True)
class Node:
    """`kind`: query | expr | from | part; `type` of an expr; `columns` of a query, `emit` of a whole one."""

    kind: str
    parts: tuple[Part, ...]
    type: str = ""
    columns: tuple[Col, ...] = ()
    emit: Emit | None = None

    @property
    def sql(self) -> str:
        """The text of a view's query."""
        return _text(self, False)

    @property
    def oracle(self) -> str:
        """The text of what it must answer."""
        return _text(self, True)

    @property
    def statement(self) -> str:
        """What stands behind CREATE MATERIALIZED VIEW ... AS."""
        return self.sql + (self.emit.sql if self.emit is not None else "")


Part = str | Node | Opt | Many | Alt


def expr(type: str, *parts: Part) -> Node:  # noqa: A002 - SQL's word
    """An expression."""
    return Node("expr", parts, type)


def part(*parts: Part) -> Node:
    """Anything without a meaning of its own."""
    return Node("part", parts)


def opt(*parts: Part) -> Opt:
    """A clause that may be left out."""
    return Opt(parts)


def _text(at: Part, oracle: bool) -> str:
    match at:
        case str():
            return at
        case Alt():
            return at.oracle if oracle else at.view
        case Many():
            return at.separator.join(_text(i, oracle) for i in at.items)
        case _:
            return "".join(_text(p, oracle) for p in at.parts)


def _holes(at: Part) -> Sequence[Part]:
    match at:
        case str() | Alt():
            return ()
        case Many():
            return at.items
        case _:
            return at.parts


def _with(at: Part, index: int, new: Part) -> Part:
    holes = tuple(new if i == index else h for i, h in enumerate(_holes(at)))
    assert not isinstance(at, (str, Alt))
    return replace(at, items=holes) if isinstance(at, Many) else replace(at, parts=holes)


def descendants(at: Part) -> Iterator[Node]:
    """All nodes below, the outer before the inner."""
    level = list(_holes(at))
    while level:
        yield from (h for h in level if isinstance(h, Node))
        level = [below for h in level for below in _holes(h)]


LITERALS = {
    "bigint": ("0", "1"),
    "int": ("1",),
    "double precision": ("1.0::double precision",),
    "numeric(10,2)": ("1.00::numeric(10,2)",),
    "text": ("'a'",),
    "boolean": ("true", "false"),
    "date": ("DATE '2024-01-01'",),
    "timestamp": ("TIMESTAMP '2024-01-01 00:00:00'",),
}


def smaller(root: Node, tables: Sequence[Node]) -> Iterator[Node]:
    """Trees with one thing less, the boldest first; `tables`: plain selects from each table, to stand for queries."""
    yield from (n for n in descendants(root) if n.kind == "query")
    yield from (t for t in tables if len(t.sql) < len(root.sql))
    yield from (n for n in _reduced(root, tables) if isinstance(n, Node))


def _reduced(at: Part, tables: Sequence[Node]) -> Iterator[Part]:
    """Versions of `at` with one change at it or below it."""
    if isinstance(at, Node):
        yield from _replacements(at, tables)
    if isinstance(at, Opt) and at.parts:
        yield Opt(())
    if isinstance(at, Many) and len(at.items) > at.least:
        for i in range(len(at.items)):
            yield replace(at, items=at.items[:i] + at.items[i + 1 :])
    for i, hole in enumerate(_holes(at)):
        for new in _reduced(hole, tables):
            yield _with(at, i, new)


def _replacements(node: Node, tables: Sequence[Node]) -> Iterator[Node]:
    size = len(node.sql)
    if node.kind == "query":
        wanted = [(c.name, c.type) for c in node.columns]
        for below in descendants(node):
            if below.kind == "query" and [(c.name, c.type) for c in below.columns] == wanted:
                yield below
        for table in tables:
            stand_in = _stand_in(node, table)
            if len(stand_in.sql) < size:
                yield stand_in
    elif node.kind == "from":
        yield from (n for n in descendants(node) if n.kind == "from")
    elif node.kind == "expr":
        yield from (n for n in descendants(node) if n.kind == "expr" and n.type == node.type)
        shorts = [*LITERALS.get(node.type, ()), f"NULL::{node.type}"]
        if node.sql not in shorts:
            yield from (expr(node.type, s) for s in shorts if len(s) < size)


def _stand_in(query: Node, table: Node) -> Node:
    """A select from a table with the query's columns, taken by type, NULL where there is none."""
    items = []
    free = list(table.columns)
    for column in query.columns:
        at = next((c for c in free if c.type == column.type), None)
        if at is not None:
            free.remove(at)
        value = expr(column.type, at.name if at is not None else f"NULL::{column.type}")
        items.append(part(value, f" AS {column.name}"))
    source = table.parts[-1]
    return Node("query", ("SELECT ", Many(tuple(items)), " FROM ", source), columns=query.columns)
