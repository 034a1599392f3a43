"""Waiting: deltas that contents have yet to take in, in order, with their rows and bytes.

Why: a stream of small inserts leaves thousands of them; taking in a part must cost as much as the part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sqlengine.delta import Delta
from sqlengine.quick_dataclass import dataclass

Ints = npt.NDArray[np.int64]

DELTA_ROWS = 32
"""A delta costs at least as much as so many rows, when there are few in it."""
SPANS_MAX = 64
"""Into more parts than these a delta is not cut: its rows are numbered instead."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a delta, all when `rows` is None; `of_a_kind`: all go, or all come."""

    delta: Delta
    rows: Ints | None
    num_rows: int
    num_bytes: int
    of_a_kind: bool = False

    def whole(self) -> Delta:
        """The rows."""
        return self.delta if self.rows is None else self.delta.take(self.rows)

    def cut(self, num_rows: int) -> tuple[_Part, _Part]:
        """So many rows, fewer than there are, and the others."""
        return self._span(0, num_rows, self.of_a_kind), self._span(num_rows, self.num_rows, self.of_a_kind)

    def _span(self, start: int, stop: int, of_a_kind: bool) -> _Part:
        size = self.num_bytes * (stop - start) // self.num_rows
        if self.rows is not None:
            return _Part(self.delta, self.rows[start:stop], stop - start, size, of_a_kind)
        return _Part(self.delta.span(start, stop), None, stop - start, size, of_a_kind)

    def deletions_first(self) -> list[_Part]:
        """The rows, those that go before those that come; no row is copied."""
        if self.of_a_kind or self.delta.weights is None:
            return [self]
        goes = self.delta.weights < 0
        cuts = np.flatnonzero(goes[1:] != goes[:-1]) + 1
        if not len(cuts) or (len(cuts) == 1 and goes[0]):
            return [self]
        if len(cuts) > SPANS_MAX:
            kinds = np.flatnonzero(goes), np.flatnonzero(~goes)
            sizes = [self.num_bytes * len(rows) // self.num_rows for rows in kinds]
            return [_Part(self.delta, rows, len(rows), size, True) for rows, size in zip(kinds, sizes, strict=True)]
        edges = [0, *cuts.tolist(), self.num_rows]
        spans = [self._span(start, stop, True) for start, stop in zip(edges[:-1], edges[1:], strict=True)]
        return sorted(spans, key=lambda span: bool(span.delta.weight_array()[0] > 0))


class Waiting:
    """`rows`, `bytes`: of all of them."""

    def __init__(self) -> None:
        self._parts: deque[_Part] = deque()
        self.rows = self.bytes = 0

    def __len__(self) -> int:
        """Deltas, and parts of such."""
        return len(self._parts)

    @property
    def cost_rows(self) -> int:
        """As many rows as taking in everything costs, or fewer."""
        return max(self.rows, DELTA_ROWS * len(self._parts))

    @property
    def only_inserts(self) -> bool:
        """Whether nothing is taken back."""
        return all(part.delta.weights is None for part in self._parts)

    def append(self, delta: Delta) -> None:
        """One more, behind all others."""
        part = _Part(delta, None, delta.num_rows, delta.batch.nbytes)
        self._parts.append(part)
        self._count(part, 1)

    def extend(self, deltas: Iterable[Delta]) -> None:
        """More, behind all others."""
        for delta in deltas:
            self.append(delta)

    def take_all(self) -> list[Delta]:
        """All of them; none wait any more."""
        found = [part.whole() for part in self._parts]
        self._parts.clear()
        self.rows = self.bytes = 0
        return found

    def take(self, rows_max: int, bytes_max: int, by_key: bool) -> list[Delta]:
        """The first, as far as taking them in costs no more than so many rows and bytes, but at least a row; one delta
        is cut where that is needed, `by_key` so that what goes comes before what comes."""
        head: list[Delta] = []
        cost = size = 0
        while self._parts:
            part = self._parts[0]
            cost, size = cost + max(DELTA_ROWS, part.num_rows), size + part.num_bytes
            is_large = part.num_rows > rows_max or part.num_bytes > bytes_max
            if head and (is_large or cost > rows_max or size > bytes_max):
                break
            self._count(self._parts.popleft(), -1)
            if is_large:
                return [self._first_of(part, rows_max, bytes_max, by_key)]
            head.append(part.whole())
        return head

    def _first_of(self, part: _Part, rows_max: int, bytes_max: int, by_key: bool) -> Delta:
        """The first rows of one; the rest waits, before all others."""
        first, *rest = part.deletions_first() if by_key else [part]
        most = max(1, min(rows_max, bytes_max * first.num_rows // max(1, first.num_bytes)))
        if first.num_rows > most:
            first, left = first.cut(most)
            rest = [left, *rest]
        for each in reversed(rest):
            self._parts.appendleft(each)
            self._count(each, 1)
        return first.whole()

    def _count(self, part: _Part, sign: int) -> None:
        self.rows += sign * part.num_rows
        self.bytes += sign * part.num_bytes
