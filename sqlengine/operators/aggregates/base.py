"""Accumulator, the one interface of aggregates, and Inputs, what it reads of a batch.

An accumulator holds the state of one aggregate call for all groups, in arrays indexed by group slot.  Every update is
a weighted change, so deletions (weight -1) need no other path.  An accumulator must not know keys, windows or deltas.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.functions.casting import decimal_to_float
from sqlengine.operators.base import State
from sqlengine.plan.nodes import AggregateCall
from sqlengine.quick_dataclass import dataclass
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.section import Sections
from sqlengine.state.slot_arrays import SlotArrays

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

NO_BYTES: Bytes = np.empty(0, dtype=np.uint8)
"""As a validity: no value is NULL."""
NO_INTS: Ints = np.empty(0, dtype=np.int64)
"""As weights: every row counts once."""


class Inputs:
    """The rows of one batch as aggregates read them; each column is converted once, whoever asks.

    `weights`: int64[n] or NO_INTS; `arrival`: the arrival number of the first row, or of each row.
    """

    def __init__(self, columns: Sequence[pa.Array], num_rows: int, weights: Ints, arrival: int | Ints) -> None:
        self._columns = columns
        self.num_rows = num_rows
        self.weights = weights
        self._arrival = arrival
        self._cache: dict[tuple[str, int], npt.NDArray] = {}

    @property
    def arrivals(self) -> Ints:
        """The arrival number of each row."""
        if isinstance(self._arrival, int):
            self._arrival = np.arange(self._arrival, self._arrival + self.num_rows, dtype=np.int64)
        return self._arrival

    def array(self, column: int) -> pa.Array:
        """The column without extension type or dictionary."""
        return buffers.plain(self._column(column))

    def _column(self, column: int) -> pa.Array:
        return self._columns[column]

    def valid(self, column: int) -> Bytes:
        """uint8[n], 0 where NULL, or NO_BYTES."""
        if self._column(column).null_count == 0:
            return NO_BYTES
        key = ("valid", column)
        if key not in self._cache:
            mask = buffers.validity(self.array(column))
            self._cache[key] = NO_BYTES if mask is None else mask.view(np.uint8)
        return self._cache[key]

    def ints(self, column: int) -> Ints:
        """A whole-number column as int64."""
        values = self.array(column)
        kind = "u" if pa.types.is_unsigned_integer(values.type) else "i"
        return buffers.fixed(values, f"{kind}{values.type.bit_width // 8}").astype(np.int64, copy=False)

    def floats(self, column: int) -> Floats:
        """A numeric column as float64."""
        key = ("float", column)
        if key not in self._cache:
            self._cache[key] = _as_floats(self.array(column))
        return self._cache[key]

    def take(self, rows: Ints) -> Inputs:
        """The chosen rows only."""
        return ChosenInputs(self, rows)


class ChosenInputs(Inputs):
    """Some rows of a batch; a column is only taken when an aggregate asks for it (a filtered count(*) never does)."""

    def __init__(self, whole: Inputs, rows: Ints) -> None:
        weights = whole.weights[rows] if len(whole.weights) else NO_INTS
        super().__init__([], len(rows), weights, 0)
        self._whole = whole
        self._rows = rows
        self._taken: dict[int, pa.Array] = {}

    @property
    def arrivals(self) -> Ints:
        return self._whole.arrivals[self._rows]

    def _column(self, column: int) -> pa.Array:
        if column not in self._taken:
            self._taken[column] = self._whole._column(column).take(pa.array(self._rows))
        return self._taken[column]


def _as_floats(values: pa.Array) -> Floats:
    if pa.types.is_null(values.type):
        return np.zeros(len(values))
    if pa.types.is_decimal(values.type):
        values = decimal_to_float(values.type, pa.float64())(values)
    kind = "f" if pa.types.is_floating(values.type) else "u" if pa.types.is_unsigned_integer(values.type) else "i"
    return buffers.fixed(values, f"{kind}{values.type.bit_width // 8}").astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class Spec:
    """What a factory needs: the call, its arguments' types, and whether the input never deletes."""

    call: AggregateCall
    types: tuple[pa.DataType, ...]
    append_only: bool


class Accumulator:
    """Base of all accumulators: state in `slots`, plus whatever a subclass keeps in `parts()`."""

    def __init__(self, spec: Spec, **kinds: tuple[str, float]) -> None:
        self.spec = spec
        self.type = spec.call.type
        self.slots = SlotArrays(**kinds)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.slots.nbytes

    def grow(self, size: int) -> None:
        """Slots up to `size` exist from now on, empty."""
        self.slots.grow(size)

    def update(self, slots: Ints, inputs: Inputs) -> None:
        """Apply the weighted rows to their groups."""
        raise AssertionError("an accumulator updates")

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        """Add the state of other's `other_slots[i]` to slot `slots[i]`; slots may repeat."""
        raise AssertionError("an accumulator merges")

    def result(self, slots: Ints) -> pa.Array:
        """The aggregate's value of each slot, of exactly the call's type; OutOfRange (22003) when it does not fit."""
        raise AssertionError("an accumulator has a result")

    def compact(self, keep: Mask, moved: Ints) -> None:
        """Keep the slots where `keep` is true; `moved[old]` is the new slot or -1."""
        self.slots.compact(keep)

    def rows(self, slots: Ints) -> State:
        """The state by slot: tables with a row for each of these slots."""
        return {"slots": self.slots.rows(slots)}

    def sections(self) -> Sections:
        """State with positions of its own."""
        return {}

    def rest(self) -> State:
        """State without positions."""
        return {}

    def restore(self, state: State) -> None:
        """Replace all state by `rows` of all slots, the sections' rows and the rest."""
        self.slots.restore(state["slots"])

    def restored(self, state: State) -> Iterator[None]:
        """`restore`, with a stop behind each large part."""
        self.restore(state)
        yield
