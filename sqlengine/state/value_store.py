"""ValueStore: one value of any Arrow type (or NULL) per group slot, overwritten in place.

Why: first, last, arg_min and text extremes keep a value per group.  Values are kept as codec words; a dictionary that
overwritten values leave behind is rebuilt from the live ones once it is mostly garbage.
It must not know when a value should be replaced.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.key_index import codec
from sqlengine.state.slot_arrays import SlotArrays
from sqlengine.state.spill import breathe

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class ValueStore:
    """Values of `dtype` by slot; NULL until set."""

    def __init__(self, dtype: pa.DataType) -> None:
        self.type = dtype
        self._codec = codec(dtype)
        self._slots = self._empty()

    def _empty(self) -> SlotArrays:
        words = {f"w{i}": ("i8", 0) for i in range(self._codec.words)}
        return SlotArrays(valid=("u1", 0), **words)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._slots.nbytes + self._codec.nbytes

    def grow(self, size: int) -> None:
        """Slots up to `size` exist from now on."""
        self._slots.grow(size)

    def set(self, slots: Ints, values: pa.Array) -> None:
        """Store values[i] at slots[i]; of a repeated slot the last one stays."""
        values = buffers.plain(values)
        valid = buffers.validity(values)
        for i, words in enumerate(self._codec.encode(values, valid)):
            self._slots[f"w{i}"][slots] = words
        self._slots["valid"][slots] = 1 if valid is None else valid
        if self._codec.size > 1024 + 2 * self._slots.size:
            self._renew()

    def get(self, slots: Ints) -> pa.Array:
        """The values of the slots."""
        valid = self._slots["valid"][slots] != 0
        words = [self._slots[f"w{i}"][slots] for i in range(self._codec.words)]
        breathe()
        return buffers.wrap(self._codec.decode(words, None if valid.all() else valid), self.type)

    def compact(self, keep: Mask) -> None:
        """Keep the slots where `keep` is true, in order."""
        self._slots.compact(keep)

    def rows(self, slots: Ints) -> pa.Table:
        """One column `value`, one row per slot given."""
        return pa.table({"value": self.get(slots)})

    def restore(self, table: pa.Table) -> None:
        """Replace all values by a snapshot's."""
        for _ in self.restored(table):
            pass

    def restored(self, table: pa.Table) -> Iterator[None]:
        """`restore`, with a stop behind each part of the values."""
        self._codec = codec(self.type)
        self._slots = self._empty()
        self.grow(table.num_rows)
        first = 0
        for batch in table.to_batches():
            self.set(np.arange(first, first + batch.num_rows), batch.column("value"))
            first += batch.num_rows
            yield

    def _renew(self) -> None:
        """Rebuild the dictionary from the live values."""
        self.restore(self.rows(np.arange(self._slots.size)))
