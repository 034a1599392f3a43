"""The result of a query that is run again and again; what differs from the time before flashes.

`tell` is called by the thread that runs it, everything else by the one that draws.
"""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa

from repl.live.grid import Shown, Styler, unstyled
from repl.live.grid_screen import GridScreen, result_rows
from repl.live.lines import Line
from repl.live.rows import FixedRows, Rows
from repl.render.cells import cell_texts

FLASH_S = 0.8


class WatchScreen(GridScreen):
    """See screen.Screen."""

    def __init__(self, title: str, every_s: float, *, timezone: str = "UTC", unicode: bool = True) -> None:
        super().__init__(title, FixedRows(pa.schema([])), timezone=timezone, unicode=unicode)
        self._every_s = every_s
        self._lock = threading.Lock()
        self._rows: Rows = FixedRows(pa.schema([]))
        self._earlier: Rows | None = None
        self._told_at = self._drawn_at = -FLASH_S
        self._is_stale = True
        self._runs = 0

    def tell(self, table: pa.Table, now: float) -> None:
        """The rows of the newest run."""
        with self._lock:
            self._earlier = self._rows if self._runs else None
            self._rows = result_rows(table)
            self._told_at = now
            self._runs += 1
            self._is_stale = True

    def note(self, text: str) -> None:
        """Something to be told at the foot, until the next key."""
        with self._lock:
            self.message = text
            self._is_stale = True

    @property
    def rows(self) -> Rows:
        """See GridScreen."""
        return self._rows

    def press(self, key: str) -> None:
        """See screen.Screen."""
        with self._lock:
            super().press(key)

    def frame(self, width: int, height: int, now: float) -> list[Line]:
        """See screen.Screen."""
        with self._lock:
            self._is_stale, self._drawn_at = False, now
            return super().frame(width, height, now)

    def is_stale(self, now: float) -> bool:
        """See screen.Screen."""
        return self._is_stale or self._drawn_at - self._told_at < FLASH_S

    def mode_text(self) -> str:
        """See GridScreen."""
        return f"every {self._every_s:g} s"

    def status_text(self, width: int, now: float) -> str:
        """See GridScreen."""
        return f"{super().status_text(width, now)} · run {self._runs:,}" if self._runs else "running ..."

    def styler(self, now: float) -> Styler:
        """See GridScreen."""
        earlier = self._earlier
        if earlier is None or now - self._told_at >= FLASH_S or earlier.schema != self._rows.schema:
            return unstyled
        return lambda shown, rows: self._flashes(earlier, shown)

    def _flashes(self, earlier: Rows, shown: Shown) -> list[list[str]]:
        """Cells unlike those of the row with the same number before, and rows that had none."""
        there = shown.positions < earlier.num_rows
        before = earlier.take(np.where(there, shown.positions, 0)) if earlier.num_rows else None
        if before is None:
            return [["new"] * len(shown.positions)] * len(shown.texts)
        styles = []
        for texts, column in zip(shown.texts, before.columns):
            olds = cell_texts(column, self.timezone).to_pylist()
            styles.append(
                [
                    "new" if not known else "changed" if old != text else ""
                    for known, old, text in zip(there, olds, texts)
                ]
            )
        return styles
