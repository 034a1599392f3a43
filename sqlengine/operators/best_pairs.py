"""Of the pairs of a join, those that may hold a greatest or least value: what each row of one side has had so far says
which of its next pairs can be better.

What asks for no more (plan/rules/keep_best_pairs.py) then groups a fraction of the pairs, and the others are neither
looked at further nor put together.  What is remembered may be forgotten at any time: pairs come out again that change
nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import group
from sqlengine.operators.aggregates.base import NO_BYTES
from sqlengine.plan.nodes import Best
from sqlengine.state.arrow_buffers import validity
from sqlengine.state.growable import Growable
from sqlengine.state.order_codes import order_codes

Ints = npt.NDArray[np.int64]
Values = Callable[[int], pa.Array]
"""A column of the pairs by its place in the join's output."""

PAIRS_MIN = 256
"""Fewer pairs are not worth looking at."""
ROWS_MAX = 1 << 22
"""For more rows nothing is remembered: nine bytes each."""
_WORST = {True: np.iinfo(np.int64).min, False: np.iinfo(np.int64).max}


class _Column:
    """The best value of each row so far, as an order code."""

    def __init__(self, at: int, largest: bool) -> None:
        self.at, self.largest = at, largest
        self.best = Growable(int(_WORST[largest]))
        self.seen = Growable(0, np.uint8)

    def promising(self, rows: Ints, values: pa.Array) -> Ints | None:
        """The pairs whose value is better than what their row has; None where some cannot tell."""
        if values.null_count:
            return None
        codes = order_codes(values)
        if (codes == _WORST[self.largest]).any():
            return None
        return group.promising(self.best.values, rows, codes, self.largest)

    def better(self, rows: Ints, values: pa.Array) -> npt.NDArray[np.bool_]:
        """The pairs that were better than all before them, one after the other; and those that cannot tell."""
        codes, known = order_codes(values), validity(values)
        valid = NO_BYTES if known is None else known.view(np.uint8)
        found = group.improve(self.best.values, self.seen.values, rows, codes, valid, self.largest).view(np.bool_)
        return found if known is None else found | ~known

    def grow(self, rows: int) -> None:
        self.best.grow(rows)
        self.seen.grow(rows)


class BestPairs:
    """`rows` are the pairs' rows of the side, of which there are `num_rows`."""

    def __init__(self, best: Best) -> None:
        self.side = best.side
        self._wanted = best.columns
        self.forget()

    def forget(self) -> None:
        """Rows have other numbers."""
        self._columns = [_Column(at, largest) for at, largest in self._wanted]

    @property
    def nbytes(self) -> int:
        """Bytes of what is remembered."""
        return sum(column.best.nbytes + column.seen.nbytes for column in self._columns)

    def promising(self, rows: Ints, num_rows: int, values: Values) -> Ints | None:
        """Positions of the pairs that can be better, if they are pairs at all, than what has come; None for all."""
        if len(rows) < PAIRS_MIN or num_rows > ROWS_MAX:
            return None
        for column in self._columns:
            column.grow(num_rows)
        found: list[Ints] = []
        for column in self._columns:
            promising = column.promising(rows, values(column.at))
            if promising is None:
                return None
            found.append(promising)
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    def better(self, rows: Ints, num_rows: int, values: Values, *, lasting: bool) -> Ints | None:
        """Positions of the pairs that are; `lasting`: the rows stay, and what they have had is remembered."""
        if len(rows) < PAIRS_MIN or num_rows > ROWS_MAX:
            return None
        columns = self._columns if lasting else [_Column(at, largest) for at, largest in self._wanted]
        for column in columns:
            column.grow(num_rows)
        masks = [column.better(rows, values(column.at)) for column in columns]
        return np.flatnonzero(np.logical_or.reduce(masks))
