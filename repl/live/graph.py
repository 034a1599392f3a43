"""A query's pipeline: what it ends with on top, below it what that reads; what several read stands there once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from repl.live.lanes import draw
from repl.live.lines import Line
from repl.live.snapshot import Row, Snapshot
from repl.render.progress import count_text
from repl.render.size import bytes_text
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A query (`number` None), or the operator of one by its number."""

    query_id: str
    number: int | None = None

    @property
    def key(self) -> str:
        """Its name among all nodes."""
        return self.query_id if self.number is None else f"{self.query_id} {self.number}"


@dataclass(frozen=True, slots=True)
class Graph:
    """`lines` to be drawn; `nodes[i]`: what line i tells of; `heads`: the first lines of nodes, from the top."""

    lines: list[Line]
    nodes: list[Node | None]
    heads: list[int] = field(default_factory=list)


def graph_lines(snapshot: Snapshot, before: Snapshot | None, query_id: str, unicode: bool = True) -> list[Line]:
    """The lines alone."""
    return graph(snapshot, before, query_id, unicode).lines


def graph(snapshot: Snapshot, before: Snapshot | None, query_id: str, unicode: bool = True) -> Graph:
    """Two lines a node: what it is and does; what goes through it, and what it keeps.

    A view that is read is followed into the query behind it.
    """
    query = snapshot.query(query_id)
    if query is None:
        return Graph([[("bad", "the query is gone")]], [None])
    pipeline = _Pipeline(snapshot, before)
    pipeline.add(query)
    found = Graph([], [])
    for row in draw(pipeline.inputs, query_id, unicode):
        node = pipeline.nodes[row.node]
        if row.is_head:
            found.heads.append(len(found.lines))
        told = pipeline.head(node) if row.is_head else pipeline.figures(node) if _is_last(found, node) else []
        found.lines.append([("dim", row.lead), *told])
        found.nodes.append(node)
    return found


def _is_last(found: Graph, node: Node) -> bool:
    """Whether the node's head has been drawn, so that its figures come now."""
    return (
        bool(found.nodes) and found.nodes[-1] == node and bool(found.heads) and found.heads[-1] == len(found.nodes) - 1
    )


