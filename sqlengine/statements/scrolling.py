"""Where a cursor stands in rows that are all there, and what FETCH takes from there.

Rows count from 1; 0 is before the first, one more than the last is behind it.  The rules are those of PostgreSQL's
DoPortalRunFetch (src/backend/tcop/pquery.c).
"""

from __future__ import annotations

from sqlengine.errors import Error, ObjectNotReady
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast


@dataclass(slots=True)
class Scroll:
    """`count` rows, of which `at` is the present one; `goes_back`: not declared NO SCROLL."""

    count: int
    goes_back: bool = True
    at: int = 0

    def take(self, way: ast.Way, rows: int | None, moves: bool) -> range:
        """Places (from 0) of the rows that are passed, in their order; `rows` None: all. ObjectNotReady
        (55000) for a way back that was declared not to be gone."""
        match way:
            case "absolute":
                return self._absolute(rows or 0)
            case "relative":
                return self._relative(rows or 0, moves)
            case "backward" if rows is None:
                return self._back(self.at)
            case "backward":
                rows = -(rows or 0)
        if rows is None:
            return self._on(self.count + 1)
        return self._present(moves) if rows == 0 else self._on(rows) if rows > 0 else self._back(-rows)

    def _on(self, rows: int) -> range:
        first, self.at = self.at, min(self.at + rows, self.count + 1)
        return range(first, min(first + rows, self.count))

    def _back(self, rows: int) -> range:
        self._need_to_go_back()
        before, self.at = self.at, max(self.at - rows, 0)
        return range(before - 2, max(self.at, 1) - 2, -1)

    def _present(self, moves: bool) -> range:
        """The row on which it stands, once more."""
        if not 1 <= self.at <= self.count:
            return range(0)
        if not moves:
            self._need_to_go_back()
        return range(self.at - 1, self.at)

    def _absolute(self, place: int) -> range:
        if place < 0:
            self._need_to_go_back()
            self.at = self.count + 1
            return self._relative(place, moves=False)
        if place <= self.at and self.at > 0:
            self._need_to_go_back()
        self.at = max(min(place - 1, self.count + 1), 0)
        return self._on(1) if place else range(0)

    def _relative(self, rows: int, moves: bool) -> range:
        if rows == 0:
            return self._present(moves)
        if rows > 0:
            self._on(rows - 1)
            return self._on(1)
        self._back(-rows - 1)
        return self._back(1)

    def _need_to_go_back(self) -> None:
        if not self.goes_back:
            raise only_forward("declare it with SCROLL option to enable backward scan")


def only_forward(hint: str) -> Error:
    """What a cursor answers that cannot go back."""
    return ObjectNotReady("cursor can only scan forward", hint=hint)
