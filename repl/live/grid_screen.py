"""A grid with a title, a foot and typed texts around it: what the pager and the live view have in common."""

from __future__ import annotations

import pyarrow as pa

from repl.live.export import clipboard_text, write_file
from repl.live.grid import Grid, Styler, unstyled
from repl.live.line_input import LineInput
from repl.live.lines import Line, ends, fitted, key_line, page
from repl.live.rows import FixedRows, Rows
from repl.render.chart import CHARTS, chart
from repl.render.width import text_width
from sqlengine import types
from sqlengine.errors import Error

Keys = tuple[tuple[str, str], ...]

GRID_KEYS: Keys = (
    ("arrows, PgUp, PgDn", "move; Left and Right choose a column"),
    ("Home, End", "the first row; the last, and stay there"),
    ("s", "sort by the chosen column: ascending, descending, as they came"),
    ("/ n N", "search a text; the next and the row before that has it"),
    ("f", "show only rows that have a text; an empty one shows all"),
    ("c", "chart of the chosen column: bars, line, sparklines, table again"),
    ("y", "copy the rows on the screen to the clipboard"),
    ("w", "write all rows shown to a file; its ending says the format"),
    ("Esc", "undo search and filter"),
    ("?", "this help"),
    ("q, Ctrl-C", "leave"),
)
_CHART_ROWS = 2_000


