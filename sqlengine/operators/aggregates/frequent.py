"""approx_top_k over an input that only grows: counts of the values that may be frequent, exact while they are few.

The counters of Misra and Gries, "Finding repeated elements" (1982): when a group has more than twice `reserved`
counted values, the `reserved` most frequent stay, with their counts less that of the next, yet at least 1.  What all
values lose is at least reserved + 1 times what one can lose, so of n rows a count loses at most n / (reserved + 1), and
a value with more rows than that is always counted (Anderson et al., "A high-performance algorithm for identifying
frequent items in data streams", 2017).  Counts of two groups add up within the same bound (Agarwal et al., "Mergeable
summaries", 2012).
"""

from __future__ import annotations

import numpy as np

from sqlengine.kernels import group
from sqlengine.operators.aggregates.base import NO_BYTES, NO_INTS, Ints, Spec
from sqlengine.operators.aggregates.distributions import MostFrequent
from sqlengine.operators.base import State
from sqlengine.sql.approximate import Frequent
from sqlengine.state.multiset import Changes
from sqlengine.state.sort_words import comparable_words


class MisraGries(MostFrequent):
    """`held`: how many values a slot counts."""

    def __init__(self, spec: Spec, asked: Frequent) -> None:
        super().__init__(spec, asked.k, held=("i8", 0))
        self._reserved = asked.reserved

    @property
    def nbytes(self) -> int:
        return super().nbytes + self.slots.nbytes

    def _applied(self, changes: Changes) -> None:
        born = self._values.slots(changes.entries[(changes.before == 0) & (changes.after != 0)])
        group.count(self.slots["held"], born, NO_BYTES, NO_INTS)
        many = np.unique(born[self.slots["held"][born] > 2 * self._reserved])
        if len(many):
            self._cut(many)
        super()._applied(changes)

    def _cut(self, slots: Ints) -> None:
        """Keep the `reserved` most frequent values of each slot; of equally frequent ones the least, so that a restart,
        which gives entries other numbers, changes nothing."""
        position, entries = self._values.entries(slots)
        counts = self._values.weights(entries)
        order = np.lexsort((comparable_words(self._values.values(entries)[0]), -counts, position))
        first = np.searchsorted(position, np.arange(len(slots)))
        kept = np.arange(len(order)) - first[position] < self._reserved
        cut = counts[order][first + self._reserved][position]
        left = np.where(kept, np.maximum(counts[order] - cut, 1), 0)
        self._values.set_weights(entries[order], left)
        self.slots["held"][slots] = self._reserved

    def rows(self, slots: Ints) -> State:
        return {"slots": self.slots.rows(slots)}

    def restore(self, state: State) -> None:
        self.slots.restore(state["slots"])
        self._values.restore(state["values"])
