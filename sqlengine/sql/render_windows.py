"""Windows in DuckDB text: each kind as a sub-query that adds window_start, window_end, window_time.

Starts are multiples of the size counted from 1970-01-01 00:00 (plus the offset); a row belongs to the windows
with start <= time < end; rows without a time belong to none.  A session ends when the next row of its key is
`gap` or more later.  Pure text: the relation and the time come as DuckDB text already.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import NotSupportedError
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from sqlengine.sql.interval import to_text

ORIGIN = "TIMESTAMP '1970-01-01 00:00:00'"
WINDOW_COLUMNS = ("window_start", "window_end", "window_time")
_HELPERS = ("$start", "$end", "$step", "$new", "$session")


def literal(value: ast.Interval) -> str:
    """An interval constant."""
    return f"INTERVAL '{to_text(value)}'"


def origin(spec: ast.WindowSpec) -> str:
    """Where windows are counted from."""
    return ORIGIN if spec.offset is None else f"({ORIGIN} + {literal(spec.offset)})"


def bucket(spec: ast.WindowSpec, width: ast.Interval, time: str) -> str:
    """The start of the `width` long bucket a time falls in."""
    return f"time_bucket({literal(width)}, {time}, {origin(spec)})"


def steps(spec: ast.WindowSpec) -> int:
    """How many windows a row can belong to, at most."""
    if spec.slide is None or spec.kind == "tumble":
        return 1
    size, slide = _length(spec.size), _length(spec.slide)
    return -(-size // slide)


def _length(value: ast.Interval) -> int:
    return value.months or value.days * 86_400_000_000 + value.microseconds


@dataclass(frozen=True)
class Bounds:
    """Text of a window's start and end, of the condition a row must meet, given the step number where
    there is one."""

    start: str
    end: str
    condition: str | None


def bounds(spec: ast.WindowSpec, time: str, step: str) -> Bounds:
    """The `step`-th window (from 0) of a row at `time`; session windows have none by arithmetic."""
    if spec.kind == "tumble":
        start = bucket(spec, spec.size, time)
        return Bounds(start, f"{start} + {literal(spec.size)}", None)
    assert spec.slide is not None
    if spec.kind == "hop":
        start = f"({bucket(spec, spec.slide, time)} - {literal(spec.slide)} * {step})"
        end = f"{start} + {literal(spec.size)}"
        exact = _length(spec.size) % _length(spec.slide) == 0
        return Bounds(start, end, None if exact else f"{end} > {time}")
    start = bucket(spec, spec.size, time)
    end = f"({start} + {literal(spec.slide)} * ({step} + 1))"
    return Bounds(start, end, f"{end} > {time}")


def windowed(relation: str, time: str, spec: ast.WindowSpec, partition: Sequence[str]) -> str:
    """`(SELECT ...)`: the relation's columns and the three window columns.

    `relation` is what may stand in FROM, `time` and `partition` are columns of it.  Window columns the
    relation has already are hidden by the new ones.
    """
    if spec.kind == "session":
        return _sessions(relation, time, spec, partition)
    count = steps(spec)
    made = bounds(spec, time, '"$step"')
    step = f', (SELECT unnest(range({count})) AS "$step")' if spec.kind != "tumble" else ""
    where = f"{time} IS NOT NULL" + (f" AND {made.condition}" if made.condition else "")
    inner = f'SELECT *, {made.start} AS "$start", {made.end} AS "$end" FROM {relation}{step} WHERE {where}'
    return _outer(inner, '"$start"', '"$end"')


def _outer(inner: str, start: str, end: str) -> str:
    hidden = ", ".join(f"'{name}'" for name in (*WINDOW_COLUMNS, *_HELPERS))
    last = f"{end} - INTERVAL '1 microseconds'"
    added = f"{start} AS window_start, {end} AS window_end, {last} AS window_time"
    return f"(SELECT COLUMNS(lambda c: c NOT IN ({hidden})), {added} FROM ({inner}))"


def _sessions(relation: str, time: str, spec: ast.WindowSpec, partition: Sequence[str]) -> str:
    """Each row with its session's bounds."""
    numbered = session_rows(f"SELECT * FROM {relation}", time, spec, partition)
    by = "PARTITION BY " + ", ".join((*partition, '"$session"'))
    ends = f'min({time}) OVER ({by}) AS "$start", max({time}) OVER ({by}) + {literal(spec.size)} AS "$end"'
    return _outer(f"SELECT *, {ends} FROM ({numbered})", '"$start"', '"$end"')


def session_rows(query: str, time: str, spec: ast.WindowSpec, partition: Sequence[str], alias: str = '"$rows"') -> str:
    """`query` with "$session", the number of the row's session within its key: a row opens a session when
    the row before it in its key is a gap or more earlier.  `alias` is the name `time` and `partition` may
    be qualified with."""
    if spec.size.months:
        raise NotSupportedError("a session's gap cannot be in months")
    keys = f"PARTITION BY {', '.join(partition)} " if partition else ""
    before = f"lag({time}) OVER ({keys}ORDER BY {time})"
    opens = f"CASE WHEN {time} < {before} + {literal(spec.size)} THEN 0 ELSE 1 END"
    opened = f'SELECT *, {opens} AS "$new" FROM ({query}) AS {alias} WHERE {time} IS NOT NULL'
    # RANGE: of rows at one time, whichever opens the session opens it for all of them.
    number = f'sum("$new") OVER ({keys}ORDER BY {time} RANGE UNBOUNDED PRECEDING)'
    return f'SELECT *, {number} AS "$session" FROM ({opened}) AS {alias}'
