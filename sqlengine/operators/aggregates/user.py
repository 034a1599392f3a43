"""Aggregates a program registered: Python objects per group, or the group's rows kept and handed to the program.

Objects serve where they can do what the plan needs (`remove` when rows are taken back, `merge` for windows made of
panes); otherwise rows are kept and a touched group is computed anew.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pyarrow as pa

from sqlengine.errors import Error, NotSupportedError
from sqlengine.functions.registry import user_error
from sqlengine.functions.user import UserAggregate, typed_answers
from sqlengine.operators.aggregates.base import Accumulator, Inputs, Ints, Mask, Spec
from sqlengine.operators.aggregates.lists import KeptRows
from sqlengine.operators.base import State
from sqlengine.state.attributes import from_text, to_text


def body_of(spec: Spec) -> UserAggregate:
    """The program's side of a call."""
    assert spec.call.user is not None and spec.call.user.aggregate is not None
    return spec.call.user.aggregate


def user_aggregate(spec: Spec) -> Accumulator:
    """The accumulator of a call of a database's own aggregate."""
    body = body_of(spec)
    ordered = bool(spec.call.order_by)
    if body.make is not None and body.merges() and (spec.append_only or body.retracts()) and not ordered:
        return UserObjects(spec)
    return UserRows(spec)


class UserRows(KeptRows):
    """Every row of the group is kept; the program sees them all whenever the group changed."""

    def __init__(self, spec: Spec) -> None:
        call = spec.call
        columns = (*call.args, *(c for c, _, _ in call.order_by))
        width = len(call.args)
        order = tuple((width + i, desc, first) for i, (_, desc, first) in enumerate(call.order_by))
        super().__init__(spec, columns, list(spec.types), order, required=tuple(range(width)))
        self._width = width

    def result(self, slots: Ints) -> pa.Array:
        position, columns = self.sorted_rows(slots)
        ends = np.searchsorted(position, np.arange(len(slots) + 1))
        body = body_of(self.spec)
        kept = columns[: self._width]
        answers = [body.answer([c.slice(a, b - a) for c in kept]) for a, b in zip(ends, ends[1:], strict=False)]
        return typed_answers(body.name, answers, self.type)


class UserObjects(Accumulator):
    """One Python object a group."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._body = body_of(spec)
        self._objects: list[Any] = []

    @property
    def nbytes(self) -> int:
        return 64 * len(self._objects)

    def grow(self, size: int) -> None:
        super().grow(size)
        self._objects += [self._new() for _ in range(size - len(self._objects))]

    def _new(self) -> Any:
        assert self._body.make is not None
        return self._run(self._body.make)

    def _run(self, call: Any, *args: Any) -> Any:
        try:
            return call(*args)
        except Error:
            raise
        except Exception as err:
            raise user_error(self._body.name, err) from err

    def update(self, slots: Ints, inputs: Inputs) -> None:
        columns = [inputs.array(c).to_pylist() for c in self.spec.call.args]
        weights = inputs.weights.tolist() or [1] * len(slots)
        for slot, weight, row in zip(slots.tolist(), weights, zip(*columns, strict=True), strict=True):
            if None in row:
                continue
            target = self._objects[slot]
            for _ in range(abs(weight)):
                self._run(target.add if weight > 0 else target.remove, *row)

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        for slot, theirs in zip(slots.tolist(), other_slots.tolist(), strict=True):
            self._run(self._objects[slot].merge, other._objects[theirs])

    def result(self, slots: Ints) -> pa.Array:
        answers = [self._run(self._objects[slot].result) for slot in slots.tolist()]
        return typed_answers(self._body.name, answers, self.type)

    def compact(self, keep: Mask, moved: Ints) -> None:
        super().compact(keep, moved)
        self._objects = [o for o, kept in zip(self._objects, keep.tolist(), strict=True) if kept]

    def rows(self, slots: Ints) -> State:
        objects = [self._objects[slot] for slot in slots.tolist()]
        states = pa.array([_dumped(self._body.name, vars(o)) for o in objects], type=pa.string())
        return {"slots": pa.table({"state": states})}

    def restore(self, state: State) -> None:
        states = state["slots"].column("state").to_pylist()
        self.grow(len(states))
        for target, data in zip(self._objects, states, strict=True):
            vars(target).clear()
            vars(target).update(from_text(data))


def _dumped(name: str, attributes: dict[str, Any]) -> str:
    try:
        return to_text(attributes)
    except TypeError as err:
        raise NotSupportedError(
            f"aggregate {name} cannot be checkpointed: {err}",
            hint="its attributes must be numbers, texts, times, lists, dicts, sets or collections of these",
        ) from None
