"""Writes docs/functions.md from the registries: `python -m sqlengine.functions.docs [PATH]`.

A test holds the page to what `render()` gives, so the page cannot fall behind the code.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from sqlengine.functions import BUILTINS, aggregates
from sqlengine.functions.registry import Function

_TITLES = {
    "operators": "Operators",
    "math": "Mathematics",
    "angles": "Angles in degrees",
    "strings": "Text",
    "format_text": "Texts with places",
    "likeness": "Likeness of texts",
    "masks": "Masking",
    "splitting": "Pieces of text",
    "places": "Places in text",
    "patterns": "Patterns",
    "sql_regex": "Pieces by patterns",
    "bytes_parts": "Parts of bytes",
    "nth_matches": "Matches by number",
    "time": "Dates and times",
    "time_arithmetic": "Arithmetic of dates and times",
    "time_format": "Formats of dates and times",
    "time_units": "Units of time",
    "clock": "The clock",
    "interval_make": "Intervals of their parts",
    "interval_text": "Formats of intervals",
    "named_days": "Named days",
    "unix_time": "Unix time",
    "escapes": "Characters by their code",
    "encodings": "Encodings",
    "number_format": "Patterns of numbers",
    "number_text": "Numbers by patterns",
    "digests": "Digests",
    "urls": "Addresses",
    "joined": "Arrays as texts",
    "array_sets": "Arrays as sets and series",
    "conditional": "Choices",
    "arrays": "Arrays, structs, maps",
    "maps": "Maps",
    "json": "JSON",
    "json_changes": "JSON taken apart and put together",
    "json_paths": "JSON changed at a path",
    "jsonb": "jsonb",
    "jsonb_made": "jsonb made of other values",
    "json_path_calls": "JSON searched by paths",
    "sql_json": "JSON searched by paths, as the SQL standard has it",
}

_HEAD = """# Functions

Every scalar and aggregate function, written by `python -m sqlengine.functions.docs`; examples are SQL that is true.
`anyelement`, `anynumber` and `anyint` stand for one type in all their places; `numeric` for any precision and scale.
A function marked * has no Arrow kernel: the embedded DuckDB evaluates it, in views as in snapshot queries. Other scalar
functions of DuckDB can be called by their names too.

A function means the same in a view and in a snapshot SELECT. Where PostgreSQL answers `numeric` with as many digits as
it takes (`/` of numerics, `avg`, variances), the answer is double precision in both: about 16 digits. `+`, `-`, `*`,
`%`, `div` and `sum` of numerics are exact.
"""


def render() -> str:
    """The whole page."""
    by_family: dict[str, list[Function]] = {family: [] for family in _TITLES}
    for function in BUILTINS.functions():
        by_family[function.family].append(function)
    parts = [_HEAD]
    for family, title in _TITLES.items():
        parts.append(f"## {title}\n\n" + _table(by_family[family], operators=family.startswith(("oper", "time_arith"))))
    parts.append("## Aggregates\n\n" + _aggregates())
    return "\n".join(parts)


def _table(functions: Sequence[Function], *, operators: bool) -> str:
    first = "Operator" if operators else "Function"
    rows = [f"| {first} | What it gives | Example |", "| --- | --- | --- |"]
    rows += [f"| {_called(f)} | {_cell(f.description)} | {_code(f.example)} |" for f in functions]
    return "\n".join(rows) + "\n"


def _called(function: Function) -> str:
    """Signatures in code, the operator before them, other names after."""
    forms = "<br>".join(_code(signature.text) for signature in function.signatures)
    star = " \\*" if function.kernel is None and function.operator not in ("and", "or") else ""
    also = "".join(f", {_code(name)}" for name in function.aliases)
    operator = f"{_code(function.operator)}: " if function.operator else ""
    return f"{operator}{forms}{star}" + (f"<br>also{also[1:]}" if also else "")


def _aggregates() -> str:
    rows = ["| Function | What it gives |", "| --- | --- |"]
    for name in aggregates.names():
        found = aggregates.aggregate(name)
        assert found is not None
        rows.append(f"| {_code(f'{name}({found.arguments})')} | {_cell(found.description)} |")
    return "\n".join(rows) + "\n"


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Sequence[str]) -> None:
    """Write the page to the path given, docs/functions.md without one."""
    path = Path(arguments[0] if arguments else "docs/functions.md")
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
