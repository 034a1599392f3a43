"""A result without end on the whole screen: its current rows, or its last changes, while they come.

`feed` is called by the thread that reads the result, everything else by the one that draws.
"""

from __future__ import annotations

import re

import pyarrow as pa

from repl.live.changes import MARKS, Decoder
from repl.live.current_rows import CurrentRows
from repl.live.figures import Figures
from repl.live.grid import Grid, Shown, Styler, unstyled
from repl.live.grid_screen import GRID_KEYS, GridScreen, Keys, result_rows
from repl.live.lines import Line
from repl.live.rates import Rates
from repl.live.recent_changes import RecentChanges
from repl.live.rows import FixedRows, Rows
from repl.live.turns import Turns
from repl.render.cells import cell_texts
from repl.render.chart import sparkline
from repl.render.progress import count_text, time_text
from repl.render.size import bytes_text
from repl.render.width import text_width
from sqlengine.errors import Error

FLASH_S = 0.8
_PIECE_ROWS = 16_384
"""Who draws waits for no more than so many changes."""
_STATE_ROWS = re.compile(r"^state \S+ rows ")
_SPARK_WIDTH = 110
"""Narrower screens have no room for the rates of the last seconds."""


class LiveScreen(GridScreen):
    """See screen.Screen; `schema` is the result's, with the changelog's own columns."""

    keys: Keys = (
        ("Tab", "current rows, or the last changes"),
        ("Space", "pause and go on: what comes meanwhile is counted in"),
        *GRID_KEYS,
    )
    foot_keys: Keys = (("?", "help"), ("Tab", "changes"), ("Space", "pause"), ("/", "search"), ("s", "sort"),
                       ("c", "chart"), ("y", "copy"), ("w", "write"), ("q", "leave"))  # fmt: skip

    def __init__(
        self, title: str, schema: pa.Schema, *, timezone: str = "UTC", unicode: bool = True, null: str = "NULL"
    ) -> None:
        self._decoder = Decoder(schema)
        self._table = CurrentRows(self._decoder.schema)
        self._changes = RecentChanges(self._decoder.schema)
        super().__init__(title, self._table, timezone=timezone, unicode=unicode)
        self._table_grid, self._change_grid = self.grid, Grid(timezone, unicode)
        self._change_grid.follow()
        self._table_grid.null = self._change_grid.null = null
        self._turns = Turns()
        self._frozen: dict[str, FixedRows] | None = None
        self._mode = "table"
        self._first_change = 0
        self._moved = False
        self._version = self._drawn_version = 0
        self._last_change = -FLASH_S
        self._frozen_at = 0
        self._drawn_at = 0.0
        self._rates = Rates()
        self._figures = Figures()
        self._ended: str | None = None

    # ------------------------------------------------------------ what comes

    def feed(self, batch: pa.RecordBatch, now: float) -> None:
        """Take in a batch of the result that came at `now` (seconds, monotonic)."""
        changes = self._decoder.decode(batch)
        for start in range(0, batch.num_rows, _PIECE_ROWS):
            with self._turns.feeding():
                piece = changes.part(start, start + _PIECE_ROWS)
                self._table.apply(piece, now)
                self._changes.add(piece)
                self._rates.add(len(piece.kinds), now)
                self._last_change = now
                self._version += 1

    def end(self, error: Error | None) -> None:
        """Nothing will come any more, because of an error or of itself."""
        with self._turns.feeding():
            self._ended = "ended" if error is None else f"{error.message} [{error.sqlstate}]"
            self._version += 1

    def tell(self, figures: Figures | None) -> None:
        """What the engine says of the query."""
        with self._turns.feeding():
            self._figures = figures or self._figures
            self._version += 1

    def note(self, text: str) -> None:
        """Something to be told at the foot, until the next key."""
        with self._turns.feeding():
            self.message = text
            self._version += 1

    @property
    def summary(self) -> tuple[int, int]:
        """(rows there are, changes that came)."""
        with self._turns.reading():
            return self._table.total_rows, self._rates.total

    # ------------------------------------------------------------ keys

    @property
    def rows(self) -> Rows:
        """See GridScreen."""
        if self._frozen is not None:
            return self._frozen[self._mode]
        return self._table if self._mode == "table" else self._changes

    def press(self, key: str) -> None:
        """See screen.Screen."""
        with self._turns.reading():
            super().press(key)

    def press_own(self, key: str) -> bool:
        """See GridScreen."""
        if key == " ":
            self._frozen = self._freeze() if self._frozen is None else None
            self._frozen_at = self._rates.total
        elif key == "tab":
            self._mode = "changes" if self._mode == "table" else "table"
            self.grid = self._table_grid if self._mode == "table" else self._change_grid
        else:
            self._moved = self._moved or key in ("up", "down", "pageup", "pagedown", "home", "g", "/", "f")
            return False
        return True

    def _freeze(self) -> dict[str, FixedRows]:
        """Both as they are now, to be read while changes go on."""
        return {"table": result_rows(self._table.table()), "changes": result_rows(self._changes.table())}

    # ------------------------------------------------------------ drawing

    def frame(self, width: int, height: int, now: float) -> list[Line]:
        """See screen.Screen."""
        with self._turns.reading():
            self._drawn_version = self._version
            self._drawn_at = now
            if self._frozen is None:
                gone = self._changes.first - self._first_change
                self._first_change += gone
                self._change_grid.shift(gone)
            if not self._moved and self._table.append_only and self._table_grid.place.sort is None:
                self._table_grid.follow()
            return super().frame(width, height, now)

    def is_stale(self, now: float) -> bool:
        """See screen.Screen: also while cells flash, and once a second for the rate."""
        with self._turns.reading():
            return (
                self._version != self._drawn_version
                or self._drawn_at - self._last_change < FLASH_S
                or now - self._drawn_at >= 1.0
            )

    def mode_text(self) -> str:
        """See GridScreen."""
        kind = "current rows" if self._mode == "table" else "changes"
        return f"{kind}, paused" if self._frozen is not None else kind

    def styler(self, now: float) -> Styler:
        """See GridScreen: changes by kind, in the table what has just come or changed."""
        if self._mode == "changes":
            return _change_styles
        return unstyled if self._frozen is not None else lambda shown, rows: self._flashes(shown, rows, now)

    def _flashes(self, shown: Shown, rows: pa.RecordBatch, now: float) -> list[list[str]] | None:
        fresh = now - self._table.changed_at(shown.positions) < FLASH_S
        if not fresh.any():
            return None
        was_there, before = self._table.before(shown.positions)
        styles = []
        for number, column in enumerate(before.columns):
            olds = cell_texts(column, self.timezone).to_pylist()
            styles.append(
                [
                    "" if not flash else "new" if not known else "changed" if old != text else ""
                    for flash, known, old, text in zip(fresh, was_there, olds, shown.texts[number])
                ]
            )
        return styles

    def status_text(self, width: int, now: float) -> str:
        """See GridScreen."""
        rate = count_text(round(self._rates.per_second(now), 1))
        spark = "" if width < _SPARK_WIDTH else " " + sparkline(self._rates.history(now, 12), unicode=self.unicode)
        figures, parts = self._figures, [super().status_text(width, now)]
        if self._table.forgotten:
            parts.append(f"{self._table.total_rows:,} rows in all")
        if self._frozen is not None:
            parts.append(f"{self._rates.total - self._frozen_at:,} changes since")
        parts.append(self._ended or f"{rate} changes/s{spark}")
        if figures.watermark is not None:
            parts.append(f"watermark {figures.watermark:%H:%M:%S}")
        if figures.lag_s is not None:
            parts.append(f"lag {time_text(max(0.0, figures.lag_s))}")
        if figures.state_bytes is not None:
            parts.append(f"state {count_text(figures.state_rows or 0)} rows {bytes_text(figures.state_bytes)}")
        if figures.rows_behind:
            parts.append(f"{count_text(figures.rows_behind)} rows behind")
        return _fitting(parts, width - 1)


def _fitting(parts: list[str], width: int) -> str:
    """The parts that fit, whole: the state may be told by its bytes alone, then the last parts are left out."""
    if text_width(" · ".join(parts)) > width:
        parts = [_STATE_ROWS.sub("state ", part) for part in parts]
    while len(parts) > 1 and text_width(" · ".join(parts)) > width:
        parts = parts[:-1]
    return " · ".join(parts)


def _change_styles(shown: Shown, rows: pa.RecordBatch) -> list[list[str]]:
    """Rows that come in one colour, rows that go in the other."""
    kinds = {MARKS[0]: "come", MARKS[1]: "gone", MARKS[2]: "come", MARKS[3]: "gone"}
    of_rows = [kinds[mark] for mark in rows.column(0).to_pylist()]
    return [of_rows] * rows.num_columns
