"""Window specifications from their arguments: one reading for every spelling.

Argument order differs by spelling: HOP takes slide before size; Spark's `window` and ksqlDB take size first.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlengine.errors import WindowingError
from sqlengine.sql import ast
from sqlengine.sql.interval import parse_interval
from sqlengine.sql.token_edit import ROWTIME

GROUPING = {
    "tumble": ("SIZE", "OFFSET"),
    "hop": ("SLIDE", "SIZE", "OFFSET"),
    "cumulate": ("STEP", "SIZE", "OFFSET"),
    "session": ("GAP",),
    "window": ("SIZE", "SLIDE", "OFFSET"),
    "session_window": ("GAP",),
}
"""Grouping window functions and the names of what follows their time argument, in order."""

AUXILIARY = {
    f"{kind}_{suffix}": (kind, suffix)
    for kind in ("tumble", "hop", "cumulate", "session")
    for suffix in ("start", "end", "rowtime", "proctime")
}
"""Flink's TUMBLE_START and relatives -> (kind, what they give)."""


def make_spec(kind: str, given: Mapping[str, ast.Expr], position: int | None = None) -> ast.WindowSpec:
    """The WindowSpec of arguments by name (SIZE, SLIDE, STEP, GAP, OFFSET), each a constant interval or its
    text.

    Raises WindowingError (42P20) for sizes that make no windows.
    """
    sizes = {name: _constant(name, value, position) for name, value in given.items()}
    size = sizes.get("SIZE") or sizes["GAP"]
    slide = sizes.get("SLIDE") or sizes.get("STEP")
    for name, value in sizes.items():
        if name != "OFFSET":
            _check_positive(name, value, position)
    if slide is not None and bool(slide.months) != bool(size.months):
        raise WindowingError("window size and slide must both be months or both be shorter units", position=position)
    if kind == "cumulate" and slide is not None and _length(size) % _length(slide):
        raise WindowingError("the size of a cumulate window must be a multiple of its step", position=position)
    return ast.WindowSpec(kind, size, slide, sizes.get("OFFSET"))


def grouping_window(call: ast.Call) -> tuple[ast.Expr, ast.WindowSpec] | None:
    """(time expression, window) of a call in GROUP BY such as `tumble(ts, INTERVAL '1' MINUTE)`, or None.

    The auxiliary functions (TUMBLE_START ...) give the window they belong to.  Raises WindowingError (42P20).
    """
    kind = AUXILIARY.get(call.name, (call.name, ""))[0]
    names = GROUPING.get(kind)
    if names is None or not call.args:
        return None
    time, rest = call.args[0], call.args[1:]
    if isinstance(time, ast.Interval):  # Arroyo: tumble(interval '1 minute'), on the stream's own time
        time, rest = ast.Column((ROWTIME,), call.position), call.args
    required = len(names) - (names[-1] == "OFFSET") - (kind == "window")
    if not required <= len(rest) <= len(names):
        usage = ", ".join(("time", *(name.lower() for name in names if name != "OFFSET")))
        raise WindowingError(
            f"wrong number of arguments for {call.name}",
            hint=f"write {kind}({usage})",
            position=call.position,
        )
    given = dict(zip(names, rest, strict=False))
    if kind == "window":
        kind = "hop" if "SLIDE" in given and given["SLIDE"] != given["SIZE"] else "tumble"
        given = {name: value for name, value in given.items() if name != "SLIDE" or kind == "hop"}
    return time, make_spec({"session_window": "session"}.get(kind, kind), given, call.position)


def _constant(name: str, value: ast.Expr, position: int | None) -> ast.Interval:
    if isinstance(value, ast.Interval):
        return value
    if isinstance(value, ast.Cast) and value.type_name == "interval":
        value = value.arg
    if isinstance(value, ast.Literal) and isinstance(value.value, str):
        return parse_interval(value.value, position=position)
    raise WindowingError(
        f"the {name.lower()} of a window must be a constant interval",
        hint="write INTERVAL '1' MINUTE",
        position=position,
    )


def _check_positive(name: str, value: ast.Interval, position: int | None) -> None:
    if value.months and (value.days or value.microseconds):
        raise WindowingError(f"the {name.lower()} of a window cannot mix months with days or time", position=position)
    if _length(value) <= 0:
        raise WindowingError(f"the {name.lower()} of a window must be positive", position=position)


def _length(value: ast.Interval) -> int:
    """Months, or microseconds of an interval without months."""
    return value.months or value.days * 86_400_000_000 + value.microseconds
