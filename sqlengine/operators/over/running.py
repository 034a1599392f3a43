"""Window functions from the first row of a partition on, where rows come in the order of the window: what the earlier
rows come to is carried from tick to tick, one row of totals a partition, and the rows themselves can go.

A tick brings all rows that are equal in ORDER BY, and none before those of earlier ticks; so a new row's frame is the
earlier rows and new ones.  Sums of floating point are added one row after the other: no split into ticks changes them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.masks import truth
from sqlengine.operators.base import ChosenKeys
from sqlengine.operators.over.bounds import Places, frame_ranges, places
from sqlengine.operators.over.functions import Frames, counted, halves, truths, valid_rows, whole
from sqlengine.operators.over.segment_tree import fold
from sqlengine.operators.ranking import Sorted
from sqlengine.plan.nodes import WindowCall
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.row_arena import RowArena
from sqlengine.state.section import Changed, Section
from sqlengine.state.sort_words import comparable_words

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
RUNNING = "running"
COMPACT_AT = 16_384
"""Fewer outdated totals than this are not worth a compaction."""
_NEVER = np.iinfo(np.int64)


class Running:
    """The totals of every partition for `calls`, whose arguments are columns of the rows."""

    def __init__(self, calls: Sequence[WindowCall], rows: pa.Schema, partition: Sequence[int]) -> None:
        self._calls = list(calls)
        self._key_fields = [rows.field(c) for c in partition]
        fields = [pa.field("$rows", pa.int64()), pa.field("$groups", pa.int64())]
        for i, call in enumerate(self._calls):
            fields += [pa.field(f"{part}{i}", kind) for part, kind in _parts(call, rows)]
        self._schema = pa.schema(fields)
        self._clear()

    def _clear(self) -> None:
        self._changed = Changed()
        self._partitions = KeyIndex([f.type for f in self._key_fields])
        self._newest = Growable(-1)
        self._totals = RowArena(self._schema)

    @property
    def size(self) -> int:
        """Partitions."""
        return self._partitions.size

    @property
    def num_bytes(self) -> int:
        """Approximate bytes held."""
        return self._totals.num_bytes + self._partitions.nbytes + self._newest.nbytes

    def answers(self, by: Sorted, columns: Sequence[pa.Array], keys: Sequence[pa.Array]) -> list[pa.Array]:
        """Each call's values for new rows, sorted and with the columns given; `keys` of each partition's first row.
        The totals go on from here."""
        slots = self._partitions.insert(keys, len(by.starts))
        before = _Before(self._newest.grow(self._partitions.size)[slots], self._totals, by.segment)
        at = places(by)
        rows = np.arange(1, len(by.order) + 1) - at.start + before.numbers("$rows")
        groups = at.group - at.first_group + 1 + before.numbers("$groups")
        state: dict[str, pa.Array] = {"$rows": pa.array(rows), "$groups": pa.array(groups)}
        found = []
        for i, call in enumerate(self._calls):
            answer, parts = _computed(_Call(call, i, at, columns, before, state))
            state |= parts
            found.append(answer if answer.type == call.type else answer.cast(call.type))
        last = pa.array(np.append(by.starts[1:], len(by.order)) - 1)
        self._keep(
            slots, pa.RecordBatch.from_arrays([state[f.name].take(last) for f in self._schema], self._schema.names)
        )
        return found

    def _keep(self, slots: Ints, totals: pa.RecordBatch) -> None:
        first = self._totals.append(totals.cast(self._schema))
        self._newest.values[slots] = first + np.arange(len(slots))
        self._changed.mark(slots)
        outdated = self._totals.num_rows - self.size
        if outdated > COMPACT_AT and 2 * outdated > self._totals.num_rows:
            keep = np.zeros(self._totals.num_rows, dtype=bool)
            keep[self._newest.values] = True
            moved = self._totals.compact(keep)
            self._newest.replace(moved[self._newest.values])

    def forget(self, gone: ChosenKeys) -> None:
        """Drop the partitions whose keys are chosen."""
        table = self._rows(np.arange(self.size))
        kept = [b.filter(pa.array(~gone(b.columns[: len(self._key_fields)]))) for b in table.to_batches()]
        changed = self._changed
        self.restore(pa.Table.from_batches(kept, schema=table.schema))
        self._changed = changed
        changed.renumbered()

    def section(self) -> Section:
        """Keys and totals of the partitions, as the table RUNNING."""
        return Section(self._changed, lambda: self.size, lambda slots: {RUNNING: self._rows(slots)})

    def _rows(self, slots: Ints) -> pa.Table:
        columns = [*self._partitions.columns(slots), *self._totals.take(self._newest.values[slots])]
        names = [*(f"$key{i}" for i in range(len(self._key_fields))), *self._schema.names]
        schema = pa.schema([pa.field(n, c.type) for n, c in zip(names, columns, strict=True)])
        return pa.Table.from_batches([pa.RecordBatch.from_arrays(columns, schema=schema)])

    def restore(self, table: pa.Table) -> None:
        """Replace everything."""
        self._clear()
        width = len(self._key_fields)
        for batch in table.to_batches():
            slots = self._partitions.insert(batch.columns[:width], batch.num_rows)
            self._newest.grow(self._partitions.size)
            self._keep(slots, pa.RecordBatch.from_arrays(batch.columns[width:], schema=self._schema))
        self._changed.begin(self.size)


def _parts(call: WindowCall, rows: pa.Schema) -> list[tuple[str, pa.DataType]]:
    """What is carried for a call: (head of the column's name, type)."""
    match call.function:
        case "count":
            return [("n", pa.int64())]
        case "sum" | "avg":
            if pa.types.is_floating(rows.field(call.args[0]).type):
                return [("n", pa.int64()), ("s", pa.float64())]
            return [("n", pa.int64()), ("h", pa.int64()), ("l", pa.int64())]
        case "min" | "max" | "first_value":
            return [("v", rows.field(call.args[0]).type)]
        case "bool_and" | "bool_or":
            return [("t", pa.int64()), ("f", pa.int64())]
    return []


class _Before:
    """The totals before the tick, for every sorted row's partition."""

    def __init__(self, newest: Ints, totals: RowArena, segment: Ints) -> None:
        self.known = newest >= 0
        self._at = newest
        self._totals = totals
        self.segment = segment

    def numbers(self, name: str) -> Ints:
        """A whole total, 0 for a partition that is new."""
        return np.asarray(self.each(name).fill_null(0))[self.segment]

    def each(self, name: str) -> pa.Array:
        """A total of each partition, NULL for one that is new."""
        (column,) = self._totals.take(self._at[self.known], [self._totals.schema.get_field_index(name)])
        places = np.cumsum(self.known) - 1
        return column.take(pa.array(places, mask=~self.known))


class _Call:
    """One call over the new rows."""

    def __init__(
        self,
        call: WindowCall,
        number: int,
        at: Places,
        columns: Sequence[pa.Array],
        before: _Before,
        state: dict[str, pa.Array],
    ) -> None:
        self.call, self.number, self.at, self.before, self.state = call, number, at, before, state
        assert call.frame is not None
        kept = None if call.filter is None else truth(columns[call.filter])
        lo, hi = frame_ranges(call.frame, at, None)
        self.over = Frames(at, lo, hi, [columns[a] for a in call.args], kept)

    def carried(self, part: str) -> Ints:
        """A whole total of the earlier rows, for every row."""
        return self.before.numbers(f"{part}{self.number}")


def _computed(one: _Call) -> tuple[pa.Array, dict[str, pa.Array]]:
    """The answers, and the totals up to each row."""
    match one.call.function:
        case "row_number":
            return one.state["$rows"], {}
        case "rank":
            return pa.array(one.at.first_peer - one.at.start + 1 + one.before.numbers("$rows")), {}
        case "dense_rank":
            return one.state["$groups"], {}
        case "count":
            count = pa.array(counted(valid_rows(one.over), one.over) + one.carried("n"))
            return count, {f"n{one.number}": count}
        case "sum" | "avg":
            return _summed(one)
        case "bool_and" | "bool_or":
            return _truth(one)
        case "first_value":
            return _first(one)
    return _extreme(one)


def _summed(one: _Call) -> tuple[pa.Array, dict[str, pa.Array]]:
    over, i, average = one.over, one.number, one.call.function == "avg"
    valid = valid_rows(over)
    count = counted(valid, over) + one.carried("n")
    parts = {f"n{i}": pa.array(count)}
    if pa.types.is_floating(over.args[0].type):
        sums = _running_sums(one, valid)
        parts[f"s{i}"] = pa.array(sums)
    else:
        high, low = halves(over, valid)
        high, low = high + one.carried("h"), low + one.carried("l")
        parts |= {f"h{i}": pa.array(high), f"l{i}": pa.array(low)}
        sums = whole(high, low, checked=not average)
    return pa.array(sums / np.maximum(count, 1) if average else sums, mask=count == 0), parts


def _running_sums(one: _Call, valid: npt.NDArray[np.bool_]) -> Floats:
    """Sums up to the end of each row's frame, one addition after the other."""
    column = buffers.plain(one.over.args[0])
    values = np.where(valid, buffers.fixed(column, f"f{column.type.bit_width // 8}").astype(np.float64), 0.0)
    starts = np.unique(one.at.start)
    lengths = np.diff(np.append(starts, len(values)))
    so_far = np.asarray(one.before.each(f"s{one.number}").fill_null(0.0)).copy()
    sums = np.empty(len(values))
    with np.errstate(invalid="ignore", over="ignore"):
        if len(starts) <= int(lengths.max(initial=0)):
            for start, length, first in zip(starts, lengths, so_far, strict=True):
                sums[start : start + length] = np.add.accumulate(np.append(first, values[start : start + length]))[1:]
        else:  # few rows each: the first of all partitions, then the second, ...
            for place in range(int(lengths.max(initial=0))):
                longer = np.flatnonzero(lengths > place)
                so_far[longer] += values[starts[longer] + place]
                sums[starts[longer] + place] = so_far[longer]
    return sums[one.over.hi - 1]


def _truth(one: _Call) -> tuple[pa.Array, dict[str, pa.Array]]:
    true, false = truths(one.over)
    true, false = true + one.carried("t"), false + one.carried("f")
    parts = {f"t{one.number}": pa.array(true), f"f{one.number}": pa.array(false)}
    held = false == 0 if one.call.function == "bool_and" else true > 0
    return pa.array(held, mask=true + false == 0), parts


def _first(one: _Call) -> tuple[pa.Array, dict[str, pa.Array]]:
    """The value carried, or that of the first new row of a partition that is new."""
    own = one.over.args[0]
    both = pa.concat_arrays([own, one.before.each(f"v{one.number}")])
    old = one.before.known[one.before.segment]
    first = both.take(pa.array(np.where(old, len(own) + one.before.segment, one.at.start)))
    return first, {f"v{one.number}": first}


def _extreme(one: _Call) -> tuple[pa.Array, dict[str, pa.Array]]:
    """The least or greatest of the value carried and the new ones; words say which, so it comes back whole."""
    own, earlier = one.over.args[0], one.before.each(f"v{one.number}")
    both = pa.concat_arrays([own, earlier])
    words = np.unique(comparable_words(both), return_inverse=True)[1].astype(np.int64)
    there = np.concatenate([valid_rows(one.over), np.asarray(earlier.is_valid())])
    combine, neutral = (np.minimum, _NEVER.max) if one.call.function == "min" else (np.maximum, _NEVER.min)
    holder = np.zeros(int(words.max(initial=0)) + 1, dtype=np.int64)
    holder[words[there]] = np.flatnonzero(there)
    usable = np.where(there, words, neutral)
    new = fold(combine, usable[: len(own)], neutral, one.over.lo, one.over.hi)
    best = combine(new, usable[len(own) :][one.before.segment])
    some = best != neutral
    value = both.take(pa.array(holder[np.where(some, best, 0)], mask=~some))
    return value, {f"v{one.number}": value}
