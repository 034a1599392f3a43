"""WITH RECURSIVE whose step groups, ranks or negates its own rows, or counts pairs of them, kept up to date.

What such a step says depends on the round.  As in PostgreSQL and DuckDB the first working table is the base, the next
what the step makes of the one before (of UNION: without the rows of earlier ones), until one other than the first has
no rows; the answer is all of them together.  Each round has the step's operators to itself, as in rounds.py, so that a
tick's change goes through the rounds as the change of each.  One more copy reads no rows of its own: a round that
begins is a copy of it, and what it says of nothing is known where a working table becomes empty, of which the step is
not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlengine.delta import Delta, concat
from sqlengine.errors import TooComplex
from sqlengine.operators import rounds
from sqlengine.operators.base import NO_WATERMARK, NUMBERS, Operator, State, Times, numbers_of, of_numbers
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.first_rounds import FirstRounds
from sqlengine.operators.row_errors import Failure
from sqlengine.operators.sub_flow import SubFlow, from_table, negated, to_table, total, within
from sqlengine.plan import nodes
from sqlengine.state.section import Sections, below

_EMPTY, _FOUND, _OF_NOTHING = "empty/", "found/", "$of_nothing"


class WorkingTablesOperator(Operator):
    """Port 0 brings the base, the others what the step reads besides its own rows; `build` makes operators."""

    def __init__(self, node: nodes.WorkingTables, build: Callable[[nodes.Node], Operator]) -> None:
        self.schema = node.schema
        self._node, self._build = node, build
        self._empty, self._of_nothing = self._make(), None
        self._flows = [self._make()]
        self._sizes = [0]
        """Rows of the working tables; none but the first is 0 between ticks."""
        self._found = None if node.all else FirstRounds(node.schema)
        self._pending: list[list[Delta]] = [[] for _ in node.branches]

    _of_nothing: Delta | None
    """What the step says of a working table without rows."""

    def _make(self) -> SubFlow:
        return SubFlow(self._node.step, self._build)

    @property
    def errors(self) -> WorkingTablesOperator:
        """Rows that raised in the step: see `take`."""
        return self

    def take(self) -> list[Failure]:
        """Rows that raised in the step since the last call, as often as rounds have met them."""
        return [failure for flow in (self._empty, *self._flows) for failure in flow.take_failures()]

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        self._pending[port].append(delta)
        return None

    def advance(self, times: Times) -> Delta | None:
        base, *others = (consolidate(concat(deltas)) for deltas in self._pending)
        self._pending = [[] for _ in self._pending]
        outer = [(port + 1, delta) for port, delta in enumerate(others) if delta is not None]
        of_none = self._empty.begin(times.now_us)
        self._of_nothing = total(self._of_nothing, *of_none, self._empty.change(outer, None, times.now_us))
        first = self._flows[0].begin(times.now_us)
        out = None
        if base is not None or outer or first:
            out = self._follow(base, outer, first, times.now_us)
        for flow in (self._empty, *self._flows):
            flow.finish(Times((NO_WATERMARK,), times.now_us))
        return out

    def _follow(
        self, base: Delta | None, outer: list[tuple[int, Delta]], first: list[Delta], now_us: int
    ) -> Delta | None:
        """Send a tick's change through the rounds, as far as there are rows; the answer's change.

        `first`: what the step says of the first working table before it has any rows, when it is told."""
        changes: list[Delta | None] = []
        change = self._entered(0, base)
        at = 0
        while at < len(self._flows) or change is not None:
            changes.append(change)
            made = self._step(at, outer, change, changes, now_us)
            if at == 0:
                made = total(*first, made)
            at += 1
            change = self._entered(at, made)
        asked = 1 + sum(size > 0 for size in self._sizes[1:])
        self._flows, self._sizes = self._flows[:asked], self._sizes[:asked]
        if self._found is not None:
            self._found.finish()
        return total(*changes)

    def _step(
        self, at: int, outer: list[tuple[int, Delta]], own: Delta | None, before: list[Delta | None], now_us: int
    ) -> Delta | None:
        """The change of what the step makes of working table `at`, which changes by `own`; `before`: the changes of
        all working tables up to it."""
        begins = at == len(self._flows)
        if begins:
            self._begin()
        self._sizes[at] += 0 if own is None else int(own.weight_array().sum())
        read = self._read(at, own, before, begins)
        made = self._flows[at].change([] if begins else outer, read, now_us)
        if begins:
            made = total(self._of_nothing, made)
        if at == 0 or self._sizes[at]:
            return made
        if not self._node.cumulative:
            return total(made, negated(self._of_nothing))
        assert self._found is not None
        return negated(self._found.found_by(at + 1))

    def _begin(self) -> None:
        """One more round."""
        if len(self._flows) >= rounds.ROUNDS_MAX:
            raise TooComplex(
                f"recursion did not end within {rounds.ROUNDS_MAX:,} rounds",
                hint="end it by a condition on a depth or, for graphs with cycles, by UNION instead of UNION ALL",
            )
        flow = self._make()
        flow.restore(self._empty.snapshot())
        self._flows.append(flow)
        self._sizes.append(0)

    def _read(self, at: int, own: Delta | None, before: list[Delta | None], begins: bool) -> Delta | None:
        """The change of the rows that the step of working table `at` reads."""
        if not self._node.cumulative:
            return own
        if begins:
            assert self._found is not None
            return self._found.up_to(at)
        return total(*before)

    def _entered(self, number: int, found: Delta | None) -> Delta | None:
        """The change of a working table, given that of the rows a round finds."""
        return found if self._found is None else self._found.enter(number, found)

    def state_size(self) -> Mapping[str, int]:
        sizes = [flow.state_size() for flow in (self._empty, *self._flows)]
        rows, size = (0, 0) if self._found is None else self._found.size()
        return {"rows": rows + sum(s["rows"] for s in sizes), "bytes": size + sum(s["bytes"] for s in sizes)}

    def _parts(self) -> Mapping[str, SubFlow | FirstRounds]:
        """What keeps state, and what its tables' names begin with."""
        flows = {_EMPTY: self._empty, **{f"{i}/": flow for i, flow in enumerate(self._flows)}}
        return flows if self._found is None else {**flows, _FOUND: self._found}

    def sections(self) -> Sections:
        parts = self._parts().items()
        return {name: section for head, part in parts for name, section in below(head, part.sections()).items()}

    def rest(self) -> State:
        parts = self._parts().items()
        state = {head + name: table for head, part in parts for name, table in part.rest().items()}
        sizes = {f"round_{i}": size for i, size in enumerate(self._sizes)}
        return {
            **state,
            _OF_NOTHING: to_table(self._of_nothing, self.schema),
            NUMBERS: of_numbers({"rounds": len(self._sizes), **sizes}),
        }

    def restore(self, state: State) -> None:
        numbers = numbers_of(state[NUMBERS])
        self._sizes = [numbers[f"round_{i}"] for i in range(numbers["rounds"])]
        self._flows = [self._make() for _ in self._sizes]
        self._of_nothing = from_table(state[_OF_NOTHING])
        for head, part in self._parts().items():
            part.restore(within(state, head))
