"""A result as a table that fits the screen: names and types above, numbers to the right, NULL dim, long
texts cut, long results shown as head and tail.

Without a screen (a pipe, a file) nothing is cut or left out.  A result without end is written as it comes,
with the widths of its first rows.  Only whole columns are handled, never single cells.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from repl.render import vertical
from repl.render.base import Look, Summary, Target, footer_text, write_title
from repl.render.cells import cell_texts
from repl.render.layout import FRAMES, ColumnSize, Layout, arrange
from repl.render.width import fit, fit_text, text_width, visible_text, widest
from repl.terminal import DIM, RESET
from sqlengine import types
from sqlengine.quick_dataclass import dataclass

_CHUNK_ROWS = 65_536
_VERTICAL_LINES = 200
"""Results that would take more lines one value each stay tables, though columns are left out of them."""
_UNICODE = {"│": "│", "─": "─", "top": "┌┬┐", "middle": "├┼┤", "bottom": "└┴┘", "…": "…"}
_ASCII = {"│": "|", "─": "-", "top": "+++", "middle": "+++", "bottom": "+++", "…": "~"}
_NO_LINES, _INNER_LINES = 0, 1


class TableRenderer:
    """The format `table`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._rows = _HeadAndTail(target.schema, None if target.endless else target.look.shown_rows)
        self._live: _Table | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        if not self._target.endless:
            self._rows.add(batch)
        elif batch.num_rows:
            self._write_live(batch)

    def _write_live(self, batch: pa.RecordBatch) -> None:
        columns = _texts(batch, self._target.look)
        if self._live is None:
            sizes = [_live_size(s, f.type) for s, f in zip(_sizes(self._target, columns), self._target.schema)]
            frame = FRAMES[self._target.look.border]
            self._live = _Table(self._target, arrange(sizes, self._target.screen.width, frame))
            self._live.write_head()
        self._live.write_rows(columns)
        self._target.output.flush()

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        target = self._target
        remarks: list[str] = []
        if target.endless:
            if self._live is not None:
                self._live.write_rule("bottom")
        else:
            remarks = self._write_kept()
        if target.look.footer:
            target.output.write(footer_text(summary, target.look, *remarks) + "\n")
        target.output.flush()

    def _write_kept(self) -> list[str]:
        """The rows that were kept; returns remarks for the footer."""
        target, kept = self._target, self._rows
        head = _texts(kept.head(), target.look)
        tail = _texts(kept.tail(), target.look)
        if _is_document(kept.head()):
            target.output.write_lines(cell_texts(kept.head().column(0), target.look.timezone, keep_lines=True))
            return []
        both = [pa.concat_arrays(pair) for pair in zip(head, tail)]
        layout = arrange(_sizes(target, both), target.screen.width, FRAMES[target.look.border])
        left_out = len(both) - len(layout.columns)
        if left_out and target.look.expanded == "auto" and len(both) * len(both[0]) <= _VERTICAL_LINES:
            vertical.write_records(target, [kept.head(), kept.tail()], kept.left_out)
            return []
        table = _Table(target, layout)
        table.write_head()
        table.write_rows(head)
        if kept.left_out:
            table.write_ellipsis()
        table.write_rows(tail)
        table.write_rule("bottom")
        shown = [f"{len(both[0])} shown"] if kept.left_out else []
        return [*shown, *([f"{len(both)} columns, {len(layout.columns)} shown"] if left_out else [])]


