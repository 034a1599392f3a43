"""SecondaryIndex: values of some columns of a store's rows to the rows that have them.

Why: rows are looked up by what is no key of the contents. A row that died stays in its chain until the store reclaims
dead rows; whoever looks up leaves it out. It must not keep rows or know which of them live.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.state.key_index import Column, KeyIndex
from sqlengine.state.row_chains import RowChains

Ints = npt.NDArray[np.int64]


class SecondaryIndex:
    """`columns`: positions in `schema`."""

    def __init__(self, schema: pa.Schema, columns: tuple[int, ...]) -> None:
        self._columns = columns
        self._index = KeyIndex([schema.field(c).type for c in columns])
        self._chains = RowChains()

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._index.nbytes + self._chains.nbytes

    def parts(self) -> list[object]:
        """What may leave memory."""
        return [self._index, self._chains]

    def add(self, batch: pa.RecordBatch, first_row: int, live: npt.NDArray[np.bool_] | None = None) -> None:
        """Take in rows numbered from `first_row` on; those not `live` are passed over."""
        columns = [batch.column(c) for c in self._columns]
        if live is None or live.all():
            slots = self._index.insert(columns, batch.num_rows)
        else:
            kept = pa.array(live)
            slots = np.full(batch.num_rows, -1, dtype=np.int64)
            slots[live] = self._index.insert([c.filter(kept) for c in columns], int(live.sum()))
        self._chains.insert(slots, first_row, self._index.size)

    def find(self, keys: Sequence[Column]) -> tuple[Ints, Ints]:
        """(positions in `keys`, rows, some of which may be dead), positions ascending; one array a column."""
        return self._chains.rows(self._index.find(keys))

    def renumber(self, new_row: Ints, kept: int) -> None:
        """The store has reclaimed dead rows: old row r is new_row[r], -1 when gone; `kept` rows remain."""
        self._chains.renumber_rows(new_row, kept)
        used = self._chains.used_slots(self._index.size)
        if 2 * int(used.sum()) < len(used):
            self._chains.renumber_slots(self._index.compact(used), self._index.size)
