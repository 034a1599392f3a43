"""WITH RECURSIVE kept up to date: the change of a tick runs through the step until nothing new comes out.

Insertions are semi-naive: only new rows enter the step again (Bancilhon, "Naive Evaluation of Recursively Defined
Relations", 1986); the operators of the step answer a change of their input with the change of their output, also where
the rows are joined with themselves.

- UNION ALL: the step is linear.  A row's weight is its number of derivations, and the weights of a change are the
  change of the weights; the same loop serves insertions and deletions.
- UNION: the step is monotone.  Delete and re-derive (DRed; Gupta, Mumick and Subrahmanian, "Maintaining Views
  Incrementally", SIGMOD 1993): a row that lost a derivation is taken out with all that was derived from it, unless the
  base holds it; of those, the ones that still have a derivation from rows that stayed come back.  A row that lost none
  keeps the one it was first made by, so what stays is of the answer, and what comes back completes it.  Counts alone
  would let rows on a cycle hold each other up for ever.

Who reads this operator sees the net change once a tick, so it works in `advance`, when all of the tick has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.errors import TooComplex
from sqlengine.operators.base import NO_WATERMARK, Operator, State, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.row_errors import Failure
from sqlengine.operators.sub_flow import SubFlow
from sqlengine.plan import nodes
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.section import Changed, Section, Sections

Ints = npt.NDArray[np.int64]

ITERATIONS_MAX = 100_000
"""A recursion that is not done by then is taken for one that never ends."""

ROWS = "rows"
COMPACT_ABOVE = 1024
"""Rows that are gone are kept until there are so many of them and they are the majority."""


class Fixpoint(Protocol):
    """How one kind of UNION follows a tick's change."""

    def follow(self, base: Delta | None, outer: list[tuple[int, Delta]], now_us: int) -> Delta | None:
        """The change of the rows, given those of the base and of the step's other inputs (port, delta)."""
        ...

    def size(self) -> tuple[int, int]:
        """Rows and bytes kept beside the step's."""
        ...

    def sections(self) -> Sections:
        """All state but the step's."""
        ...

    def restore(self, state: State) -> None:
        """Replace it."""
        ...


class IterateOperator(Operator):
    """Port 0 brings the base, the others what the step reads besides its own rows; `build` makes operators."""

    def __init__(self, node: nodes.Iterate, build: Callable[[nodes.Node], Operator]) -> None:
        self.schema = node.schema
        self._step = SubFlow(node.step, build)
        self._fixpoint: Fixpoint = _AllRows(self._step) if node.all else _DistinctRows(self._step, node.schema)
        self._pending: list[list[Delta]] = [[] for _ in node.branches]

    @property
    def errors(self) -> IterateOperator:
        """Rows that raised in the step: see `take`."""
        return self

    def take(self) -> list[Failure]:
        """Rows that raised in the step since the last call."""
        return self._step.take_failures()

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        self._pending[port].append(delta)
        return None

    def advance(self, times: Times) -> Delta | None:
        changes = [consolidate(concat(deltas)) for deltas in self._pending]
        self._pending = [[] for _ in self._pending]
        outer = [(port, delta) for port, delta in enumerate(changes) if port and delta is not None]
        out = None
        if changes[0] is not None or outer:
            out = self._fixpoint.follow(changes[0], outer, times.now_us)
        self._step.finish(Times((NO_WATERMARK,), times.now_us))
        return out

    def state_size(self) -> Mapping[str, int]:
        rows, size = self._fixpoint.size()
        below = self._step.state_size()
        return {"rows": rows + below["rows"], "bytes": size + below["bytes"]}

    def sections(self) -> Sections:
        return {**self._fixpoint.sections(), **self._step.sections()}

    def rest(self) -> State:
        return self._step.rest()

    def restore(self, state: State) -> None:
        self._fixpoint.restore(state)
        self._step.restore(state)


class _Rounds:
    """Counts the rounds of one tick."""

    def __init__(self) -> None:
        self._left = ITERATIONS_MAX

    def next(self) -> None:
        """TooComplex (54001) when the recursion does not seem to end."""
        self._left -= 1
        if self._left < 0:
            raise TooComplex(
                f"recursion did not end within {ITERATIONS_MAX:,} rounds",
                hint="end it by a condition on a depth or, for graphs with cycles, by UNION instead of UNION ALL",
            )


class _AllRows:
    """UNION ALL."""

    def __init__(self, step: SubFlow) -> None:
        self._step = step

    def follow(self, base: Delta | None, outer: list[tuple[int, Delta]], now_us: int) -> Delta | None:
        found = [] if base is None else [base]
        for port, delta in outer:
            found += self._step.push(port, delta, now_us)
        out: list[Delta] = []
        rounds = _Rounds()
        while (change := consolidate(concat(found))) is not None:
            rounds.next()
            out.append(change)
            found = self._step.push(0, change, now_us)
        return consolidate(concat(out))

    def size(self) -> tuple[int, int]:
        return 0, 0

    def sections(self) -> Sections:
        return {}

    def restore(self, state: State) -> None:
        assert ROWS not in state