class _HeadAndTail:
    """The rows of a result that will be shown: all, or the first and last `limit` / 2."""

    def __init__(self, schema: pa.Schema, limit: int | None) -> None:
        self._schema = schema
        self._limit = limit
        self._head: list[pa.RecordBatch] = []
        self._head_rows = 0
        self._tail: deque[pa.RecordBatch] = deque()
        self._tail_rows = 0
        self.left_out = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows; those that surely will not be shown are let go."""
        if self._limit is None:
            self._head.append(batch)
            return
        room = max(0, (self._limit + 1) // 2 - self._head_rows)
        if room:
            self._head.append(batch.slice(0, room))
            self._head_rows += self._head[-1].num_rows
            batch = batch.slice(room)
        if batch.num_rows:
            self._tail.append(batch)
            self._tail_rows += batch.num_rows
            self._trim(self._limit // 2)

    def _trim(self, wanted: int) -> None:
        excess = self._tail_rows - wanted
        while excess > 0:
            first = self._tail.popleft()
            if first.num_rows > excess:
                self._tail.appendleft(first.slice(excess))
            dropped = min(excess, first.num_rows)
            self.left_out += dropped
            self._tail_rows -= dropped
            excess -= dropped

    def head(self) -> pa.Table:
        """The first rows."""
        return pa.Table.from_batches(self._head, self._schema)

    def tail(self) -> pa.Table:
        """The last rows that are not in head()."""
        return pa.Table.from_batches(list(self._tail), self._schema)


@dataclass(frozen=True, slots=True)
class _Table:
    """Draws lines of one layout."""

    target: Target
    layout: Layout

    @property
    def _marks(self) -> dict[str, str]:
        return _UNICODE if self.target.screen.unicode else _ASCII

    def write_head(self) -> None:
        """Title, top rule, names, types, rule."""
        look = self.target.look
        write_title(self.target, FRAMES[look.border].cells(self._with_gap(list(self.layout.widths), 1)))
        self.write_rule("top")
        if not self.target.look.header:
            return
        schema = self.target.schema
        names = [visible_text(schema.field(c).name) for c in self.layout.columns]
        kinds = [types.to_sql(schema.field(c).type) for c in self.layout.columns]
        self._write_line(names)
        self._write_line(kinds, style=DIM)
        self.write_rule("middle")

    def write_rule(self, kind: str) -> None:
        """A horizontal rule: "top", "middle" or "bottom"."""
        border = self.target.look.border
        if border < 2 and kind != "middle":
            return
        left, cross, right = tuple(self._marks[kind]) if border else (" ", " ", " ")
        wider = 2 if border else 0
        bars = [self._marks["─"] * (w + wider) for w in self._with_gap(list(self.layout.widths), 1)]
        line = cross.join(bars)
        self.target.output.write((left + line + right if border == 2 else line) + "\n")

    def write_ellipsis(self) -> None:
        """The line between head and tail."""
        self._write_line([self._marks["…"]] * len(self.layout.columns), style=DIM)

    def write_rows(self, columns: list[pa.Array]) -> None:
        """Rows of visible texts, one array per column of the result."""
        if not self.layout.columns:
            return
        for start in range(0, len(columns[0]), _CHUNK_ROWS):
            self._write_chunk([columns[c].slice(start, _CHUNK_ROWS) for c in self.layout.columns])

    def _write_chunk(self, columns: list[pa.Array]) -> None:
        before, between, behind = self._bars()
        cells = [self._cells(a, c, w) for a, c, w in zip(columns, self.layout.columns, self.layout.widths)]
        parts = self._with_gap(cells, self._marks["…"])
        inner = pc.binary_join_element_wise(*parts, between)
        lines = pc.binary_join_element_wise(before, inner, behind, "")
        self.target.output.write_lines(lines if behind else pc.ascii_rtrim(lines, " "))

    def _bars(self) -> tuple[str, str, str]:
        """What stands before, between and behind the cells of a line."""
        bar, border = self._marks["│"], self.target.look.border
        if border == _NO_LINES:
            return "", " ", ""
        return (" ", f" {bar} ", "") if border == _INNER_LINES else (f"{bar} ", f" {bar} ", f" {bar}")

    def _cells(self, texts: pa.Array, column: int, width: int) -> pa.Array:
        right = _is_right(self.target.schema.field(column).type)
        cells = fit(texts.fill_null(self.target.look.null), width, right, self._marks["…"])
        if texts.null_count == 0 or not self.target.screen.color:
            return cells
        return pc.if_else(texts.is_null(), pc.binary_join_element_wise(DIM, cells, RESET, ""), cells)

    def _write_line(self, texts: list[str], style: str = "") -> None:
        """One line of short texts, each over its column."""
        (before, between, behind), mark = self._bars(), self._marks["…"]
        rights = [_is_right(self.target.schema.field(c).type) for c in self.layout.columns]
        cells = [fit_text(t, w, r, mark) for t, w, r in zip(texts, self.layout.widths, rights)]
        painted = [self.target.screen.paint(cell, style) if style else cell for cell in self._with_gap(cells, mark)]
        line = before + between.join(painted) + behind
        self.target.output.write((line if behind else line.rstrip(" ")) + "\n")

    def _with_gap(self, items: list[Any], gap: Any) -> list[Any]:
        at = self.layout.gap_at
        return items if at is None else [*items[:at], gap, *items[at:]]


def _texts(rows: pa.Table | pa.RecordBatch, look: Look) -> list[pa.Array]:
    """The texts of every column."""
    return [cell_texts(column, look.timezone, null=look.null) for column in rows.columns]


def _sizes(target: Target, columns: list[pa.Array]) -> list[ColumnSize]:
    return [_size(target.look, field, texts) for field, texts in zip(target.schema, columns)]


def _size(look: Look, field: pa.Field, texts: pa.Array) -> ColumnSize:
    name = text_width(visible_text(field.name)) if look.header else 0
    kind = len(types.to_sql(field.type)) if look.header else 0
    values = max(widest(texts), text_width(look.null) if texts.null_count else 0)
    return ColumnSize(values, name, kind, rigid=not _is_loose(field.type))


def _live_size(size: ColumnSize, dtype: pa.DataType) -> ColumnSize:
    """Room for the rows that are still to come, whose widths are not known."""
    usual = 26 if pa.types.is_timestamp(dtype) else 8 if types.is_numeric(dtype) else 12
    return replace(size, values=max(size.values, usual))


def _is_loose(dtype: pa.DataType) -> bool:
    """Values that may be cut: text of any length and nested values."""
    plain = types.storage_type(dtype) if dtype != types.UUID else dtype
    binary = pa.types.is_binary(plain) or pa.types.is_large_binary(plain)
    return bool(types.is_text(plain) or binary or pa.types.is_nested(plain) or pa.types.is_dictionary(plain))


def _is_right(dtype: pa.DataType) -> bool:
    return types.is_numeric(dtype)


def _is_document(rows: pa.Table) -> bool:
    """One text of several lines (a plan, a definition) reads better as it is than in a box."""
    if rows.shape != (1, 1) or not types.is_text(rows.schema.field(0).type):
        return False
    return pc.any(pc.match_substring(rows.column(0), "\n")).as_py() is True
