"""A query's pipeline as text: what it ends with on top, under each operator those it reads."""

from __future__ import annotations

from collections.abc import Sequence

from repl.live.lines import Line
from repl.live.snapshot import Row, Snapshot
from repl.render.progress import count_text
from repl.render.size import bytes_text

_UNICODE = ("├─ ", "└─ ", "│  ")
_ASCII = ("|- ", "`- ", "|  ")


def graph_lines(snapshot: Snapshot, before: Snapshot | None, query_id: str, unicode: bool = True) -> list[Line]:
    """A line a query and two an operator: what it is and does; what went through it, and what it keeps.

    An operator that several read is drawn in full once and named after that.  A view that is read is followed into
    the query behind it.
    """
    query = snapshot.query(query_id)
    if query is None:
        return [[("bad", "the query is gone")]]
    drawing = _Drawing(snapshot, before, _UNICODE if unicode else _ASCII)
    drawing.query(query, "", "")
    return drawing.lines


class _Drawing:
    def __init__(self, snapshot: Snapshot, before: Snapshot | None, marks: tuple[str, str, str]) -> None:
        self.lines: list[Line] = []
        self._snapshot = snapshot
        self._before = before
        self._branch, self._last, self._bar = marks
        self._by_name = {row["name"]: row for row in snapshot.queries}
        self._drawn: set[str] = set()

    def query(self, query: Row, lead: str, under: str) -> None:
        """A query and its operators; `lead` is drawn before its name, `under` before what is below it."""
        operators = self._snapshot.operators_of(query["query_id"])
        again = query["name"] in self._drawn
        self._drawn.add(query["name"])
        figures = [query["status"]]
        if query["state_bytes"] is not None:
            figures.append(f"state {count_text(query['state_rows'])} rows {bytes_text(query['state_bytes'])}")
        if query["errors"]:
            figures.append(f"{count_text(query['errors'])} errors")
        if query["rows_behind"]:
            figures.append(f"{count_text(query['rows_behind'])} rows behind")
        told = "see above" if again else ", ".join(figures)
        self.lines.append([("dim", lead), ("title", f" {query['name']} "), ("", f" {told}")])
        if not again and operators:
            self._children(operators, query["query_id"], [len(operators) - 1], under, set())

    def _children(
        self, operators: Sequence[Row], query_id: str, numbers: Sequence[int], under: str, seen: set[int]
    ) -> None:
        for number in numbers:
            is_last = number == numbers[-1]
            lead = under + (self._last if is_last else self._branch)
            self._operator(operators, query_id, number, lead, under + ("   " if is_last else self._bar), seen)

    def _operator(
        self, operators: Sequence[Row], query_id: str, number: int, lead: str, under: str, seen: set[int]
    ) -> None:
        row = operators[number]
        name = f"{row['node']} #{number}"
        if number in seen:
            self.lines.append([("dim", lead), ("header", name), ("dim", " see above")])
            return
        seen.add(number)
        self.lines.append([("dim", lead), ("header", name), ("", f"  {row['detail']}")])
        inputs = list(row["inputs"] or ())
        upstream = self._by_name.get(str(row["detail"]).split(" ")[0]) if not inputs else None
        below = under + (self._bar if inputs or upstream is not None else "   ")
        self.lines.append([("dim", below), ("dim", self._figures(row, query_id))])
        self._children(operators, query_id, inputs, under, seen)
        if upstream is not None:
            self.query(upstream, under + self._last, under + "   ")

    def _figures(self, row: Row, query_id: str) -> str:
        total = sum(each["busy_ms"] or 0.0 for each in self._snapshot.operators_of(query_id))
        parts = [f"{count_text(row['rows_in'])} in, {count_text(row['rows_out'])} out"]
        if self._before is not None:
            old = [each for each in self._before.operators_of(query_id) if each["operator"] == row["operator"]]
            seconds = self._snapshot.at - self._before.at
            if old and seconds > 0:
                parts.append(f"{count_text(round((row['rows_in'] - old[0]['rows_in']) / seconds))} rows/s")
        parts.append(f"{100 * row['busy_ms'] / total:.0f}% of the time" if total else "idle")
        if row["state_rows"]:
            parts.append(f"state {count_text(row['state_rows'])} rows {bytes_text(row['state_bytes'])}")
        if row["late_rows"]:
            parts.append(f"{count_text(row['late_rows'])} late")
        return ", ".join(parts)
