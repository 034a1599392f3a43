"""A look at what the operators of running queries keep: `system.state`, with the tables that checkpoints have of them.

A section is one table, its rows' positions first (`$at`) and the columns of its tables side by side, as in a
checkpoint's files; what is in no section is a table of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from sqlengine.arrow_ipc import from_ipc, to_ipc
from sqlengine.catalog.objects import STREAM_QUERY, ColumnInfo
from sqlengine.catalog.system import SYSTEM_TABLES, StateTable
from sqlengine.errors import AmbiguousColumn, UndefinedObject, did_you_mean
from sqlengine.operators.base import NUMBERS, State
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.state.section import NOTHING, Ints, Section, Sections
from sqlengine.state.stored_section import side_by_side

if TYPE_CHECKING:
    from sqlengine.runtime.instance import Instance

SAMPLE_ROWS = 1_024
"""So many rows tell how large all of a section's are."""
CONTENTS = "contents"
"""The last operator of a view, as it were: its rows."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Something that keeps state: an operator by its number in the dataflow, or a view's contents (None)."""

    number: int | None
    kind: str
    sections: Sections
    rest: Callable[[], State]

    @property
    def names(self) -> tuple[str, ...]:
        """What it can be called."""
        number = () if self.number is None else (str(self.number), f"{self.kind} {self.number}")
        return (self.kind, *number)


def keepers(query: ContinuousQuery) -> list[Keeper]:
    """All of a query that keep something."""
    query.dataflow.synchronize()
    found = []
    for number, step in enumerate(query.dataflow.steps):
        operator = step.operator
        if operator is not None and (operator.sections() or operator.rest()):
            found.append(Keeper(number, type(step.node).__name__, operator.sections(), operator.rest))
    if query.store is not None:
        query.store.settle()
        found.append(Keeper(None, CONTENTS, query.store.sections(), dict))
    return found


def overview(instance: Instance, view: str | None) -> list[tuple[str, str, int | None, str, str, int, int]]:
    """(query's id, its name, operator's number and kind, table, rows, about how many bytes) of all queries or of one;
    the lock is held."""
    queries = list(instance.scheduler.queries.values()) if view is None else [_query(instance, view, None)]
    rows = []
    for query in queries:
        for keeper in keepers(query):
            sizes = [(name, *_size(section)) for name, section in keeper.sections.items()]
            sizes += [(name, table.num_rows, table.nbytes) for name, table in keeper.rest().items()]
            name = query.name.removesuffix(STREAM_QUERY)
            rows += [(query.query_id, name, keeper.number, keeper.kind, *size) for size in sizes]
    return rows


def _size(section: Section) -> tuple[int, int]:
    size = section.size()
    if not size:
        return 0, 0
    sample = np.unique(np.linspace(0, size - 1, min(size, SAMPLE_ROWS)).astype(np.int64))
    tables = [from_ipc(to_ipc(table)) for table in section.rows(sample).values()]  # a slice counts what it shares
    return size, round(sum(table.nbytes for table in tables) * size / len(sample))


def state_table(instance: Instance, arguments: Sequence[str], position: int | None) -> StateTable:
    """The tables of a query, or the rows of one; the lock is held. UndefinedObject (42704) for unknown names,
    AmbiguousColumn (42702) when it is not clear which is meant."""
    view, *named = arguments
    query = _query(instance, view, position)
    if not named:
        listed = SYSTEM_TABLES["system.state"]
        schema = pa.schema([pa.field(c.name, c.type) for c in listed.columns])

        def all_of_it() -> pa.Table:
            rows = [dict(zip(schema.names, row, strict=True)) for row in overview(instance, view)]
            return pa.Table.from_pylist(rows, schema)

        return StateTable(name=f"system.state({view})", columns=listed.columns, read=all_of_it)
    name, read = _table(query, named, position)
    columns = tuple(ColumnInfo(field.name, field.type) for field in read(NOTHING).schema)

    def rows_now() -> pa.Table:
        _, now = _table(_query(instance, view, position), named, position)
        return from_ipc(to_ipc(now(None)))

    return StateTable(name=f"system.state({view}, {name})", columns=columns, read=rows_now)


Read = Callable[[Ints | None], pa.Table]
"""A table's rows at some positions; None: all of them."""


def _table(query: ContinuousQuery, named: Sequence[str], position: int | None) -> tuple[str, Read]:
    """(a name of its own, the table) that an operator's name, and perhaps a table's, mean."""
    keeper = _keeper(query, named[0], position)
    tables: dict[str, Read] = {name: _section_table(section) for name, section in keeper.sections.items()}
    tables |= {name: _rest_table(table) for name, table in keeper.rest().items()}
    chosen = named[1] if len(named) > 1 else _only(list(tables), named[0], position)
    if chosen not in tables:
        hint = did_you_mean(chosen, tables) or "tables: " + ", ".join(tables)
        raise UndefinedObject(f'operator "{named[0]}" has no table "{chosen}"', hint=hint, position=position)
    return f"{keeper.names[-1]}, {chosen}", tables[chosen]


def _rest_table(table: pa.Table) -> Read:
    return lambda rows: table if rows is None else table.slice(0, 0)


def _section_table(section: Section) -> Read:
    def read(rows: Ints | None) -> pa.Table:
        positions = np.arange(section.size(), dtype=np.int64) if rows is None else rows
        return side_by_side(section.rows(positions), positions, written=True)

    return read


def _only(tables: Sequence[str], operator: str, at: int | None) -> str:
    names = [name for name in tables if name != NUMBERS] or [*tables]
    if len(names) > 1:
        raise AmbiguousColumn(
            f'operator "{operator}" has {len(names)} tables',
            hint="name one as the third argument: " + ", ".join(names),
            position=at,
        )
    return names[0]


def _query(instance: Instance, view: str, position: int | None) -> ContinuousQuery:
    scheduler = instance.scheduler
    found = scheduler.queries.get(view) or scheduler.by_name(view) or scheduler.by_name(view + STREAM_QUERY)
    if found is None:
        known = [word for q in scheduler.queries.values() for word in (q.query_id, q.name.removesuffix(STREAM_QUERY))]
        raise UndefinedObject(f'query "{view}" does not exist', hint=did_you_mean(view, known), position=position)
    return found


def _keeper(query: ContinuousQuery, operator: str, position: int | None) -> Keeper:
    every = keepers(query)
    found = [k for k in every if operator.lower() in [name.lower() for name in k.names]]
    if len(found) == 1:
        return found[0]
    names = [keeper.names[-1] for keeper in (found or every)]
    if found:
        raise AmbiguousColumn(
            f'"{query.name}" has {len(found)} operators "{operator}"',
            hint="one of: " + ", ".join(names),
            position=position,
        )
    hint = did_you_mean(operator, [name for k in every for name in k.names]) or "operators: " + ", ".join(names)
    raise UndefinedObject(f'"{query.name}" has no operator "{operator}" that keeps state', hint=hint, position=position)
