"""A result as a chart of text: horizontal bars, a line, or a sparkline, as wide as the screen.

Unicode blocks give eight steps per cell; a screen without them gets `#` and `*`.  Pure functions from
numbers to lines: nothing is printed here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyarrow as pa

from repl.render.width import fit_text, text_width, visible, visible_text
from sqlengine import types
from sqlengine.errors import InvalidParameter
from sqlengine.pgtext import to_text_array

CHARTS = ("bar", "line", "spark")
_EIGHTHS_RIGHT = " ▏▎▍▌▋▊▉█"
_EIGHTHS_UP = " ▁▂▃▄▅▆▇█"
_LONGEST_LABEL = 30
_LEAST_BAR = 10


def chart(table: pa.Table, *, kind: str = "auto", width: int = 80, height: int = 10, unicode: bool = True) -> list[str]:
    """Lines of a chart of a result: its first column that is no number labels, its numbers are drawn.

    `kind` is one of CHARTS ("spark": a line of text a column) or "auto" (a line when the labels are times and rows are
    many).  Raises
    InvalidParameter (22023) when the result has no column of numbers.
    """
    numbers = [f.name for f in table.schema if types.is_numeric(f.type)]
    label_at = next((i for i, f in enumerate(table.schema) if not types.is_numeric(f.type)), None)
    if not numbers:
        raise InvalidParameter("a chart needs a column of numbers", hint="count(*) makes one")
    if label_at is None and len(numbers) > 1:
        label_at = table.schema.get_field_index(numbers.pop(0))
    labels = _labels(table, label_at)
    if kind == "auto":
        over_time = label_at is not None and pa.types.is_temporal(table.schema.field(label_at).type)
        kind = "line" if over_time and table.num_rows > 24 else "bar"
    if kind == "spark":
        return _sparks(table, numbers, width, unicode)
    lines: list[str] = []
    for name in numbers:
        values = table.column(name).cast(pa.float64(), safe=False).to_pylist()
        lines += [name] if len(numbers) > 1 or kind == "line" else []
        lines += (
            line(labels, values, width, height, unicode) if kind == "line" else bars(labels, values, width, unicode)
        )
    return lines


def _sparks(table: pa.Table, names: Sequence[str], width: int, unicode: bool) -> list[str]:
    """One line per column of numbers: name, sparkline, least and largest value."""
    columns = [table.column(name).cast(pa.float64(), safe=False).to_pylist() for name in names]
    finite = [[v for v in values if v is not None and math.isfinite(v)] for values in columns]
    ranges = [f"{_number(min(values))} .. {_number(max(values))}" if values else "(no values)" for values in finite]
    room = min(max(map(text_width, names)), _LONGEST_LABEL)
    left = max(_LEAST_BAR, width - room - max(map(len, ranges)) - 2)
    mark = "…" if unicode else "~"
    return [
        f"{fit_text(visible_text(name), room, False, mark)} {sparkline(values, left, unicode)} {text}"
        for name, values, text in zip(names, columns, ranges)
    ]


def _labels(table: pa.Table, label_at: int | None) -> list[str]:
    if label_at is None:
        return [str(n) for n in range(1, table.num_rows + 1)]
    return visible(to_text_array(table.column(label_at)).fill_null("NULL")).to_pylist()


def bars(labels: Sequence[str], values: Sequence[float | None], width: int = 80, unicode: bool = True) -> list[str]:
    """One line per value: label, bar, value.  Bars of negative values reach left of the common zero line."""
    if not values:
        return ["(no rows)"]
    mark = "…" if unicode else "~"
    label_width = min(max(map(text_width, labels)), _LONGEST_LABEL, max(4, width // 3))
    texts = [_number(v) for v in values]
    text_room = max(map(len, texts))
    room = max(_LEAST_BAR, width - label_width - text_room - 3)
    finite = [v for v in values if v is not None and math.isfinite(v)]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    left = round(room * -low / (high - low)) if high > low else 0
    lines = []
    for label, value, text in zip(labels, values, texts):
        bar = _bar(value, low, high, left, room - left, unicode)
        lines.append(f"{fit_text(label, label_width, False, mark)} {'│' if unicode else '|'}{bar} {text:>{text_room}}")
    return lines


def _bar(value: float | None, low: float, high: float, left: int, right: int, unicode: bool) -> str:
    """A bar from the zero line, which stands `left` cells from the start of `left` + `right` cells."""
    if value is None or math.isnan(value):
        return " " * (left + right)
    share = min(max(value, low), high) / ((high if value >= 0 else -low) or 1.0)
    if value < 0:
        return ((("█" if unicode else "#") * round(-share * left)).rjust(left)) + " " * right
    if not unicode:
        return " " * left + ("#" * round(share * right)).ljust(right)
    full, eighths = divmod(round(share * right * 8), 8)
    return " " * left + ("█" * full + _EIGHTHS_RIGHT[eighths].strip()).ljust(right)


def sparkline(values: Sequence[float | None], width: int | None = None, unicode: bool = True) -> str:
    """One character per value (or per mean of neighbours, when more than `width`), as high as the value."""
    steps = _EIGHTHS_UP[1:] if unicode else "_.-=*#"
    points = _resample(values, width) if width is not None else list(values)
    finite = [v for v in points if v is not None and math.isfinite(v)]
    if not finite:
        return " " * len(points)
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    top = len(steps) - 1
    return "".join(" " if v is None or not math.isfinite(v) else steps[round((v - low) / span * top)] for v in points)


def line(
    labels: Sequence[str],
    values: Sequence[float | None],
    width: int = 80,
    height: int = 10,
    unicode: bool = True,
) -> list[str]:
    """An area under a line: `height` rows of cells, the scale on the left, first and last label below."""
    finite = [v for v in values if v is not None and math.isfinite(v)]
    if not finite:
        return ["(no rows)" if not values else "(no values)"]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    scale = [high, (high + low) / 2, low]
    margin = max(len(_number(s)) for s in scale)
    room = max(_LEAST_BAR, width - margin - 2)
    points = _resample(values, room) if len(values) > room else _stretch(values, room)
    marks = {0: scale[0], height // 2: scale[1], height - 1: scale[2]}
    edge = "┤" if unicode else "|"
    lines = []
    for row in range(height):
        text = _number(marks[row]) if row in marks else ""
        cells = "".join(_cell(v, row, height, low, high, unicode) for v in points)
        lines.append(f"{text:>{margin}} {edge}{cells}".rstrip())
    return [*lines, _axis(labels, margin + 2, len(points))]


def _cell(value: float | None, row: int, height: int, low: float, high: float, unicode: bool) -> str:
    """What one cell of the area shows; row 0 is the top."""
    if value is None or not math.isfinite(value):
        return " "
    eighths = (value - low) / ((high - low) or 1.0) * height * 8 - (height - 1 - row) * 8
    if unicode:
        return _EIGHTHS_UP[max(0, min(8, round(eighths)))]
    return "#" if eighths >= 8 else "*" if eighths > 0 else " "


def _axis(labels: Sequence[str], margin: int, room: int) -> str:
    first, last = labels[0], labels[-1]
    gap = room - text_width(first) - text_width(last)
    return " " * margin + (f"{first}{' ' * gap}{last}" if gap > 0 and len(labels) > 1 else first)


def _resample(values: Sequence[float | None], width: int) -> list[float | None]:
    """At most `width` values: means of equal groups of neighbours, NULLs left out of them."""
    count = len(values)
    if count <= width:
        return list(values)
    edges = [i * count // width for i in range(width + 1)]
    groups = ([v for v in values[a:b] if v is not None] for a, b in zip(edges, edges[1:]))
    return [sum(group) / len(group) if group else None for group in groups]


def _stretch(values: Sequence[float | None], width: int) -> list[float | None]:
    """Each value repeated, so that few values still fill the width."""
    each = max(1, width // len(values))
    return [value for value in values for _ in range(each)]


def _number(value: float | None) -> str:
    """A value in at most ten characters."""
    if value is None:
        return "NULL"
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:,.2f}" if 0.01 <= abs(value) < 1e7 else f"{value:.3g}"
