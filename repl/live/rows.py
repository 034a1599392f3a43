"""Rows a grid can show: what it asks of them, and rows that stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.pgtext import to_text_array
from sqlengine.state.row_arena import RowArena
from sqlengine.text_style import TextStyle

Ints = npt.NDArray[np.int64]


class Rows(Protocol):
    """Numbered rows of one schema."""

    @property
    def schema(self) -> pa.Schema:
        """Their columns."""
        ...

    @property
    def num_rows(self) -> int:
        """How many there are."""
        ...

    def take(self, positions: Ints) -> pa.RecordBatch:
        """The rows at positions, in that order."""
        ...

    def column(self, number: int) -> pa.Array:
        """All values of a column."""
        ...


class FixedRows:
    """Rows that are only ever added to."""

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch] = ()) -> None:
        self._arena = RowArena(schema)
        for batch in batches:
            self.add(batch)

    def add(self, batch: pa.RecordBatch) -> None:
        """Rows at the end."""
        self._arena.append(batch)

    @property
    def schema(self) -> pa.Schema:
        """See Rows."""
        return self._arena.schema

    @property
    def num_rows(self) -> int:
        """See Rows."""
        return self._arena.num_rows

    def take(self, positions: Ints) -> pa.RecordBatch:
        """See Rows."""
        return self._arena.take_batch(positions)

    def column(self, number: int) -> pa.Array:
        """See Rows."""
        return self._arena.take(np.arange(self.num_rows), [number])[0]


def matching(rows: Rows, text: str, timezone: str) -> npt.NDArray[np.bool_]:
    """bool[n]: the rows that have `text` in one of their values, as it is written, whatever the case."""
    found = np.zeros(rows.num_rows, bool)
    for number in range(len(rows.schema)):
        texts = to_text_array(rows.column(number), TextStyle(timezone))
        hit = pc.match_substring(texts, text, ignore_case=True).fill_null(False)
        found |= hit.to_numpy(zero_copy_only=False)
    return found


def sorted_positions(rows: Rows, column: int, descending: bool, timezone: str, first: int | None) -> Ints:
    """The positions in the order of a column, NULL last, equal values as they came; with `first` only so many."""
    values = _sortable(rows.column(column), timezone)
    table = pa.table({"value": values, "place": pa.array(np.arange(len(values)))})
    keys = [("value", "descending" if descending else "ascending"), ("place", "ascending")]
    if first is None or 2 * first > len(values) or values.null_count:
        order = pc.sort_indices(table, sort_keys=keys)
    else:
        order = pc.select_k_unstable(table, first, sort_keys=keys)
    return order.to_numpy().astype(np.int64)


def _sortable(values: pa.Array, timezone: str) -> pa.Array:
    """Values that Arrow can sort; of types that it cannot, their texts."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind):
        return values
    if (pa.types.is_temporal(kind) and not pa.types.is_interval(kind)) or pa.types.is_decimal128(kind):
        return values
    if pa.types.is_boolean(kind):
        return values.cast(pa.int8())
    return to_text_array(values, TextStyle(timezone))
