"""SubFlow: a plan over Ports run inside an operator, one delta at a time, as often as the operator wants."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.base import Operator, State, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.row_errors import Failure
from sqlengine.plan import nodes
from sqlengine.state.section import Sections, below

Consumer = tuple[int, int]
"""(place of an operator, its input port)."""
WEIGHT = "$weight"
SECTION_ROWS = 1_024
"""Fewer rows than these are copied whole when one of them has changed."""


class SubFlow:
    """`plan`: nodes over Ports that answer when they `settle`; equal sub-plans are one operator, made by `build`."""

    def __init__(self, plan: nodes.Node, build: Callable[[nodes.Node], Operator]) -> None:
        self._build = build
        self._operators: list[Operator] = []
        self._consumers: list[list[Consumer]] = []
        self._ports: dict[int, list[Consumer]] = {}
        self._places: dict[nodes.Node, int] = {}
        self._passes: set[int] = set()
        self._root = -1
        if isinstance(plan, nodes.Port):
            self._passes.add(plan.index)
        else:
            self._root = self._add(plan)

    def _add(self, node: nodes.Node) -> int:
        if node in self._places:
            return self._places[node]
        place = self._places[node] = len(self._operators)
        self._operators.append(self._build(node))
        self._consumers.append([])
        for port, read in enumerate(node.inputs):
            if isinstance(read, nodes.Port):
                self._ports.setdefault(read.index, []).append((place, port))
            else:
                self._consumers[self._add(read)].append((place, port))
        return place

    def push(self, port: int, delta: Delta, now_us: int) -> list[Delta]:
        """Send a delta in at a port; returns what comes out at the root, not cancelled out."""
        out = [delta] if port in self._passes else []
        return out + self._run([(place, at, delta) for place, at in self._ports.get(port, ())], now_us)

    def begin(self, now_us: int) -> list[Delta]:
        """What comes out at the root before any row comes in: an aggregate without groups has a row of none."""
        out: list[Delta] = []
        for place in reversed(range(len(self._operators))):  # those below come behind those that read them
            made = self._operators[place].settle()
            if made is not None and made.num_rows:
                out += self._passed_on(place, made, now_us)
        return out

    def change(self, outer: list[tuple[int, Delta]], own: Delta | None, now_us: int) -> Delta | None:
        """The net change of what comes out, given those of ports 1, 2, ... and of port 0."""
        made: list[Delta] = []
        for port, delta in [*outer, *([] if own is None else [(0, own)])]:
            made += self.push(port, delta, now_us)
        return consolidate(concat(made))

    def _run(self, todo: list[tuple[int, int, Delta]], now_us: int) -> list[Delta]:
        """Deltas given to operators (place, port, delta); what comes out at the root."""
        out: list[Delta] = []
        while todo:
            place, at, given = todo.pop()
            operator = self._operators[place]
            for made in (operator.process(given, at, now_us), operator.settle()):
                if made is not None and made.num_rows:
                    if place == self._root:
                        out.append(made)
                    todo += [(reader, port, made) for reader, port in self._consumers[place]]
        return out

    def _passed_on(self, place: int, made: Delta, now_us: int) -> list[Delta]:
        """What comes out at the root of what one operator has made."""
        out = [made] if place == self._root else []
        return out + self._run([(reader, port, made) for reader, port in self._consumers[place]], now_us)

    def finish(self, times: Times) -> None:
        """End of a tick: operators tidy up."""
        for operator in self._operators:
            made = operator.advance(Times(times.watermarks_us * 2, times.now_us))
            assert made is None, "operators of a sub-flow have settled"

    def take_failures(self) -> list[Failure]:
        """Rows that raised since the last call."""
        found = (getattr(operator, "errors", None) for operator in self._operators)
        return [failure for errors in found if errors is not None for failure in errors.take()]

    def state_size(self) -> dict[str, int]:
        """Rows and bytes kept by all operators."""
        sizes = [operator.state_size() for operator in self._operators]
        return {"rows": sum(s["rows"] for s in sizes), "bytes": sum(s["bytes"] for s in sizes)}

    def sections(self) -> Sections:
        """All operators' sections of SECTION_ROWS and more, their names numbered: a file each is too much for what is
        small."""
        every = (below(f"{i}.", operator.sections()) for i, operator in enumerate(self._operators))
        return {name: section for each in every for name, section in each.items() if section.size() >= SECTION_ROWS}

    def rest(self) -> State:
        """What is in no section."""
        found: State = {}
        for i, operator in enumerate(self._operators):
            for section in operator.sections().values():
                if section.size() < SECTION_ROWS:
                    found |= {f"{i}.{name}": table for name, table in section.whole().items()}
            found |= {f"{i}.{name}": table for name, table in operator.rest().items()}
        return found

    def snapshot(self) -> State:
        """All operators' state."""
        return {f"{i}.{name}": table for i, o in enumerate(self._operators) for name, table in o.snapshot().items()}

    def restore(self, state: State) -> None:
        """Replace all operators' state."""
        for i, operator in enumerate(self._operators):
            operator.continue_from(within(state, f"{i}."))


def within(state: State, head: str) -> State:
    """The tables whose names begin so, under the rest of their names."""
    return {name[len(head) :]: table for name, table in state.items() if name.startswith(head)}


def total(*deltas: Delta | None) -> Delta | None:
    """The net sum of changes."""
    return consolidate(concat([delta for delta in deltas if delta is not None]))


def negated(delta: Delta | None) -> Delta | None:
    """The opposite change."""
    return None if delta is None else delta.negated()


def to_table(delta: Delta | None, schema: pa.Schema) -> pa.Table:
    """A change as a table with a column of weights, for checkpoints."""
    batch = schema.empty_table() if delta is None else pa.Table.from_batches([delta.batch], schema)
    weights = pa.array([], pa.int64()) if delta is None else pa.array(delta.weight_array())
    return batch.append_column(WEIGHT, weights)


def from_table(table: pa.Table) -> Delta | None:
    """The inverse of `to_table`."""
    if not table.num_rows:
        return None
    (batch,) = table.combine_chunks().to_batches()
    weights = batch.column(batch.num_columns - 1).to_numpy()
    rows = pa.RecordBatch.from_arrays(batch.columns[:-1], names=batch.schema.names[:-1])
    return Delta(rows, weights)
