"""Sorting rows inside partitions by SQL's ORDER BY, and row_number, rank and dense_rank of the sorted rows.

Values become int64 codes that sort as the values do (texts: their rank among the rows at hand), so every sort is one
numeric lexsort.  Only rows that tie in ORDER BY look at the remaining columns.  NaN is above all numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.state.arrow_buffers import plain, validity
from sqlengine.state.fingerprint import fingerprints
from sqlengine.state.order_codes import has_order_codes, order_codes

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
OrderKey = tuple[int, bool, bool]
"""Column, descending, nulls first."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Rows of several partitions in order: positions of the rows given, the start of each partition's segment, for
    every sorted row its segment, and whether its ORDER BY value differs from the row before in the segment."""

    order: Ints
    starts: Ints
    segment: Ints
    differs: Mask

    def ranks(self, function: str) -> Ints:
        """row_number, rank or dense_rank of every sorted row, from 1."""
        place = np.arange(len(self.order), dtype=np.int64)
        begin = self.starts[self.segment] if len(place) else place
        if function == "row_number":
            return place - begin + 1
        if function == "rank":
            return np.maximum.accumulate(np.where(self.differs, place, 0)) - begin + 1 if len(place) else place
        groups = np.cumsum(self.differs)
        return groups - (groups[begin] if len(place) else 0) + 1


def sort_rows(slots: Ints, keys: Sequence[Ints], ties: Sequence[pa.Array]) -> Sorted:
    """Sort rows by partition slot, then by `keys` (codes, most significant first), then by the columns `ties`."""
    order = np.lexsort((*reversed(keys), slots))
    segment_start, differs = _changes(slots, keys, order)
    if ties and not differs.all():
        order = _break_ties(order, differs, ties)
    starts = np.flatnonzero(segment_start)
    return Sorted(order, starts, np.cumsum(segment_start) - 1, differs)


def _changes(slots: Ints, keys: Sequence[Ints], order: Ints) -> tuple[Mask, Mask]:
    """For sorted rows: does the slot, does the slot or a key, differ from the row before."""
    start = np.ones(len(order), dtype=bool)
    start[1:] = np.diff(slots[order]) != 0
    differs = start.copy()
    for key in keys:
        differs[1:] |= np.diff(key[order]) != 0
    return start, differs


def _break_ties(order: Ints, differs: Mask, ties: Sequence[pa.Array]) -> Ints:
    """Sort each run of equal keys by the tie columns, ascending, NULLs last."""
    group = np.cumsum(differs)
    tied = np.flatnonzero(~differs)
    places = np.union1d(tied, tied - 1)
    rows = order[places]
    index = pa.array(rows)
    codes = [code for column in ties for code in sort_codes(column.take(index), False, False)]
    order = order.copy()
    order[places] = rows[np.lexsort((*reversed(codes), group[places]))]
    return order


def sort_codes(column: pa.Array, descending: bool, nulls_first: bool) -> list[Ints]:
    """A column as int64 keys (most significant first) whose ascending order is the order asked for."""
    valid = validity(column)
    codes = [~c if descending else c for c in _value_codes(plain(column))]
    if valid is None:
        return codes
    present = valid.astype(np.int64)
    return [present if nulls_first else 1 - present, *(np.where(valid, c, 0) for c in codes)]


def _value_codes(column: pa.Array) -> list[Ints]:
    """Ascending codes of the values; NULLs hold anything."""
    if has_order_codes(column.type):
        return [order_codes(column)]
    if pa.types.is_boolean(column.type):
        return [np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False)).astype(np.int64)]
    try:
        ranks = pc.rank(column, sort_keys="ascending", tiebreaker="dense")
    except pa.ArrowNotImplementedError:
        return list(fingerprints([column], len(column)).T)  # no order in SQL either: any fixed one will do
    return [np.asarray(ranks).astype(np.int64)]
