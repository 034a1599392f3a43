"""Sorting rows inside partitions by SQL's ORDER BY, and row_number, rank and dense_rank of the sorted rows.

Values become int64 codes that sort as the values do (texts: their rank among the rows at hand).  One pass brings
partitions together and sorts them by the first column; every further column is looked at, and fetched, only for rows
that still tie.  NaN is above all numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.kernels import choose
from sqlengine.masks import truth
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.arrow_buffers import plain, validity
from sqlengine.state.fingerprint import fingerprints
from sqlengine.state.order_codes import has_order_codes, order_codes

if TYPE_CHECKING:
    from sqlengine.kernels import sorting_reference as kernel
else:
    kernel = choose("sorting", "sorting_reference")

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
OrderKey = tuple[int, bool, bool]
"""Column, descending, nulls first."""
Take = Callable[[int, "Ints | None"], pa.Array]
"""The values of a column: of the rows at the given positions, or of all."""

SPARSE = 8
"""Partition numbers so many times as many as rows are made dense before rows are counted by them."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Rows of several partitions in order: positions of the rows given, the start of each partition's segment, for
    every sorted row its segment, and whether its ORDER BY value differs from the row before in the segment.  `alike`:
    some rows are equal in all the columns they were sorted by."""

    order: Ints
    starts: Ints
    segment: Ints
    differs: Mask
    alike: bool

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


def sort_rows(slots: Ints, order_by: Sequence[OrderKey], ties: Sequence[int], take: Take) -> Sorted:
    """Sort rows by partition slot, then by `order_by`, rows it leaves equal by the columns `ties`, NULLs last."""
    order, begins, led = _by_partition(slots, order_by, take)
    starts = np.flatnonzero(begins)
    differs = begins.copy()
    if led is not None:
        differs[1:] |= np.diff(led[order]) != 0
    for key in order_by[led is not None :]:
        _refine(order, differs, key, take)
    apart = differs.copy() if ties else differs
    for column in ties:
        _refine(order, apart, (column, False, False), take)
    return Sorted(order, starts, np.cumsum(begins) - 1, differs, not apart.all())


def _by_partition(slots: Ints, order_by: Sequence[OrderKey], take: Take) -> tuple[Ints, Mask, Ints | None]:
    """(rows by partition and first key, where a partition begins, the first key's codes if it was sorted by)."""
    led = None
    if order_by:
        column, descending, nulls_first = order_by[0]
        values = take(column, None)
        if has_order_codes(values.type):
            codes = sort_codes(values, descending, nulls_first)
            led = codes[0] if len(codes) == 1 else None
    segments, size = slots, int(slots.max(initial=-1)) + 1
    if size > SPARSE * len(slots):
        known, segments = np.unique(slots, return_inverse=True)
        size = len(known)
    order, bounds = kernel.sort_segments(segments, size, np.zeros_like(slots) if led is None else led)
    begins = np.zeros(len(slots), dtype=bool)
    begins[bounds[:-1][np.diff(bounds) > 0]] = True
    return order, begins, led


def _refine(order: Ints, differs: Mask, key: OrderKey, take: Take) -> None:
    """Sort each run of equal rows by one more key, in place; rows that differ in it are marked."""
    tied = ~differs
    if not tied.any():
        return
    tied[:-1] |= tied[1:]
    places = np.flatnonzero(tied)
    rows = order[places]
    column, descending, nulls_first = key
    codes = sort_codes(take(column, rows), descending, nulls_first)
    runs = np.cumsum(differs[places]) - 1
    if len(codes) == 1:
        at, _ = kernel.sort_segments(runs, int(runs[-1]) + 1, codes[0])
    else:
        at = np.lexsort((*reversed(codes), runs))
    order[places] = rows[at]
    apart = np.zeros(len(places), dtype=bool)
    for code in codes:
        apart[1:] |= np.diff(code[at]) != 0
    differs[places] |= apart


def sort_codes(column: pa.Array, descending: bool, nulls_first: bool) -> list[Ints]:
    """A column as int64 keys (most significant first) whose ascending order is the order asked for; mostly one."""
    valid = validity(column)
    codes = [~c if descending else c for c in _value_codes(plain(column))]
    if valid is None:
        return codes
    if len(codes) == 1 and (beside := _beside(codes[0][valid], nulls_first)) is not None:
        return [np.where(valid, codes[0], beside)]
    present = valid.astype(np.int64)
    return [present if nulls_first else 1 - present, *(np.where(valid, c, 0) for c in codes)]


def _beside(codes: Ints, below: bool) -> int | None:
    """A code below (or above) all of the codes, None when there is no room."""
    if not len(codes):
        return 0
    extreme = int(codes.min() if below else codes.max())
    limits = np.iinfo(np.int64)
    if extreme == (limits.min if below else limits.max):
        return None
    return extreme - 1 if below else extreme + 1


def _value_codes(column: pa.Array) -> list[Ints]:
    """Ascending codes of the values; NULLs hold anything."""
    if has_order_codes(column.type):
        return [order_codes(column)]
    if pa.types.is_boolean(column.type):
        return [truth(column).astype(np.int64)]
    try:
        ranks = pc.rank(column, sort_keys="ascending", tiebreaker="dense")
    except pa.ArrowNotImplementedError:
        return list(fingerprints([column], len(column)).T)  # no order in SQL either: any fixed one will do
    return [np.asarray(ranks).astype(np.int64)]
