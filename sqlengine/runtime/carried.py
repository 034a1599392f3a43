"""Carried: what the next checkpoints keep of a query whose state is on the move.

A query that goes on after it stood still takes in what it has missed beside the ticks, without the engine's lock, and
says all of it in the end.  Until then checkpoints have it where it stood, as one that was written before the first step
has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from sqlengine.operators.base import State
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.stored_section import from_json, put_together


@dataclass(frozen=True, slots=True)
class Carried:
    """`marks` and `steps`: of the query's entry in the manifest; `states`: the manifest's; `small`: tables that have no
    file of their own, `stored`: the names of the others."""

    marks: Mapping[str, Any]
    steps: Mapping[str, str]
    states: Mapping[str, Mapping[str, Any]]
    small: Mapping[str, pa.Table]
    stored: frozenset[str]

    def state(self, name: str, tables: Mapping[str, pa.Table]) -> State:
        """All tables of a state; `tables`: those of a snapshot that has it."""
        entry = self.states[name]
        sections = [from_json(section, tables) for section in entry["sections"].values()]
        found = {table: rows for section in sections for table, rows in put_together(section, tables).items()}
        for table, at in entry["rest"].items():
            found[table] = tables[at] if at else self.small[f"{name}/{table}"]
        return found


def carried(entry: Mapping[str, Any], manifest: Mapping[str, Any], small: Mapping[str, pa.Table]) -> Carried:
    """Of a query's entry in a manifest that has been written, with its small tables."""
    states = {name: manifest["states"][name] for name in entry["steps"].values()}
    rest = [(f"{name}/{table}", at) for name, state in states.items() for table, at in state["rest"].items()]
    parts = [part["table"] for state in states.values() for s in state["sections"].values() for part in s["parts"]]
    return Carried(
        entry["marks"],
        entry["steps"],
        states,
        {key: small[key] for key, at in rest if not at},
        frozenset([*parts, *(at for _, at in rest if at)]),
    )
