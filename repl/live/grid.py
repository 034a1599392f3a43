"""A table of rows to move about in: cursor, columns, sorting, search, filter.  Knows neither time nor terminal.

Every drawing shows what the rows are at that moment; nothing is kept but where the reader is, and how wide
columns have been (so that they do not jump).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from repl.live.lines import Line, Piece
from repl.live.rows import Ints, Rows, matching, sorted_positions
from repl.render.cells import cell_texts
from repl.render.width import fit_text, text_width, visible_text, widest
from sqlengine import types
from sqlengine.quick_dataclass import dataclass

_WIDEST_TEXT = 40
_LEAST_CUT = 4
_FIRST_ENOUGH = 10_000
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the reader is: `row`, `top` in the order shown; `column`, `left` of the columns; `sort`: column and
    whether descending; `follow`: stay at the end."""

    row: int = 0
    top: int = 0
    column: int = 0
    left: int = 0
    sort: tuple[int, bool] | None = None
    search: str = ""
    only: str = ""
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """`positions` of the rows on the screen (the first stands in line `top` of the order), their texts by column;
    `count` rows pass the filter."""

    positions: Ints
    texts: list[list[str | None]]
    count: int


Styler = Callable[[Shown, pa.RecordBatch], "list[list[str]] | None"]
"""(what is shown, the rows) -> a style for each cell, by column; None: all plain."""


def unstyled(_shown: Shown, _rows: pa.RecordBatch) -> None:
    """All cells plain."""
    return None


