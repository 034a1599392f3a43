"""The running queries on the whole screen: how fast, how far behind, how large; one query's operators; its pipeline.

`tell` is called by the thread that asks the engine, everything else by the one that draws.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from repl.live.graph import Node, detail_lines, graph
from repl.live.grid import Grid, Shown, Styler
from repl.live.grid_screen import GRID_KEYS, GridScreen, Keys, result_rows
from repl.live.line_input import LineInput
from repl.live.lines import Line
from repl.live.rows import FixedRows, Rows
from repl.live.snapshot import OPERATOR_COLUMNS, QUERY_COLUMNS, Snapshot, operator_table, query_table
from repl.render.progress import count_text
from repl.render.size import bytes_text

_BAD = ("failed", "failing")
_COMMANDS = {"p": "PAUSE", "r": "RESUME"}
_STEPS = {"up": -1, "down": 1, "pageup": -5, "pagedown": 5, "home": -1_000_000, "end": 1_000_000}
_ID = QUERY_COLUMNS.get_field_index("id")
_STATUS = QUERY_COLUMNS.get_field_index("status")


class Dashboard(GridScreen):
    """See screen.Screen.  `wishes` are statements to be run, put there by keys; `on_wish` is then called."""

    keys: Keys = (
        ("Enter", "the operators of the chosen query; in a pipeline, what is chosen there"),
        ("g", "its pipeline"),
        ("p, r, k", "pause it, resume it, cancel it"),
        ("Backspace, Esc", "back"),
        *GRID_KEYS,
    )
    foot_keys: Keys = (("?", "help"), ("Enter", "operators"), ("g", "graph"), ("p", "pause"), ("r", "resume"),
                       ("k", "cancel"), ("s", "sort"), ("q", "leave"))  # fmt: skip

    def __init__(self, *, timezone: str = "UTC", unicode: bool = True) -> None:
        self._queries: Rows = FixedRows(QUERY_COLUMNS)
        self._operators: Rows = FixedRows(OPERATOR_COLUMNS)
        super().__init__("running queries", self._queries, timezone=timezone, unicode=unicode)
        self.wishes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.on_wish: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._query_grid, self._operator_grid = self.grid, Grid(timezone, unicode, with_types=False)
        self.grid.with_types = False
        self._now: Snapshot | None = None
        self._before: Snapshot | None = None
        self._of: tuple[str, str] | None = None
        self._graph_top: int | None = None
        self._graph_at = 0
        self._detail: Node | None = None
        self._is_stale = True

    # ------------------------------------------------------------ what comes

    def tell(self, snapshot: Snapshot) -> None:
        """The engine's answer; the reader stays with the query that is chosen."""
        with self._lock:
            chosen = self._chosen()
            self._before, self._now = self._now, snapshot
            self._queries = result_rows(query_table(snapshot, self._before))
            self._read_operators()
            if chosen is not None:
                self._choose(chosen[0])
            self._is_stale = True

    def note(self, text: str) -> None:
        """Something to be told at the foot, until the next key."""
        with self._lock:
            self.message = text
            self._is_stale = True

    def open(self, query_id: str, name: str) -> None:
        """Show the pipeline of a query."""
        with self._lock:
            self._go((query_id, name), 0)

    def _read_operators(self) -> None:
        if self._of is not None and self._now is not None:
            self._operators = result_rows(operator_table(self._now, self._before, self._of[0]))

    def _chosen(self) -> tuple[str, str] | None:
        """(id, name) of the query under the cursor."""
        order = self._query_grid.order(self._queries)
        row = self._query_grid.place.row
        if row >= len(order):
            return None
        found = self._queries.take(np.array([order[row]])).to_pylist()[0]
        return found["id"], found["query"]

    def _choose(self, query_id: str) -> None:
        ids = self._queries.column(_ID).take(self._query_grid.order(self._queries)).to_pylist()
        if query_id in ids:
            self._query_grid.go_to(ids.index(query_id))

    # ------------------------------------------------------------ keys

    @property
    def rows(self) -> Rows:
        """See GridScreen."""
        return self._queries if self._of is None else self._operators

    def press(self, key: str) -> None:
        """See screen.Screen."""
        with self._lock:
            super().press(key)

    def press_own(self, key: str) -> bool:
        """See GridScreen."""
        query = self._of or self._chosen()
        if key in ("backspace", "escape") and self._detail is not None:
            self._detail = None
        elif key in ("backspace", "escape") and self._of is not None:
            self._go(None)
        elif self._graph_top is not None and key == "enter":
            self._drill()
        elif key in ("enter", "g", *_COMMANDS, "k") and query is None:
            self.message = "nothing runs"
        elif key == "enter":
            self._go(query)
        elif key == "g":
            self._go(query, None if self._graph_top is not None else 0)
        elif key in _COMMANDS and query is not None:
            self._wish(_COMMANDS[key], query)
        elif key == "k" and query is not None:
            self.typing = LineInput("cancel", f'cancel "{query[1]}"? y and Enter: ')
        elif self._graph_top is not None and key in _STEPS:
            self._graph_at = max(0, self._graph_at + _STEPS[key])
        else:
            return False
        return True

    def take_text(self, purpose: str, text: str) -> None:
        """See GridScreen."""
        query = self._of or self._chosen()
        if purpose != "cancel":
            super().take_text(purpose, text)
        elif text.strip().lower() in ("y", "yes") and query is not None:
            self._wish("CANCEL", query)

    def _wish(self, word: str, query: tuple[str, str]) -> None:
        self.wishes.put(f'{word} QUERY "{query[0]}"')
        self.message = f'{word.lower()} "{query[1]}" ...'
        self.on_wish()

    def _drill(self) -> None:
        """Into the chosen node of the pipeline: an operator's figures, or the pipeline of a query below."""
        if self._of is None or self._now is None or self._detail is not None:
            return
        shown = graph(self._now, self._before, self._of[0], self.unicode)
        node = shown.nodes[shown.heads[self._graph_at]] if self._graph_at < len(shown.heads) else None
        if node is None:
            return
        query = self._now.query(node.query_id)
        if node.number is not None:
            self._detail = node
        elif query is not None and node.query_id != self._of[0]:
            self._go((node.query_id, query["name"]), 0)
        else:
            self._go(self._of)

    def _go(self, query: tuple[str, str] | None, graph_top: int | None = None) -> None:
        """To a query's operators or pipeline, or (None) back to all."""
        self._of, self._graph_top, self._graph_at, self._detail = query, graph_top, 0, None
        self.grid = self._query_grid if query is None else self._operator_grid
        self.title = "running queries" if query is None else query[1]
        self._read_operators()

    # ------------------------------------------------------------ drawing

    def frame(self, width: int, height: int, now: float) -> list[Line]:
        """See screen.Screen."""
        with self._lock:
            self._is_stale = False
            return super().frame(width, height, now)

    def body_lines(self, width: int, height: int, now: float) -> list[Line]:
        """See GridScreen."""
        if self._graph_top is None or self._of is None or self._now is None:
            return super().body_lines(width, height, now)
        if self._detail is not None:
            return detail_lines(self._now, self._before, self._detail, width)
        shown = graph(self._now, self._before, self._of[0], self.unicode)
        self._graph_at = min(self._graph_at, max(0, len(shown.heads) - 1))
        chosen = shown.heads[self._graph_at] if shown.heads else 0
        self._graph_top = min(self._graph_top, chosen, max(0, len(shown.lines) - height))
        self._graph_top = max(self._graph_top, min(chosen + 2, len(shown.lines)) - height)
        lines = [[("", " "), *line] for line in shown.lines]
        if shown.heads:
            lines[chosen] = [
                lines[chosen][0],
                *((f"{style} cursor".strip(), text) for style, text in lines[chosen][1:]),
            ]
        return lines[self._graph_top :]

    def is_stale(self, now: float) -> bool:
        """See screen.Screen."""
        return self._is_stale

    def mode_text(self) -> str:
        """See GridScreen."""
        time = "" if self._now is None else f"{self._now.time:%H:%M:%S}"
        if self._detail is not None:
            return f"operator, {time}"
        kind = "graph, " if self._graph_top is not None else "operators, " if self._of is not None else ""
        return f"{kind}{time}"

    def styler(self, now: float) -> Styler:
        """See GridScreen: what has failed stands out."""
        return _query_styles if self._of is None else lambda _shown, _rows: None

    def status_text(self, width: int, now: float) -> str:
        """See GridScreen: sums over all queries."""
        if self._now is None:
            return "asking ..."
        table = query_table(self._now, self._before).to_pydict()
        read, told = (sum(n for n in table[name] if n is not None) for name in ("in/s", "out/s"))
        size = sum(n for n in table["state bytes"] if n is not None)
        errors = sum(n for n in table["errors"] if n is not None)
        count = len(table["query"])
        return (
            f"{count} quer{'y' if count == 1 else 'ies'} · {count_text(read)} rows/s in · {count_text(told)} out · "
            f"state {bytes_text(size)} · {count_text(errors)} errors"
        )


def _query_styles(shown: Shown, _rows: pa.RecordBatch) -> list[list[str]]:
    styles = ["bad" if status in _BAD else "dim" if status == "paused" else "" for status in shown.texts[_STATUS]]
    return [styles] * len(shown.texts)
