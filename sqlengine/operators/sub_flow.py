"""SubFlow: a plan over Ports run inside an operator, one delta at a time, as often as the operator wants."""

from __future__ import annotations

from collections.abc import Callable

from sqlengine.delta import Delta
from sqlengine.operators.base import Operator, State, Times
from sqlengine.operators.row_errors import Failure
from sqlengine.plan import nodes

Consumer = tuple[int, int]
"""(place of an operator, its input port)."""


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
        for port, below in enumerate(node.inputs):
            if isinstance(below, nodes.Port):
                self._ports.setdefault(below.index, []).append((place, port))
            else:
                self._consumers[self._add(below)].append((place, port))
        return place

    def push(self, port: int, delta: Delta, now_us: int) -> list[Delta]:
        """Send a delta in at a port; returns what comes out at the root, not cancelled out."""
        out = [delta] if port in self._passes else []
        todo = [(place, at, delta) for place, at in self._ports.get(port, ())]
        while todo:
            place, at, given = todo.pop()
            operator = self._operators[place]
            for made in (operator.process(given, at, now_us), operator.settle()):
                if made is None or not made.num_rows:
                    continue
                if place == self._root:
                    out.append(made)
                todo += [(reader, port, made) for reader, port in self._consumers[place]]
        return out

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

    def rest(self) -> State:
        """All operators' tables, their names numbered."""
        return {f"{i}.{name}": table for i, o in enumerate(self._operators) for name, table in o.snapshot().items()}

    def restore(self, state: State) -> None:
        """Replace all operators' state."""
        for i, operator in enumerate(self._operators):
            head = f"{i}."
            operator.restore({name[len(head) :]: table for name, table in state.items() if name.startswith(head)})