class _Pipeline:
    """Nodes and what they read, gathered from a snapshot."""

    def __init__(self, snapshot: Snapshot, before: Snapshot | None) -> None:
        self.inputs: dict[str, list[str]] = {}
        self.nodes: dict[str, Node] = {}
        self._snapshot = snapshot
        self._before = before
        self._by_name = {row["name"]: row for row in snapshot.queries}

    def add(self, query: Row) -> None:
        """A query with its operators, and the queries it reads."""
        node = Node(query["query_id"])
        if node.key in self.nodes:
            return
        self.nodes[node.key] = node
        operators = self._snapshot.operators_of(node.query_id)
        self.inputs[node.key] = [Node(node.query_id, len(operators) - 1).key] if operators else []
        for number, row in enumerate(operators):
            operator = Node(node.query_id, number)
            self.nodes[operator.key] = operator
            self.inputs[operator.key] = [Node(node.query_id, n).key for n in row["inputs"] or ()]
            upstream = self._upstream(row)
            if upstream is not None:
                self.inputs[operator.key].append(Node(upstream["query_id"]).key)
                self.add(upstream)

    def _upstream(self, row: Row) -> Row | None:
        """The query behind the view that a scan reads."""
        return self._by_name.get(str(row["detail"]).split(" ")[0]) if not row["inputs"] else None

    def row(self, node: Node) -> Row:
        """An operator's row of the snapshot."""
        assert node.number is not None, "a query is no operator"
        return self._snapshot.operators_of(node.query_id)[node.number]

    def head(self, node: Node) -> Line:
        """What a node is."""
        if node.number is None:
            query = self._snapshot.query(node.query_id)
            assert query is not None, "nodes are made of the snapshot's queries"
            return [("", " "), ("title", f" {query['name']} "), ("", f" {query['status']}")]
        row = self.row(node)
        return [("", " "), ("header", f"{row['node']} #{node.number}"), ("", f"  {row['detail']}")]

    def figures(self, node: Node) -> Line:
        """What goes through it, and what it keeps."""
        parts = self._of_query(node) if node.number is None else self.of_operator(node)
        return [("dim", "   " + ", ".join(parts))] if parts else []

    def _of_query(self, node: Node) -> list[str]:
        query = self._snapshot.query(node.query_id)
        assert query is not None, "as in head()"
        earlier = self._read(self._before, node) if self._before is not None else None
        parts = self._rate("rows/s in", self._read(self._snapshot, node), earlier)
        old = self._before.query(node.query_id) if self._before is not None else None
        parts += self._rate("out", query["rows_out"], None if old is None else old["rows_out"])
        if query["state_bytes"] is not None:
            parts.append(f"state {count_text(query['state_rows'])} rows {bytes_text(query['state_bytes'])}")
        if query["errors"]:
            parts.append(f"{count_text(query['errors'])} errors")
        if query["rows_behind"]:
            parts.append(f"{count_text(query['rows_behind'])} rows behind")
        return parts

    @staticmethod
    def _read(snapshot: Snapshot, node: Node) -> int | None:
        return snapshot.rows_read(node.query_id) if snapshot.query(node.query_id) is not None else None

    def _rate(self, unit: str, now: int | None, before: int | None) -> list[str]:
        """A rate since the snapshot before, if there is one."""
        seconds = self._snapshot.at - self._before.at if self._before is not None else 0.0
        if now is None or before is None or seconds <= 0:
            return []
        return [f"{count_text(max(0, round((now - before) / seconds)))} {unit}"]

    def of_operator(self, node: Node) -> list[str]:
        """The figures of an operator."""
        row = self.row(node)
        old = _at(self._before.operators_of(node.query_id), row["operator"]) if self._before is not None else None
        total = sum(each["busy_ms"] or 0.0 for each in self._snapshot.operators_of(node.query_id))
        parts = [f"{count_text(row['rows_in'])} in, {count_text(row['rows_out'])} out"]
        parts += self._rate("rows/s", row["rows_in"], None if old is None else old["rows_in"])
        parts.append(f"{100 * row['busy_ms'] / total:.0f}% of the time" if total else "idle")
        if row["state_rows"]:
            parts.append(f"state {count_text(row['state_rows'])} rows {bytes_text(row['state_bytes'])}")
        if row["late_rows"]:
            parts.append(f"{count_text(row['late_rows'])} late")
        return parts


def _at(operators: Sequence[Row], number: int) -> Row | None:
    return next((row for row in operators if row["operator"] == number), None)


def detail_lines(snapshot: Snapshot, before: Snapshot | None, node: Node, width: int) -> list[Line]:
    """Everything that is known of an operator."""
    pipeline = _Pipeline(snapshot, before)
    operators = snapshot.operators_of(node.query_id)
    if node.number is None or node.number >= len(operators):
        return [[("bad", "the operator is gone")]]
    row = operators[node.number]
    named = ", ".join(f"{operators[n]['node']} #{n}" for n in row["inputs"] or ())
    state = f"{row['state_rows'] or 0:,} rows, {bytes_text(row['state_bytes'] or 0)}"
    watermark = row["watermark"]
    facts = [
        ("does", row["detail"] or ""), ("reads", named or "(a source)"), ("rows in", f"{row['rows_in']:,}"),
        ("rows out", f"{row['rows_out']:,}"), ("now", ", ".join(pipeline.of_operator(node)[1:])), ("state", state),
        ("late rows", f"{row['late_rows']:,}"), ("busy", f"{row['busy_ms'] or 0.0:,.0f} ms"),
        ("watermark", f"{watermark:%Y-%m-%d %H:%M:%S}" if watermark is not None else "none"),
    ]  # fmt: skip
    lines: list[Line] = [[("", " "), ("header", f"{row['node']} #{node.number}")], []]
    for name, text in facts:
        pieces = _wrapped(str(text), max(20, width - 14))
        lines += [[("key", f" {name if n == 0 else '':<11}"), ("", f" {piece}")] for n, piece in enumerate(pieces)]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    # textwrap loses runs of blanks, which text in quotes may have
    return [text[start : start + width] for start in range(0, len(text), width)] or [""]