class _DistinctRows:
    """UNION: per row its derivations by the step, its copies in the base, and whether it is there."""

    def __init__(self, step: SubFlow, schema: pa.Schema) -> None:
        self._step = step
        self._schema = schema
        self._index = KeyIndex(schema.types)
        self._derivations, self._in_base, self._member = Growable(), Growable(), Growable()
        self._changed = Changed()
        self._lost: list[Ints] = []
        self._touched: list[Ints] = []

    def follow(self, base: Delta | None, outer: list[tuple[int, Delta]], now_us: int) -> Delta | None:
        self._lost, self._touched = [], []
        rounds = _Rounds()
        if base is not None:
            self._count(self._in_base, base)
        for port, delta in outer:
            self._derive(port, delta, now_us)
        before: list[tuple[Ints, Ints]] = []
        while len(gone := self._unsupported()):
            rounds.next()
            before.append(self._set_member(gone, 0))
            self._derive(0, self._rows(gone, -1), now_us)
        while len(born := self._supported()):
            rounds.next()
            before.append(self._set_member(born, 1))
            self._derive(0, self._rows(born, 1), now_us)
        return self._net(before)

    def _count(self, counts: Growable, delta: Delta) -> None:
        """Add a change to the counts; remembers which rows lost something and which were touched."""
        slots = self._index.insert(delta.batch.columns, delta.num_rows)
        for array in (self._derivations, self._in_base, self._member):
            array.grow(self._index.size)
        weights = delta.weight_array()
        np.add.at(counts.values, slots, weights)
        self._changed.mark(slots)
        self._touched.append(slots)
        self._lost.append(slots[weights < 0])

    def _derive(self, port: int, delta: Delta, now_us: int) -> None:
        for found in self._step.push(port, delta, now_us):
            self._count(self._derivations, found)

    def _unsupported(self) -> Ints:
        """Rows that are there, lost a derivation, and are not of the base."""
        lost, self._lost = _distinct(self._lost), []
        return lost[(self._member.values[lost] > 0) & (self._in_base.values[lost] <= 0)]

    def _supported(self) -> Ints:
        """Touched rows that are not there and have a derivation or are of the base."""
        touched, self._touched = _distinct(self._touched), []
        held = (self._derivations.values[touched] > 0) | (self._in_base.values[touched] > 0)
        return touched[held & (self._member.values[touched] == 0)]

    def _set_member(self, slots: Ints, value: int) -> tuple[Ints, Ints]:
        """Put rows in or out; returns them with what they were."""
        was = self._member.values[slots].copy()
        self._member.values[slots] = value
        self._changed.mark(slots)
        return slots, was

    def _rows(self, slots: Ints, weight: int) -> Delta:
        batch = pa.RecordBatch.from_arrays(self._index.columns(slots), schema=self._schema)
        return Delta(batch, None if weight == 1 else np.full(len(slots), weight, dtype=np.int64))

    def _net(self, before: list[tuple[Ints, Ints]]) -> Delta | None:
        """The rows whose membership is another than before the tick, retractions first; then forgets dead rows."""
        if not before:
            return None
        slots, was = (np.concatenate(column) for column in zip(*before, strict=True))
        slots, first = np.unique(slots, return_index=True)
        now, was = self._member.values[slots], was[first]
        gone, born = slots[was > now], slots[was < now]
        out = concat([self._rows(gone, -1), self._rows(born, 1)] if len(gone) else [self._rows(born, 1)])
        self._reclaim()
        return out

    def _reclaim(self) -> None:
        dead = self._dead()
        if int(dead.sum()) > COMPACT_ABOVE and 2 * int(dead.sum()) > self._index.size:
            self._forget(dead)

    def _dead(self) -> npt.NDArray[np.bool_]:
        return (self._member.values == 0) & (self._derivations.values == 0) & (self._in_base.values == 0)

    def _forget(self, dead: npt.NDArray[np.bool_]) -> None:
        self._changed.renumbered()
        self._index.compact(~dead)
        for array in (self._derivations, self._in_base, self._member):
            array.replace(array.values[~dead])

    def size(self) -> tuple[int, int]:
        arrays = (self._derivations, self._in_base, self._member)
        return int(self._member.values.sum()), self._index.nbytes + sum(a.nbytes for a in arrays)

    def sections(self) -> Sections:
        return {ROWS: Section(self._changed, lambda: self._index.size, self._rows_of)}

    def _rows_of(self, slots: Ints) -> State:
        table = self._index.rows(slots)
        for name, array in self._counts().items():
            table = table.append_column(name, pa.array(array.values[slots]))
        return {ROWS: table}

    def restore(self, state: State) -> None:
        self._index.restore(state[ROWS])
        for name, array in self._counts().items():
            array.replace(state[ROWS].column(name).to_numpy())
        self._changed.begin(self._index.size)

    def _counts(self) -> dict[str, Growable]:
        return {"$derivations": self._derivations, "$base": self._in_base, "$member": self._member}


def _distinct(slots: list[Ints]) -> Ints:
    return np.unique(np.concatenate(slots)) if slots else np.empty(0, dtype=np.int64)
