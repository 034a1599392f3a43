"""Over: window functions kept up to date by computing the partitions again that a tick touches.

The rows of the touched partitions are sorted together and every function is computed for all of them in a few
vectorized steps; what differs from the value a row was last given is emitted.  Values given are kept, one column a
call, so that a retraction takes back exactly what was said.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine import duck
from sqlengine.delta import Delta
from sqlengine.expr.tree import rename_args
from sqlengine.masks import truth
from sqlengine.operators.base import NUMBERS, ChosenKeys, State, numbers_of, of_numbers
from sqlengine.operators.changes import differ
from sqlengine.operators.over.bounds import frame_ranges, order_values, places
from sqlengine.operators.over.functions import Frames, compute
from sqlengine.operators.over.kept import needed, tail
from sqlengine.operators.over.running import RUNNING, Running
from sqlengine.operators.partitioned import PartitionedOperator
from sqlengine.operators.ranking import Sorted
from sqlengine.plan import nodes
from sqlengine.state.ranked_rows import ROWS, RankedRows, living_of
from sqlengine.state.row_arena import RowArena
from sqlengine.state.section import Changed, Section, Sections

Ints = npt.NDArray[np.int64]
VALUES = "values"
COMPACT_AT = 16_384
"""Fewer stale values than this are not worth a compaction."""


class OverOperator(PartitionedOperator):
    """Keeps every row of its input, or the last ones of each partition where no others are needed, and the values they
    were given."""

    def __init__(self, node: nodes.Over) -> None:
        super().__init__(node.forget)
        self.schema = node.schema
        self._node = node
        self._input = node.input.schema
        self._answers = pa.schema([pa.field(f"v{i}", c.type) for i, c in enumerate(node.calls)])
        ordered = {column for column, _, _ in node.order} | set(node.partition)
        self._ties = [c for c in range(len(self._input)) if c not in ordered]
        self._clear()

    def _clear(self) -> None:
        types = [self._input.field(c).type for c in self._node.partition]
        self._rows = RankedRows(self._input, types, retracting=not self._node.input.append_only, listed=True)
        self._values = RowArena(self._answers)
        self._said = Changed()
        carried = self._node.keeps.carried if self._node.keeps is not None else ()
        calls = [self._node.calls[i] for i in carried]
        self._running = Running(calls, self._input, self._node.partition) if carried else None
        self._begin()

    def _change(self, delta: Delta) -> Delta | None:
        removed, new = self._rows.apply(delta, self._node.partition)
        touched = self._rows.partitions_of(np.concatenate([removed, new]))
        rows, by, columns = self._sorted(self._rows.of_partitions(touched), self._node.order, self._ties)
        out = self._replaced(removed, rows, self._answered(rows, by, columns))
        if self._node.keeps is not None:
            self._rows.kill(rows[~needed(self._node.keeps, by, columns[self._node.order[0][0]])])
        return out

    # ------------------------------------------------------------ values

    def _answered(self, rows: Ints, by: Sorted, columns: list[pa.Array]) -> list[pa.Array]:
        """Each call's value for sorted rows."""
        carried = self._carried(rows, by, columns)
        found: list[pa.Array | None] = [
            carried[i] if i in carried else self._own(call, by, columns) for i, call in enumerate(self._node.calls)
        ]
        left = [i for i, values in enumerate(found) if values is None]
        if left:
            for i, values in zip(left, self._asked([self._node.calls[i] for i in left], by, columns), strict=True):
                found[i] = values
        return [v for v in found if v is not None]

    def _carried(self, rows: Ints, by: Sorted, columns: list[pa.Array]) -> dict[int, pa.Array]:
        """The values of the calls that go on from totals, by their places; NULL for rows that have theirs already."""
        if self._running is None or self._node.keeps is None:
            return {}
        fresh = np.flatnonzero(self._rows.marks.values[rows] == 0)
        new = tail(by, fresh)
        chosen = pa.array(fresh)
        own = [column.take(chosen) for column in columns]
        keys = [own[c].take(pa.array(new.starts)) for c in self._node.partition]
        back = np.zeros(len(rows), dtype=np.int64)
        back[fresh] = np.arange(len(fresh))
        known = np.ones(len(rows), dtype=bool)
        known[fresh] = False
        scattered = pa.array(back, mask=known)
        values = self._running.answers(new, own, keys)
        return {i: v.take(scattered) for i, v in zip(self._node.keeps.carried, values, strict=True)}

    def _own(self, call: nodes.WindowCall, by: Sorted, columns: list[pa.Array]) -> pa.Array | None:
        """A call computed here; None when DuckDB must be asked."""
        if call.frame is None:
            return None
        values = None
        distances = call.frame.mode == "range" and any(
            b.kind in ("preceding", "following") for b in (call.frame.start, call.frame.end)
        )
        if distances:
            column, descending, nulls_first = self._node.order[0]
            values = order_values(columns[column], descending, nulls_first)
            if values is None:
                return None
        at = places(by)
        lo, hi = frame_ranges(call.frame, at, values)
        kept = None
        if call.filter is not None:
            kept = truth(columns[call.filter])
        made = compute(call, Frames(at, lo, hi, [columns[a] for a in call.args], kept))
        return made if made.type == call.type else made.cast(call.type)

    def _asked(self, calls: list[nodes.WindowCall], by: Sorted, columns: list[pa.Array]) -> list[pa.Array]:
        """The values of calls that DuckDB computes, for rows already sorted."""
        keys = [f"c{c}{' DESC' if d else ''} NULLS {'FIRST' if f else 'LAST'}" for c, d, f in self._node.order]
        texts = []
        for call in calls:
            order = [*keys, '"$place"'] if call.by_row else keys
            clause = f'PARTITION BY "$partition"{" ORDER BY " + ", ".join(order) if order else ""} {call.frame_sql}'
            texts.append(f"{rename_args(call.sql, [f'c{r}' for r in call.reads])} OVER ({clause})")
        given = {f"c{i}": column for i, column in enumerate(columns)}
        given |= {"$partition": pa.array(by.segment), "$place": pa.array(np.arange(len(by.order)))}
        answers = duck.windowed(texts, given, "$place")
        return [a if a.type == c.type else a.cast(c.type) for a, c in zip(answers, calls, strict=True)]

    # ------------------------------------------------------------ changes

    def _replaced(self, removed: Ints, rows: Ints, values: list[pa.Array]) -> Delta | None:
        """Give the rows their values; returns what changes: rows gone or different taken back, then what is new."""
        given = self._rows.marks.values
        known = np.flatnonzero(given[rows] > 0)
        old = self._values.take(given[rows[known]] - 1)
        at = pa.array(known)
        different = np.zeros(len(known), dtype=bool)
        if self._node.keeps is None:  # else the rows are final, and what they were made of may be gone
            for was, now in zip(old, values, strict=True):
                different |= differ(was, now.take(at))
        stale = known[different]
        fresh = np.sort(np.concatenate([np.flatnonzero(given[rows] == 0), stale]))
        gone = np.concatenate([removed, rows[stale]])
        minus = self._joined(gone, self._values.take(given[gone] - 1))
        chosen = pa.array(fresh)
        answers = [v.take(chosen) for v in values]
        first = self._values.append(pa.RecordBatch.from_arrays(answers, schema=self._answers))
        given[rows[fresh]] = first + 1 + np.arange(len(fresh))
        self._said.mark(rows[fresh])
        plus = self._joined(rows[fresh], answers)
        if minus is None:
            return None if plus is None else Delta(plus)
        if plus is None:
            return Delta(minus, np.full(minus.num_rows, -1, dtype=np.int64))
        weights = np.repeat(np.array([-1, 1]), [minus.num_rows, plus.num_rows])
        return Delta(pa.concat_batches([minus, plus]), weights)

    def _joined(self, rows: Ints, values: list[pa.Array]) -> pa.RecordBatch | None:
        """Rows with their values as output rows; None without rows."""
        if not len(rows):
            return None
        return pa.RecordBatch.from_arrays([*self._rows.arena.take(rows), *values], schema=self.schema)

    # ------------------------------------------------------------ state

    def _compact(self) -> None:
        """Forget dead rows, and values nobody has any more."""
        if self._rows.compact_if_worth_it():
            self._said.renumbered()
        stale = self._values.num_rows - self._rows.num_rows
        if stale < COMPACT_AT or 2 * stale < self._values.num_rows:
            return
        keep = np.zeros(self._values.num_rows, dtype=bool)
        alive = self._rows.living()
        given = self._rows.marks.values
        keep[given[alive] - 1] = True
        moved = self._values.compact(keep)
        places = moved[given[alive] - 1] + 1
        given[:] = 0  # dead rows have none any more
        given[alive] = places

    def _entries(self) -> int:
        return super()._entries() + (self._running.size if self._running is not None else 0)

    def _forget(self) -> None:
        super()._forget()
        forget = self._node.forget
        if self._running is not None and forget is not None and forget.column in self._node.partition:
            place = self._node.partition.index(forget.column)
            self._running.forget(lambda keys: self._forgetting.gone(keys[place]))
            self._forgetting.looked(self._entries())

    def state_size(self) -> Mapping[str, int]:
        rows, size = self._rows.num_rows, self._rows.num_bytes + self._values.num_bytes
        if self._running is not None:
            rows, size = rows + self._running.size, size + self._running.num_bytes
        return {"rows": rows, "bytes": size}

    def sections(self) -> Sections:
        values = Section(self._said, lambda: self._rows.arena.num_rows, lambda rows: {VALUES: self._given(rows)})
        running = {} if self._running is None else {RUNNING: self._running.section()}
        return {**self._rows.sections(), VALUES: values, **running}

    def _given(self, rows: Ints) -> pa.Table:
        """The values that rows were given; NULL for dead ones whose values are gone."""
        places = self._rows.marks.values[rows] - 1
        there = places >= 0
        at = pa.array(np.cumsum(there) - 1, mask=~there)
        columns = [column.take(at) for column in self._values.take(places[there])]
        return pa.Table.from_arrays(columns, schema=self._answers)

    def rest(self) -> State:
        return {NUMBERS: of_numbers({"horizon_us": self._forgetting.horizon_us})}

    def restore(self, state: State) -> None:
        self._clear()
        rows, width = state[ROWS], len(self._input)
        if rows.num_columns == width:
            columns = [*rows.columns, *state[VALUES].columns]
            both = pa.Table.from_arrays(columns, names=[str(i) for i in range(len(columns))])
            self._forgetting.horizon_us = numbers_of(state[NUMBERS])["horizon_us"]
        else:  # the form in which states were written before they had sections
            both = rows
            self._forgetting.horizon_us = int(rows.schema.metadata[b"horizon"])
        for batch in living_of({**state, ROWS: both}).to_batches():
            own = pa.RecordBatch.from_arrays(batch.columns[:width], schema=self._input)
            _, new = self._rows.apply(Delta(own), self._node.partition)
            values = pa.RecordBatch.from_arrays(batch.columns[width:], schema=self._answers)
            self._rows.marks.values[new] = self._values.append(values) + 1 + np.arange(len(new))
        self._rows.is_restored(rows.num_rows)
        if rows.num_rows != self._rows.arena.num_rows:
            self._said.renumbered()
        self._said.begin(self._rows.arena.num_rows)
        if self._running is not None:
            self._running.restore(state[RUNNING])

    def keep(self, chosen: ChosenKeys) -> None:
        living = self._rows.living()
        keys = self._rows.arena.take(living, self._node.partition)
        kept = living[chosen(keys)]
        state = {ROWS: self._rows.arena.table(kept), VALUES: self._given(kept), **self.rest()}
        running = self._running
        self.restore(state if running is None else {**state, **running.section().whole()})
        if self._running is not None:
            self._running.forget(lambda keys: ~chosen(keys))