class GridScreen:
    """Rows that stay as they are; see screen.Screen."""

    keys: Keys = GRID_KEYS
    foot_keys: Keys = (("?", "help"), ("/", "search"), ("f", "filter"), ("s", "sort"), ("c", "chart"), ("y", "copy"),
                       ("w", "write"), ("q", "leave"))  # fmt: skip

    def __init__(self, title: str, rows: Rows, *, timezone: str = "UTC", unicode: bool = True) -> None:
        self.title = " ".join(title.split())
        self.done = False
        self.clipboard: str | None = None
        self.timezone = timezone
        self.unicode = unicode
        self.grid = Grid(timezone, unicode)
        self._all_rows = rows
        self._chart: str | None = None
        self.typing: LineInput | None = None
        self._help = False
        self.message = ""
        self._size = (0, 0)

    @property
    def rows(self) -> Rows:
        """What the grid shows now."""
        return self._all_rows

    # ------------------------------------------------------------ keys

    def press(self, key: str) -> None:
        """See screen.Screen."""
        self.message = ""
        if self.typing is not None:
            self._type(self.typing.press(key))
        elif self._help:
            self._help = False
        elif not self.press_own(key) and not self._press_common(key):
            self.grid.press(key, self.rows)

    def press_own(self, key: str) -> bool:
        """A key of this kind of screen alone; False: it is none."""
        return False

    def _press_common(self, key: str) -> bool:
        if key in ("q", "c-c"):
            self.done = True
        elif key == "?":
            self._help = True
        elif key == "/":
            self.typing = LineInput("search", "search: ")
        elif key == "f":
            self.typing = LineInput("filter", "only rows with: ")
        elif key == "w":
            self.typing = LineInput("write", "write to file: ")
        elif key == "escape":
            self.grid.filter("")
            self.grid.search(self.rows, "")
        elif key == "c":
            kinds = (None, *CHARTS)
            self._chart = kinds[(kinds.index(self._chart) + 1) % len(kinds)]
        elif key == "y":
            self._copy()
        else:
            return False
        return True

    def _type(self, typing: LineInput) -> None:
        self.typing = typing if typing.state == "open" else None
        if typing.state == "given":
            self.take_text(typing.purpose, typing.text)

    def take_text(self, purpose: str, text: str) -> None:
        """A text was typed at the foot and given."""
        if purpose == "search" and not self.grid.search(self.rows, text):
            self.message = f'no row has "{text}"'
        elif purpose == "filter":
            self.grid.filter(text)
        elif purpose == "write" and text:
            self._write(text)

    def _write(self, path: str) -> None:
        try:
            count = write_file(pa.Table.from_batches([self.rows.take(self.grid.order(self.rows))]), path, self.timezone)
            self.message = f'{count:,} rows written to "{path}"'
        except Error as error:
            self.message = f"{error.message} [{error.sqlstate}]" + (f"; {error.hint}" if error.hint else "")

    def _copy(self) -> None:
        shown, batch = self.grid.show(self.rows, self._body_height() - self.grid.head_lines)
        self.clipboard, count = clipboard_text(batch, self.timezone)
        more = "" if count == len(shown.positions) else f" of {len(shown.positions)}, the clipboard takes no more"
        self.message = f"{count} rows copied{more}"

    # ------------------------------------------------------------ drawing

    def frame(self, width: int, height: int, now: float) -> list[Line]:
        """See screen.Screen."""
        self._size = (width, height)
        body = self._body_height()
        head = [ends(f" {self.title}", self.mode_text() + " ", width, "title")]
        if self._help:
            middle = self._help_lines()
        elif self._chart is not None:
            middle = self._chart_lines(self._chart, width, body)
        else:
            middle = self.body_lines(width, body, now)
        foot = [self._status(width, now), key_line(self.foot_keys, width)]
        return page([*head, *page(middle, width, body), *foot], width, height)

    def body_lines(self, width: int, height: int, now: float) -> list[Line]:
        """What is between title and foot."""
        return self.grid.draw(self.rows, width, height, self.styler(now))[0]

    def is_stale(self, now: float) -> bool:
        """See screen.Screen."""
        return False

    def _body_height(self) -> int:
        return max(1, self._size[1] - 3)

    def mode_text(self) -> str:
        """What kind of screen it is, at the right of the title."""
        return "result"

    def styler(self, now: float) -> Styler:
        """How cells look at `now`."""
        return unstyled

    def status_text(self, width: int, now: float) -> str:
        """The figures at the foot."""
        only = f' with "{self.grid.place.only}"' if self.grid.place.only else ""
        at = min(self.grid.place.row + 1, self.grid.count)
        return f"row {at:,} of {self.grid.count:,}{only}"

    def _status(self, width: int, now: float) -> Line:
        if self.typing is not None:
            return fitted([("status", f" {self.typing.label}{self.typing.text}"), ("cursor", " ")], width)
        if self.message:
            return fitted([("status", f" {self.message}")], width)
        text = self.status_text(width, now)
        return fitted([("status", " " + (text if self.unicode else text.replace("·", "-")))], width)

    def _help_lines(self) -> list[Line]:
        room = max(text_width(key) for key, _ in self.keys) + 2
        lines: list[Line] = [[]]
        lines += [[("", "  "), ("key", key.ljust(room)), ("", meaning)] for key, meaning in self.keys]
        return [*lines, [], [("dim", "  any key goes back")]]

    def _chart_lines(self, kind: str, width: int, height: int) -> list[Line]:
        """A chart of the chosen column, or the first one of numbers; rows in the order shown."""
        self.grid.show(self.rows, height)
        schema, place = self.rows.schema, self.grid.place
        numbers = [n for n, f in enumerate(schema) if types.is_numeric(f.type)]
        if not numbers:
            return [[], [("dim", "  a chart needs a column of numbers")]]
        chosen = numbers if kind == "spark" else [place.column if place.column in numbers else numbers[0]]
        label = next((n for n in range(len(schema)) if n not in numbers), 0)
        most = height if kind == "bar" else _CHART_ROWS
        positions = self.grid.order(self.rows, place.top + most)[place.top : place.top + most]
        columns = [label, *(number for number in chosen if number != label)]
        table = pa.Table.from_batches([self.rows.take(positions).select(columns)])
        lines = chart(table, kind=kind, width=width - 2, height=max(1, height - 2), unicode=self.unicode)
        return [[("", " " + line)] for line in lines]


def result_rows(table: pa.Table) -> FixedRows:
    """A result as rows to be shown."""
    return FixedRows(table.schema, table.to_batches())
