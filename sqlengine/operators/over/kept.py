"""Which rows of a partition later ones still need, where rows come in the order of the window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.operators.over.bounds import order_values, places
from sqlengine.operators.ranking import Sorted
from sqlengine.plan.nodes import Kept

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def needed(kept: Kept, by: Sorted, order: pa.Array) -> Mask:
    """Which of the sorted rows are among those kept; `order`: their first ORDER BY column."""
    at = places(by)
    found: Mask = at.end - np.arange(1, len(by.order) + 1) < kept.rows
    if kept.groups:
        found |= at.group[at.end - 1] - at.group < kept.groups
    if kept.distance is not None:
        values = order_values(order, False, False)
        if values is None:  # NaN has no distance: every row stays
            return np.ones(len(by.order), dtype=bool)
        found |= ~values.valid | (values.ascending > values.ascending[at.end - 1] - kept.distance)
    return found


def tail(by: Sorted, chosen: Ints) -> Sorted:
    """Of sorted rows only some, which stand together at the end of their partitions and begin with no equal of the row
    before them."""
    segment = by.segment[chosen]
    begins = np.ones(len(chosen), dtype=bool)
    begins[1:] = segment[1:] != segment[:-1]
    starts = np.flatnonzero(begins)
    return Sorted(np.arange(len(chosen)), starts, np.cumsum(begins) - 1, by.differs[chosen] | begins, by.alike)
