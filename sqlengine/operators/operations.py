"""A delta as a sequence of operations: what a changelog calls each row, and in which order.

Deletions come first, then updates as before and after, then insertions.  A row that goes and one of the same key that
comes in one delta are an update; without known keys there are no updates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sqlengine.delta import Delta, Weights
from sqlengine.state.key_index import KeyIndex

Ints = npt.NDArray[np.int64]

INSERT, DELETE, UPDATE_AFTER, UPDATE_BEFORE = 1, 2, 3, 4
"""The numbers RisingWave gives them in `changelog_op`."""

_NUMBERS = np.array([DELETE, UPDATE_BEFORE, INSERT, UPDATE_AFTER], dtype=np.int64)
"""By 2 * (the row comes) + (it is half of an update)."""


def operations(delta: Delta, keys: Sequence[int] | None) -> tuple[Ints, Ints]:
    """(positions of rows in order, a row of weight n n times; the operation of each).

    `keys`: columns that identify a row of the accumulated deltas; () when there is one row at most, None = unknown.
    """
    weights = delta.weight_array()
    paired, slots = _updates(delta, weights, keys)
    comes = weights > 0
    kinds = 2 * comes.astype(np.int64) + paired
    phase = np.where(paired, 1, 2 * comes.astype(np.int64))
    order = np.lexsort((comes, np.where(paired, slots, 0), phase))
    rows = np.repeat(order, np.abs(weights[order]))
    return rows, _NUMBERS[kinds[rows]]


def _updates(delta: Delta, weights: Weights, keys: Sequence[int] | None) -> tuple[npt.NDArray[np.bool_], Ints]:
    """(bool[n]: the row is half of an update, int64[n]: equal for rows of one key)."""
    n = delta.num_rows
    slots = np.zeros(n, dtype=np.int64)
    if keys is None or (weights > 0).all() or (weights < 0).all():
        return np.zeros(n, dtype=bool), slots
    if keys:
        index = KeyIndex([delta.batch.schema.field(k).type for k in keys])
        slots = index.insert([delta.batch.column(k) for k in keys])
    goes, comes = (np.bincount(slots[side], minlength=int(slots.max()) + 1) for side in (weights < 0, weights > 0))
    return ((goes == 1) & (comes == 1))[slots], slots
