"""What a renderer is, and what it is told about its surroundings."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from repl.render.width import text_width, visible_text
from repl.terminal import Output, Screen
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """How results are to look.

    `shown_rows`: a table longer than this shows its head and tail (None = all rows); `expanded` is "off",
    "on" or "auto" (vertical when columns do not fit); `timezone` is where timestamptz is shown; `null` stands for NULL;
    `border` of tables: 0 blanks, 1 lines between columns, 2 a box; `title` stands above a result; `fieldsep` divides
    the values of the format unaligned; `hive_header`: the format hive has the names of columns (hive.cli.print.header).
    """

    header: bool = True
    footer: bool = True
    timing: bool = False
    shown_rows: int | None = None
    expanded: str = "off"
    timezone: str = "UTC"
    null: str = "NULL"
    border: int = 2
    title: str = ""
    fieldsep: str = "|"
    hive_header: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Where a result goes and how it is to look there; `endless` results are shown row by row as they
    come."""

    output: Output
    schema: pa.Schema
    look: Look = Look()
    endless: bool = False

    @property
    def screen(self) -> Screen:
        """The output's screen."""
        return self.output.screen


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished result; `ended` says why it ended before its end: "more" (a row limit), "ended" (a limit
    of a
    result without end), "interrupted" (Ctrl-C), or None."""

    rows: int
    elapsed_ms: float
    ended: str | None = None


class Renderer(Protocol):
    """Writes one result: any number of batches, then finish() once."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows (in the target's schema)."""
        ...

    def finish(self, summary: Summary) -> None:
        """No more rows will come."""
        ...


def footer_text(summary: Summary, look: Look, *more: str) -> str:
    """`(5 rows, 12 ms)`: the line under a table; `more` are further remarks."""
    count = f"{summary.rows} row" + ("" if summary.rows == 1 else "s")
    early = {"more": "more exist", "interrupted": "stopped by Ctrl-C"}.get(summary.ended or "")
    parts = [
        count,
        *more,
        *([early] if early else []),
        *([duration_text(summary.elapsed_ms)] if look.timing else []),
    ]
    return f"({', '.join(parts)})"


def duration_text(elapsed_ms: float) -> str:
    """`0.4 ms`, `12 ms`, `1.52 s` or `2 min 5 s`."""
    if elapsed_ms < 1:
        return f"{elapsed_ms:.1f} ms"
    if elapsed_ms < 1000:
        return f"{elapsed_ms:.0f} ms"
    if elapsed_ms < 120_000:
        return f"{elapsed_ms / 1000:.2f} s"
    return f"{elapsed_ms // 60_000:.0f} min {elapsed_ms % 60_000 / 1000:.0f} s"


def write_title(target: Target, width: int = 0) -> None:
    """The title of a result, if it has one, in the middle of `width` cells."""
    if target.look.title:
        title = visible_text(target.look.title)
        target.output.write(" " * max(0, (width - text_width(title)) // 2) + title + "\n")