@dataclass
class Grid:
    """One reader of rows."""

    timezone: str = "UTC"
    unicode: bool = True
    place: Place = Place()
    with_types: bool = True
    """Whether types stand below names."""
    _widths: dict[str, int] = field(default_factory=dict)
    _height: int = 1
    count: int = 0
    null: str = "NULL"

    # ------------------------------------------------------------ keys

    def press(self, key: str, rows: Rows) -> bool:
        """Take a key; False when it means nothing here."""
        place, last = self.place, max(0, self.count - 1)
        steps = {"up": -1, "down": 1, "pageup": -self._height, "pagedown": self._height}
        if key in steps:
            row = min(max(place.row + steps[key], 0), last)
            self.place = replace(place, row=row, follow=False)
        elif key in ("home", "g"):
            self.place = replace(place, row=0, follow=False)
        elif key in ("end", "G"):
            self.place = replace(place, row=last, follow=True)
        elif key in ("left", "right"):
            column = place.column + (1 if key == "right" else -1)
            self.place = replace(place, column=min(max(column, 0), len(rows.schema) - 1))
        elif key == "s":
            self.place = replace(place, sort=self._next_sort())
        elif key in ("n", "N") and place.search:
            self.find(rows, 1 if key == "n" else -1)
        else:
            return False
        return True

    def _next_sort(self) -> tuple[int, bool] | None:
        """Ascending, descending, as they came."""
        column, sort = self.place.column, self.place.sort
        if sort is None or sort[0] != column:
            return (column, False)
        return (column, True) if not sort[1] else None

    def search(self, rows: Rows, text: str) -> bool:
        """Look for a text from here on; False when no row has it."""
        self.place = replace(self.place, search=text)
        return not text or self.find(rows, 1, including=True)

    def filter(self, text: str) -> None:
        """Show only rows that have a text; "" = all."""
        self.place = replace(self.place, only=text, row=0, top=0)

    def find(self, rows: Rows, step: int, including: bool = False) -> bool:
        """Go to the next row (`step` 1) or the one before (-1) that has the text, round the end; False: none."""
        order = self.order(rows)
        hits = np.flatnonzero(matching(rows, self.place.search, self.timezone)[order])
        if not len(hits):
            return False
        here = self.place.row
        if step > 0:
            after = hits[hits >= here] if including else hits[hits > here]
            row = after[0] if len(after) else hits[0]
        else:
            before = hits[hits < here]
            row = before[-1] if len(before) else hits[-1]
        self.place = replace(self.place, row=int(row), follow=False)
        return True

    def go_to(self, row: int) -> None:
        """Stand in a row of the order shown."""
        self.place = replace(self.place, row=row, follow=False)

    def follow(self) -> None:
        """Stay at the last row."""
        self.place = replace(self.place, follow=True)

    def shift(self, rows: int) -> None:
        """The first `rows` rows have gone: stay with what is shown."""
        row, top = max(0, self.place.row - rows), max(0, self.place.top - rows)
        self.place = replace(self.place, row=row, top=top)

    # ------------------------------------------------------------ rows

    def order(self, rows: Rows, first: int | None = None, kept: Marks | None = None) -> Ints:
        """Positions of the rows in the order shown; with `first`, perhaps only so many.  `kept`: what the filter
        keeps, if that is known."""
        place = self.place
        kept = self._kept(rows) if kept is None else kept
        if place.sort is None:
            return np.arange(rows.num_rows) if kept is None else np.flatnonzero(kept)
        enough = first if kept is None and first is not None and first <= _FIRST_ENOUGH else None
        order = sorted_positions(rows, *place.sort, self.timezone, enough)
        return order if kept is None else order[kept[order]]

    def _kept(self, rows: Rows) -> Marks | None:
        """The rows that pass the filter; None: all."""
        return matching(rows, self.place.only, self.timezone) if self.place.only else None

    def show(self, rows: Rows, height: int) -> tuple[Shown, pa.RecordBatch]:
        """The rows for `height` lines; moves the reader to where there are rows."""
        self._height = max(1, height)
        place = self.place
        kept = self._kept(rows)
        count = self.count = rows.num_rows if kept is None else int(kept.sum())
        row = max(0, count - 1) if place.follow else min(place.row, max(0, count - 1))
        top = min(max(place.top, row - self._height + 1), row, max(0, count - self._height))
        self.place = replace(place, row=row, top=top)
        positions = self.order(rows, top + self._height, kept)[top : top + self._height]
        batch = rows.take(positions)
        texts = [cell_texts(column, self.timezone, null=self.null).to_pylist() for column in batch.columns]
        return Shown(positions, texts, count), batch

    # ------------------------------------------------------------ drawing

    @property
    def head_lines(self) -> int:
        """Lines above the rows."""
        return 3 if self.with_types else 2

    def draw(self, rows: Rows, width: int, height: int, styler: Styler = unstyled) -> tuple[list[Line], Shown]:
        """Names, types, a rule and rows: `height` lines."""
        shown, batch = self.show(rows, max(1, height - self.head_lines))
        self._widen(rows.schema, shown)
        columns = self._columns(rows.schema, width)
        styles = styler(shown, batch)
        kinds = [self._types(rows.schema, columns)] if self.with_types else []
        lines = [self._names(rows.schema, columns), *kinds, self._rule(columns, width)]
        for i in range(len(shown.positions)):
            lines.append(self._row(rows.schema, shown, columns, styles, i, width))
        return lines[:height], shown

    def _widen(self, schema: pa.Schema, shown: Shown) -> None:
        """Have room for what is shown; columns only grow."""
        for number, column in enumerate(schema):
            texts = pa.array(shown.texts[number], pa.string())
            least = text_width(visible_text(column.name)) + 2
            if self.with_types:
                least = max(least, len(types.to_sql(column.type)))
            values = max(widest(texts), text_width(self.null) if texts.null_count else 0)
            cap = _WIDEST_TEXT if not types.is_numeric(column.type) else max(values, least)
            wanted = min(max(least, values), max(cap, 1))
            key = f"{number} {column.name}"
            self._widths[key] = max(self._widths.get(key, 0), wanted)

    def _columns(self, schema: pa.Schema, width: int) -> list[tuple[int, int]]:
        """(number, width) of the columns that fit, the chosen one among them."""
        natural = [self._widths[f"{n} {f.name}"] for n, f in enumerate(schema)]
        if not natural:
            return []
        left = min(self.place.left, self.place.column)
        while left < self.place.column and self.place.column not in (c for c, _ in _whole(natural, left, width)):
            left += 1
        self.place = replace(self.place, left=left)
        columns = _whole(natural, left, width) or [(left, max(1, width - 2))]
        after = columns[-1][0] + 1
        room = width - 1 - sum(w + 3 for _, w in columns)
        if after < len(natural) and room >= _LEAST_CUT:
            columns.append((after, room))
        return columns

    def _names(self, schema: pa.Schema, columns: list[tuple[int, int]]) -> Line:
        cells: list[Piece] = []
        for number, width in columns:
            name = visible_text(schema.field(number).name)
            if self.place.sort is not None and self.place.sort[0] == number:
                up, down = ("▲", "▼") if self.unicode else ("^", "v")
                name += " " + (down if self.place.sort[1] else up)
            style = "chosen" if number == self.place.column else "header"
            cells.append((style, fit_text(name, width, _is_right(schema, number), self._mark)))
        return self._joined(cells)

    def _types(self, schema: pa.Schema, columns: list[tuple[int, int]]) -> Line:
        kinds = [(n, w, types.to_sql(schema.field(n).type)) for n, w in columns]
        return self._joined([("dim", fit_text(k, w, _is_right(schema, n), self._mark)) for n, w, k in kinds])

    def _rule(self, columns: list[tuple[int, int]], width: int) -> Line:
        dash, cross = ("─", "┼") if self.unicode else ("-", "+")
        rule = cross.join(dash * (w + 2) for _, w in columns)
        return [("dim", rule + dash * max(0, width - len(rule)))]

    def _row(
        self,
        schema: pa.Schema,
        shown: Shown,
        columns: list[tuple[int, int]],
        styles: list[list[str]] | None,
        i: int,
        width: int,
    ) -> Line:
        cells: list[Piece] = []
        under = "cursor" if self.place.top + i == self.place.row else ""
        for number, size in columns:
            text = shown.texts[number][i]
            style = styles[number][i] if styles is not None else ""
            if text is None:
                style = f"{style} null"
            elif self.place.search and self.place.search.lower() in text.lower():
                style = f"{style} match"
            cell = fit_text(self.null if text is None else text, size, _is_right(schema, number), self._mark)
            cells.append((f"{style} {under}".strip(), cell))
        return self._joined(cells, under)

    def _joined(self, cells: list[Piece], style: str = "") -> Line:
        bar = " │ " if self.unicode else " | "
        line: Line = [(style, " ")]
        for cell in cells:
            line += [cell, (f"dim {style}".strip(), bar)]
        return [*line[:-1], (style, " ")] if cells else line

    @property
    def _mark(self) -> str:
        return "…" if self.unicode else "~"


def _whole(natural: list[int], left: int, width: int) -> list[tuple[int, int]]:
    """The columns from `left` on that fit entirely."""
    columns, used = [], 1
    for number in range(left, len(natural)):
        used += natural[number] + 3
        if used - 2 > width:
            break
        columns.append((number, natural[number]))
    return columns


def _is_right(schema: pa.Schema, number: int) -> bool:
    return types.is_numeric(schema.field(number).type)
