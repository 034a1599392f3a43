"""WindowWinners: of the groups of each window only those with the best value of one aggregate.

While rows only come, counts and maxima only grow, so a window's best value and the groups that have it follow from what
they were and the groups a batch touched: nothing is sorted and no other group's row is ever made.  When windows close
instead of changing, the best of the closed groups leave.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.base import ChosenKeys, State, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.window_aggregate import ChangingWindows, WindowAggregateOperator
from sqlengine.plan.nodes import WindowAggregate, WindowWinners
from sqlengine.state.arrow_buffers import plain, validity
from sqlengine.state.marks import Marks
from sqlengine.state.order_codes import order_codes

Ints = npt.NDArray[np.int64]
Best = tuple[int, pa.RecordBatch]
"""A window's best code, and the rows of the groups that have it."""
LEAST = int(np.iinfo(np.int64).min)
NEAR = 1024
"""So many numbers more than there are windows are no reason to look for the distinct ones."""


class WindowWinnersOperator(WindowAggregateOperator):
    """See nodes.WindowWinners."""

    def __init__(self, node: WindowWinners) -> None:
        plain_node = WindowAggregate(**{f.name: getattr(node, f.name) for f in fields(WindowAggregate)})
        super().__init__(plain_node)
        self._column = len(node.keys) + 3 + node.best
        self._largest = node.aggregates[node.best].function != "min"
        self._winners: Winners | None = None
        if isinstance(self._state, ChangingWindows):
            self._winners = Winners(plain_node, self._input, node.best, self._largest)
            self._state = self._winners

    def advance(self, times: Times) -> Delta | None:
        change = super().advance(times)
        return change if change is None or self._winners is not None else self.best_closed(change)

    def best_closed(self, change: Delta) -> Delta:
        """Of rows of whole windows, the best of each window."""
        batch = change.batch
        ends = order_codes(plain(batch.column(len(self._state.node.keys) + 1)))
        values = codes_of(batch.column(self._column), self._largest)
        _, group = np.unique(ends, return_inverse=True)
        best = np.full(int(group.max(initial=0)) + 1, LEAST)
        np.maximum.at(best, group, values)
        return Delta(batch.take(pa.array(np.flatnonzero((values == best[group]) & (values != LEAST)))))

    @property
    def winners(self) -> Winners | None:
        """The best of each window so far; None when windows leave once, as they close."""
        return self._winners


def codes_of(values: pa.Array, largest: bool) -> Ints:
    """Values as int64 of which the greatest is the best; LEAST for NULL."""
    codes, valid = order_codes(plain(values)), validity(values)
    codes = codes if largest else ~codes
    return codes if valid is None else np.where(valid, codes, LEAST)


def numbered(windows: Ints) -> tuple[Ints, int]:
    """(the windows' numbers below a count, equal for equal windows; the count), windows that lie densely unsorted."""
    first = int(windows.min())
    span = int(windows.max()) - first + 1
    if span <= len(windows) + NEAR:
        return windows - first, span
    distinct, local = np.unique(windows, return_inverse=True)
    return local, len(distinct)


class Winners(ChangingWindows):
    """`best`: window -> (best code, slots of the groups that have it, their rows as they were last emitted)."""

    def __init__(self, node: WindowAggregate, source: object, best: int, largest: bool) -> None:
        super().__init__(node, source)  # type: ignore[arg-type]
        self._part = best
        self._largest = largest
        self.best: dict[int, tuple[int, Ints, pa.RecordBatch]] = {}
        self._news: dict[int, Best] = {}
        self._marks = Marks()
        self._grown: list[Ints] = []

    def take_news(self) -> dict[int, Best]:
        """The windows whose best may have changed in this tick, and what it is."""
        taken, self._news = self._news, {}
        return taken

    def _note(self, slots: Ints) -> None:
        touched, _ = self._densify(slots, self.index.size)
        self.changed.mark(touched)
        self._grown.append(self._marks.unmarked(touched, self.index.size))

    def _changed(self) -> Delta | None:
        if not self._grown:
            return None
        grown, self._grown = np.concatenate(self._grown), []
        self._marks.clear()
        return consolidate(concat(self._challenge_all(self._shown(grown))))

    def _newly_closed(self, before: int) -> Delta | None:
        return concat(self._challenge_all(self._closed_slots(before)))

    def _challenge_all(self, slots: Ints) -> list[Delta]:
        """Groups that changed, of any windows, may be among the best now; returns what that changes."""
        out: list[Delta] = []
        if not len(slots):
            return out
        windows = np.ascontiguousarray(self.index.words(slots)[:, 0])
        values = codes_of(self.aggregates.parts[self._part].result(slots), self._largest)
        local, count = numbered(windows)
        tops = np.full(count, LEAST)
        np.maximum.at(tops, local, values)
        best = np.flatnonzero(values == tops[local])
        best = best[np.argsort(windows[best], kind="stable")]
        begins = np.flatnonzero(np.diff(windows[best]))
        for those in np.split(best, begins + 1):
            self._challenge(int(windows[those[0]]), int(tops[local[those[0]]]), slots[those], out)
        return out

    def _challenge(self, window: int, top: int, challengers: Ints, out: list[Delta]) -> None:
        """Groups of one window have new values, the best of them `top` and the challengers'."""
        known = self.best.get(window)
        if top == LEAST or (known is not None and top < known[0]):
            return
        if known is not None:
            if top == known[0]:
                challengers = np.concatenate([known[1][~np.isin(known[1], challengers)], challengers])
            out.append(Delta(known[2]).negated())
        columns = [*self.group_columns(self.index.words(challengers)), *self.aggregates.results(challengers)]
        batch = pa.RecordBatch.from_arrays(columns, schema=self.node.schema)
        self.best[window] = top, challengers, batch
        self._news[window] = top, batch
        out.append(Delta(batch))

    def advance(self, watermark_us: int) -> Delta | None:
        final, size, self._news = self.final, self.index.size, {}
        change = super().advance(watermark_us)
        if self.final > final:  # winners of windows that take no more rows need not be known
            self.best = {w: b for w, b in self.best.items() if w > self.final}
        if self.index.size < size:
            self._find_slots()
        return change

    def restore(self, state: State) -> None:
        super().restore(state)
        self._find_slots()

    def keep(self, chosen: ChosenKeys) -> None:
        super().keep(chosen)
        self._find_slots()

    def _find_slots(self) -> None:
        """Slots have other numbers: the winners are looked up again, by what they are."""
        self.best = {}
        self._challenge_all(self._shown(np.flatnonzero(self._windows() > self.final)))
