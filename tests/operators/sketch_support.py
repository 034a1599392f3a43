"""What the tests of sketches share: an accumulator filled in pieces, through merges and restarts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.functions.aggregates import aggregate
from sqlengine.operators.aggregates import accumulator
from sqlengine.operators.aggregates.base import NO_INTS, Accumulator, Inputs
from sqlengine.plan.nodes import AggregateCall

Ints = npt.NDArray[np.int64]


def call_of(function: str, kind: pa.DataType, *constants: object) -> AggregateCall:
    """A call over column 0 of a type."""
    found = aggregate(function)
    assert found is not None
    result = found.result_type([kind])
    listed = any(isinstance(c, tuple) for c in constants)
    return AggregateCall(function, (0,), pa.list_(result) if listed else result, constants=constants)


def empty(call: AggregateCall, kind: pa.DataType, append_only: bool = True) -> Accumulator:
    """A new accumulator of such a call."""
    return accumulator(call, pa.schema([("x", kind)]), append_only)


def add(to: Accumulator, slots: Ints, values: pa.Array) -> None:
    """One batch."""
    to.grow(max(to.slots.size, int(slots.max(initial=-1)) + 1))
    to.update(slots, Inputs([values], len(values), NO_INTS, 0))


def filled(
    call: AggregateCall, slots: Ints, values: pa.Array, pieces: Sequence[int] = (), append_only: bool = True
) -> Accumulator:
    """Rows of the groups `slots`, cut into batches at `pieces`."""
    made = empty(call, values.type, append_only)
    made.grow(int(slots.max(initial=-1)) + 1)
    bounds = [0, *sorted(pieces), len(slots)]
    for start, stop in zip(bounds, bounds[1:], strict=False):
        add(made, slots[start:stop], values.slice(start, stop - start))
    return made


def merged(call: AggregateCall, slots: Ints, values: pa.Array, parts: Ints) -> Accumulator:
    """The same rows by way of a partial result for each (part, group)."""
    groups = int(slots.max(initial=-1)) + 1
    partial = filled(call, parts * groups + slots, values)
    partial.grow((int(parts.max(initial=0)) + 1) * groups)
    made = empty(call, values.type)
    made.grow(groups)
    sources = np.arange(partial.slots.size)
    made.merge(sources % groups, partial, sources)
    return made


def reopened(old: Accumulator, call: AggregateCall, kind: pa.DataType) -> Accumulator:
    """Another accumulator that continues from the state."""
    made = empty(call, kind)
    state = old.rows(np.arange(old.slots.size)) | old.rest()
    state |= {name: t for section in old.sections().values() for name, t in section.whole().items()}
    made.restore({name: pa.Table.from_batches(t.to_batches(), t.schema) for name, t in state.items()})
    made.grow(old.slots.size)
    return made


def answers(of: Accumulator) -> list[object]:
    """The result of every group."""
    result = of.result(np.arange(of.slots.size))
    assert result.type == of.type
    return result.to_pylist()
