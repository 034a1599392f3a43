"""count(*), count(x), bool_and and bool_or: nothing but counts."""

from __future__ import annotations

from typing import Self

import numpy as np
import pyarrow as pa

from sqlengine.kernels import group
from sqlengine.operators.aggregates.base import NO_BYTES, Accumulator, Inputs, Ints, Spec
from sqlengine.state import arrow_buffers as buffers


class Count(Accumulator):
    """Rows, or rows whose argument is not NULL."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, count=("i8", 0))
        self._column = spec.call.args[0] if spec.call.args else None

    def update(self, slots: Ints, inputs: Inputs) -> None:
        valid = NO_BYTES if self._column is None else inputs.valid(self._column)
        group.count(self.slots["count"], slots, valid, inputs.weights)

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        group.count(self.slots["count"], slots, NO_BYTES, other.slots["count"][other_slots])

    def result(self, slots: Ints) -> pa.Array:
        return buffers.from_ints(self.slots["count"][slots], self.type)


class Truth(Accumulator):
    """bool_and and bool_or: how many values are true, how many false; NULL of none."""

    def __init__(self, spec: Spec, every: bool) -> None:
        super().__init__(spec, true=("i8", 0), false=("i8", 0))
        self._column = spec.call.args[0]
        self._every = every

    def update(self, slots: Ints, inputs: Inputs) -> None:
        values = inputs.array(self._column)
        if pa.types.is_null(values.type):
            return
        filled = values.fill_null(False) if values.null_count else values
        true = np.asarray(filled.to_numpy(zero_copy_only=False)).view(np.uint8)
        valid = inputs.valid(self._column)
        group.count(self.slots["true"], slots, true, inputs.weights)
        group.count(self.slots["false"], slots, (1 - true) & valid if len(valid) else 1 - true, inputs.weights)

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        for name in ("true", "false"):
            group.count(self.slots[name], slots, NO_BYTES, other.slots[name][other_slots])

    def result(self, slots: Ints) -> pa.Array:
        true, false = self.slots["true"][slots], self.slots["false"][slots]
        answer = false == 0 if self._every else true > 0
        return buffers.from_bools(answer, (true > 0) | (false > 0))
