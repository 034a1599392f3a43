"""The second opinion: DuckDB runs a view's query over the rows its inputs hold.

It must not use any of our planning or rendering: the text that goes to DuckDB is the text of the case.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import pyarrow as pa

from sqlengine.types import storage_type
from tests.collectors.executor import Answer, DuckDBExecutor, Failure, row_lines

_CREATE = re.compile(
    r"^\s*create\s+(?:or\s+replace\s+)?(?P<kind>stream|table|source|(?:materialized\s+|temporary\s+)?view)\s+"
    r"(?:if\s+not\s+exists\s+)?(?P<name>[\w.\"]+)(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_QUERY = re.compile(r"^.*?\bas\b\s*(?P<query>(?:select|with|values|from|\().*)$", re.IGNORECASE | re.DOTALL)
_EMIT = re.compile(r"\bemit\s+(changes|final|on\s+window\s+close|every)\b.*$", re.IGNORECASE | re.DOTALL)
_TOLERANCE = 1e-9


def view_answer(statements: Sequence[str], view: str, sql: str, relation: Callable[[str], pa.Table]) -> Answer:
    """DuckDB's rows for `view`: its inputs' rows come from `relation`, its query from its CREATE, or from
    `sql`."""
    executor = DuckDBExecutor()
    try:
        queries = _load(executor, statements, relation)
        if not sql and view not in queries:
            raise Failure("42P01", f"the case creates no view {view}")
        return executor.execute(sql.rstrip().rstrip(";") or queries[view])
    finally:
        executor.close()


def _load(executor: DuckDBExecutor, statements: Sequence[str], relation: Callable[[str], pa.Table]) -> dict[str, str]:
    """Register every stream and table, define every view DuckDB understands; the queries by view."""
    queries: dict[str, str] = {}
    for statement in statements:
        found = _CREATE.match(_without_comments(statement))
        if found is None:
            continue
        name = found["name"]
        if not found["kind"].lower().endswith("view"):
            executor.register(name, _plain(relation(name)))
            continue
        queries[name] = view_query(found["rest"])
        try:
            executor.execute(f"CREATE OR REPLACE VIEW {name} AS {queries[name]}")
        except Failure:
            continue  # the windows of a view that is not the one compared: DuckDB need not know them
    return queries


def view_query(text: str) -> str:
    """What stands between AS and EMIT."""
    found = _QUERY.match(text)
    return _EMIT.sub("", found["query"] if found is not None else text).strip()


def _plain(table: pa.Table) -> pa.Table:
    fields = [pa.field(f.name, storage_type(f.type)) for f in table.schema]
    return table.cast(pa.schema(fields))


def _without_comments(sql: str) -> str:
    return "\n".join(line.split("--")[0] for line in sql.split("\n"))


def rows_differ(expected: Sequence[Sequence[str | None]], actual: Sequence[Sequence[str | None]]) -> str | None:
    """Why two multisets of rows differ, or None; numbers may differ by one part in 10^9."""
    left, right = sorted(expected, key=_order), sorted(actual, key=_order)
    if len(left) == len(right) and all(_same_row(a, b) for a, b in zip(left, right)):
        return None
    only_left, only_right = row_lines(left, " | "), row_lines(right, " | ")
    return "DuckDB:\n" + "\n".join(only_left[:50]) + "\nview:\n" + "\n".join(only_right[:50])


def _order(row: Sequence[str | None]) -> tuple[tuple[int, float, str], ...]:
    return tuple(_cell_order(value) for value in row)


def _cell_order(value: str | None) -> tuple[int, float, str]:
    if value is None:
        return (2, 0.0, "")
    number = _number(value)
    return (1, 0.0, value) if number is None else (0, float(f"{number:.9g}"), "")


def _same_row(left: Sequence[str | None], right: Sequence[str | None]) -> bool:
    return len(left) == len(right) and all(_same_cell(a, b) for a, b in zip(left, right))


def _same_cell(left: str | None, right: str | None) -> bool:
    if left == right:
        return True
    if left is None or right is None:
        return False
    a, b = _number(left), _number(right)
    return a is not None and b is not None and math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
