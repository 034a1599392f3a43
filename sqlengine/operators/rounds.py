"""WITH MUTUALLY RECURSIVE kept up to date: rows that are replaced, round after round, by what the step makes of them.

Beginning with no rows, each round is the step of the round before, until one changes nothing; the step may do anything:
group its own rows, rank them, ask which are missing.  Each round has the step's operators to itself, so that a change
of the inputs goes through the rounds as the change of each (what Differential Dataflow calls a product of time and
iteration, McSherry et al., CIDR 2013, with the iterations unrolled): a tick costs rounds x change, the state is as many
copies of the step's as there are rounds.  Of neighbouring rounds the difference is kept; where it is empty they end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlengine.delta import Delta, concat
from sqlengine.errors import TooComplex
from sqlengine.operators.base import NO_WATERMARK, Operator, State, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.difference import Difference
from sqlengine.operators.row_errors import Failure
from sqlengine.operators.sub_flow import SubFlow, negated, total, within
from sqlengine.plan import nodes
from sqlengine.state.section import Sections, below

_DIFFERENCE = "$difference"
ROUNDS_MAX = 1000
"""A recursion that is not done by then is taken for one that never ends."""


class RoundsOperator(Operator):
    """The inputs are what the step reads besides its own rows (its ports 1, 2, ...); `build` makes operators."""

    def __init__(self, node: nodes.Rounds, build: Callable[[nodes.Node], Operator]) -> None:
        self.schema = node.schema
        self._node, self._build = node, build
        self._flows = [self._make()]
        self._differences = [self._difference(0)]
        self._pending: list[list[Delta]] = [[] for _ in node.branches]

    def _make(self) -> SubFlow:
        """The step's operators for one more round."""
        return SubFlow(self._node.step, self._build)

    def _difference(self, at: int) -> Difference:
        """That of round `at` from the one before, empty."""
        return Difference(self.schema, f"{at}/{_DIFFERENCE}")

    @property
    def errors(self) -> RoundsOperator:
        """Rows that raised in the step: see `take`."""
        return self

    def take(self) -> list[Failure]:
        """Rows that raised in the step since the last call, as often as rounds have met them."""
        return [failure for flow in self._flows for failure in flow.take_failures()]

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        self._pending[port].append(delta)
        return None

    def advance(self, times: Times) -> Delta | None:
        changes = [consolidate(concat(deltas)) for deltas in self._pending]
        self._pending = [[] for _ in self._pending]
        outer = [(port + 1, delta) for port, delta in enumerate(changes) if delta is not None]
        first = self._flows[0].begin(times.now_us)
        out = self._follow(outer, first, times.now_us) if outer or first else None
        for flow in self._flows:
            flow.finish(Times((NO_WATERMARK,), times.now_us))
        return out

    def _follow(self, outer: list[tuple[int, Delta]], first: list[Delta], now_us: int) -> Delta | None:
        """Send a tick's change through the rounds, add rounds until one changes nothing; the answer's change.

        `first`: what the first round makes of nothing, when it is told."""
        change: Delta | None = None
        for i, flow in enumerate(self._flows):
            before, change = change, flow.change(outer, change, now_us)
            if i == 0:
                change = total(*first, change)
            self._differences[i].add(change, negated(before))
        changes = [change]
        while self._differences[-1] and not self._is_last():
            flow = self._make()
            flow.restore(self._flows[-1].snapshot())
            made = flow.change([], self._differences[-1].whole(), now_us)
            self._flows.append(flow)
            self._differences.append(self._difference(len(self._differences)))
            self._differences[-1].add(made)
            changes.append(made)
        settled = next((i for i, d in enumerate(self._differences, 1) if not d), len(self._flows))
        self._flows, self._differences = self._flows[:settled], self._differences[:settled]
        return total(*changes)

    def _is_last(self) -> bool:
        """Whether the rows of the last round are the answer, changed or not; TooComplex (54001) when they must not
        have changed."""
        limit = ROUNDS_MAX if self._node.limit is None else self._node.limit
        if len(self._flows) < limit:
            return False
        if self._node.returns:
            return True
        raise TooComplex(
            f"recursion did not settle within {limit:,} rounds",
            hint="end it by a condition: rows that are replaced each round must come to a state that stays",
        )

    def state_size(self) -> Mapping[str, int]:
        sizes = [flow.state_size() for flow in self._flows]
        rows = sum(s["rows"] for s in sizes) + sum(d.rows for d in self._differences)
        return {"rows": rows, "bytes": sum(s["bytes"] for s in sizes) + sum(d.nbytes for d in self._differences)}

    def sections(self) -> Sections:
        sections: Sections = {}
        for i, (flow, difference) in enumerate(zip(self._flows, self._differences, strict=True)):
            sections |= below(f"{i}/", flow.sections()) | difference.sections()
        return sections

    def rest(self) -> State:
        state: State = {}
        for i, (flow, difference) in enumerate(zip(self._flows, self._differences, strict=True)):
            state |= {f"{i}/{name}": table for name, table in flow.rest().items()} | difference.rest()
        return state

    def restore(self, state: State) -> None:
        rounds = sum(name.endswith(f"/{_DIFFERENCE}") for name in state)
        self._flows = [self._make() for _ in range(rounds)]
        self._differences = [self._difference(i) for i in range(rounds)]
        for i, (flow, difference) in enumerate(zip(self._flows, self._differences, strict=True)):
            flow.restore(within(state, f"{i}/"))
            difference.restore(state[f"{i}/{_DIFFERENCE}"])
