"""GROUP BY over tumble, hop and cumulate windows.

Two ways to keep state.  `ClosingPanes` (EMIT ON WINDOW CLOSE): one slot per (key, pane), each row added once; when the
watermark passes window ends the panes of each closed window are merged, the rows leave once and the panes are dropped.
`ChangingWindows` (EMIT CHANGES, and closing with allowed lateness): one slot per (key, window); a batch is reduced to
(key, pane) partial results first, and these, not the rows, are added to every window of their pane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.kernels import HashIndex, group
from sqlengine.operators.aggregates.aggregate_set import AggregateSet
from sqlengine.operators.aggregates.base import NO_BYTES
from sqlengine.operators.base import NUMBERS, ChosenKeys, Operator, State, Times, earlier, numbers_of, of_numbers
from sqlengine.operators.changes import replacement
from sqlengine.operators.touched_groups import TouchedGroups
from sqlengine.operators.window_input import Rows, WindowInput
from sqlengine.operators.windows import ALL_CLOSED, NONE_CLOSED
from sqlengine.plan.nodes import WindowAggregate
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.densifier import Densifier
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.ranges import expand
from sqlengine.state.section import Changed, Section, Sections
from sqlengine.workers import ALONE, Workers

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class WindowAggregateOperator(Operator):
    """Chooses the state by the node's emit mode; keeps late rows for `take_late`."""

    net = True

    def __init__(self, node: WindowAggregate, workers: Workers = ALONE) -> None:
        self.schema = node.schema
        self._workers = workers
        self._few_groups = not node.keys
        self._lateness_us = node.lateness_us if node.emit == "close" else 0
        self._input = WindowInput(node)
        once = node.emit == "close" and node.lateness_us == 0
        self._state: _Windows = ClosingPanes(node, self._input) if once else ChangingWindows(node, self._input)
        self._late: list[pa.RecordBatch] = []

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        if self._few_groups and self._workers.worth(delta.num_rows):
            self._process_reduced(delta)
            return None
        rows = self._input.read(delta, self._state.final)
        if rows.late is not None:
            self._late.append(rows.late)
        if not rows.batch.num_rows:
            return None
        self._state.process(rows)
        return None

    def _process_reduced(self, delta: Delta) -> None:
        """Pieces of the delta are reduced side by side to one partial result a window, and those are added."""
        pieces = delta.pieces(self._workers.threads)
        starts = self._state.arrived + np.cumsum([0, *(p.num_rows for p in pieces)])
        self._state.arrived = int(starts[-1])

        def reduce(i: int) -> tuple[Reduced, pa.RecordBatch | None]:
            rows = self._input.read(pieces[i], self._state.final)
            return self._state.reduce(rows, int(starts[i])), rows.late

        parts = self._workers.map(reduce, range(len(pieces)))
        self._late += [late for _, late in parts if late is not None]
        self._state.process_reduced([part for part, _ in parts if len(part.words)])

    def advance(self, times: Times) -> Delta | None:
        return self._state.advance(times.watermark_us)

    def output_watermark(self, times: Times) -> int:
        return earlier(times.watermark_us, self._lateness_us)

    def take_late(self) -> list[pa.RecordBatch]:
        taken, self._late = self._late, []
        return taken

    def state_size(self) -> Mapping[str, int]:
        return {"rows": self._state.index.size, "bytes": self._state.nbytes}

    def sections(self) -> Sections:
        return self._state.sections()

    def rest(self) -> State:
        return self._state.rest()

    def restore(self, state: State) -> None:
        self._state.restore(state)

    def keep(self, chosen: ChosenKeys) -> None:
        self._state.keep(chosen)


@dataclass(frozen=True, slots=True)
class Reduced:
    """Rows reduced to one partial result per pane word, without keys: one slot of `aggregates` each, and a weight."""

    words: Ints
    aggregates: AggregateSet
    weights: Ints


class _Windows:
    """What both kinds of state share: slots keyed by (word, keys...), `final`: the last window that takes no rows."""

    def __init__(self, node: WindowAggregate, source: WindowInput) -> None:
        self.node = node
        self.source = source
        schema = node.input.schema
        self.index = KeyIndex([pa.int64(), *(schema.field(k).type for k in node.keys)])
        self.aggregates = AggregateSet(node.aggregates, schema, node.input.append_only)
        self.weights = Growable()
        self.changed = Changed()
        self.final = NONE_CLOSED
        self.emitted = NONE_CLOSED
        self.arrived = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.index.nbytes + self.aggregates.nbytes + self.weights.nbytes

    def process(self, rows: Rows) -> None:
        """Add rows that fall in open windows."""
        raise AssertionError("of the subclass")

    def process_reduced(self, parts: Sequence[Reduced]) -> None:
        """Add partial results of rows that fall in open windows; only without keys."""
        raise AssertionError("of the subclass")

    def reduce(self, rows: Rows, arrived: int) -> Reduced:
        """Partial results of rows without keys; changes nothing, so that several threads may be at it."""
        words = HashIndex(1)
        at = words.insert(rows.words.reshape(-1, 1))
        aggregates = self.aggregates.fresh()
        aggregates.grow(words.size)
        aggregates.update(at, rows.inputs(arrived))
        weights = np.zeros(words.size, dtype=np.int64)
        group.count(weights, at, NO_BYTES, rows.weights)
        return Reduced(words.keys()[:, 0].copy(), aggregates, weights)

    def advance(self, watermark_us: int) -> Delta | None:
        """What the tick's rows have changed; close and forget windows."""
        raise AssertionError("of the subclass")

    def sections(self) -> Sections:
        """Keys with weights, and the aggregates."""
        return {"groups": Section(self.changed, lambda: self.index.size, self._rows), **self.aggregates.sections()}

    def _rows(self, slots: Ints) -> State:
        keys = self.index.rows(slots).append_column("$weight", pa.array(self.weights.values[slots]))
        return {"keys": keys, **self.aggregates.rows(slots)}

    def rest(self) -> State:
        """Where the windows stand, and what is in no section."""
        numbers = {"final": self.final, "emitted": self.emitted, "arrived": self.arrived}
        return {NUMBERS: of_numbers(numbers), **self.aggregates.rest()}

    def restore(self, state: State) -> None:
        """Continue from a snapshot."""
        keys, numbers = state["keys"], numbers_of(state[NUMBERS])
        self.final, self.emitted, self.arrived = (numbers[n] for n in ("final", "emitted", "arrived"))
        self.index.restore(keys)
        self.weights.replace(keys.column("$weight").to_numpy())
        self.aggregates.restore(state, self.index.size)
        self.changed.begin(self.index.size)

    def keys_of(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The grouping columns."""
        return [batch.column(k) for k in self.node.keys]

    def grow(self) -> None:
        """The arrays follow the index."""
        self.weights.grow(self.index.size)
        self.aggregates.grow(self.index.size)

    def group_columns(self, words: Ints) -> list[pa.Array]:
        """Output columns of groups encoded as (window, keys...): keys, then window columns."""
        keys = self.index.decode(words, range(1, len(self.node.keys) + 1))
        return [*keys, *self.source.window_columns(np.ascontiguousarray(words[:, 0]))]

    def drop(self, gone: Mask) -> None:
        """Forget slots once they are the majority and many or large."""
        dead = int(np.count_nonzero(gone))
        if self.aggregates.worth_compacting(dead):
            self._drop_all_but(~gone)

    def keep(self, chosen: ChosenKeys) -> None:
        """Forget keys that are not chosen."""
        self._drop_all_but(chosen(self.index.columns()[1:]))

    def _drop_all_but(self, keep: Mask) -> None:
        self.changed.renumbered()
        moved = self.index.compact(keep)
        self.weights.replace(self.weights.values[keep])
        self.aggregates.compact(keep, moved)


class ClosingPanes(_Windows):
    """One slot per (pane word, keys): every window leaves once."""

    def process(self, rows: Rows) -> None:
        slots = self.index.insert([rows.words, *self.keys_of(rows.batch)], len(rows.words))
        self.grow()
        self.changed.mark(slots)
        if not self.node.input.append_only:
            group.count(self.weights.values, slots, NO_BYTES, rows.weights)
        self.aggregates.update(slots, rows.inputs(self.arrived))
        self.arrived += len(slots)

    def process_reduced(self, parts: Sequence[Reduced]) -> None:
        for part in parts:
            slots = self.index.insert([part.words])
            self.grow()
            self.changed.mark(slots)
            if not self.node.input.append_only:
                group.count(self.weights.values, slots, NO_BYTES, part.weights)
            self.aggregates.merge(slots, part.aggregates, np.arange(len(slots), dtype=np.int64))

    def advance(self, watermark_us: int) -> Delta | None:
        closed = self.source.grid.closed_by(watermark_us)
        if closed <= self.final:
            return None
        before, self.final = self.final, closed
        if not self.index.size:
            return None
        words = self.index.words()
        first, last = self.source.windows(words[:, 0])
        change = self._closed(words, np.maximum(first, before + 1), np.minimum(last, closed))
        self.drop(last <= closed)
        return change

    def _closed(self, words: Ints, first: Ints, last: Ints) -> Delta | None:
        """Rows of the windows first..last of each slot, by window and then by first appearance of the key."""
        slots, windows = expand(first, last)
        if not len(slots):
            return None
        aggregates = self.aggregates
        keys = words[slots]
        keys[:, 0] = windows
        if self.source.most == 1:
            groups = slots
            weights = self.weights.values[slots]
        else:
            merged = HashIndex(keys.shape[1])
            ids = merged.insert(keys)
            keys, groups = merged.keys(), np.arange(merged.size, dtype=np.int64)
            aggregates = self.aggregates.fresh()
            aggregates.grow(merged.size)
            aggregates.merge(ids, self.aggregates, slots)
            weights = np.zeros(merged.size, dtype=np.int64)
            group.count(weights, ids, NO_BYTES, self.weights.values[slots])
        if not self.node.input.append_only:
            alive = weights > 0
            keys, groups = keys[alive], groups[alive]
        order = np.argsort(keys[:, 0], kind="stable")
        keys, groups = np.ascontiguousarray(keys[order]), groups[order]
        if not len(groups):
            return None
        columns = [*self.group_columns(keys), *aggregates.results(groups)]
        return Delta(pa.RecordBatch.from_arrays(columns, schema=self.node.schema))


class ChangingWindows(_Windows):
    """One slot per (window, keys): rows are retracted and inserted as windows change once they have been emitted."""

    def __init__(self, node: WindowAggregate, source: WindowInput) -> None:
        super().__init__(node, source)
        self._densify = Densifier()
        self._touched = TouchedGroups()
        if node.emit == "changes":
            self.emitted = ALL_CLOSED
            self._kept_us = node.retention_us
        else:
            self._kept_us = node.lateness_us

    def _placed(self, rows: Rows) -> tuple[Ints, tuple[AggregateSet, Ints] | None, Ints]:
        """The slots that change, and for rows in several windows the partial results (see `_partial`)."""
        columns = [rows.words, *self.keys_of(rows.batch)]
        if self.source.most == 1:
            slots = self.index.insert(columns, len(rows.words))
            placed: tuple[Ints, tuple[AggregateSet, Ints] | None, Ints] = slots, None, slots
        else:
            placed = self._partial(columns, rows)
        self.grow()
        return placed

    def _add(self, rows: Rows, slots: Ints, part: tuple[AggregateSet, Ints] | None, ids: Ints) -> None:
        if part is None:
            group.count(self.weights.values, slots, NO_BYTES, rows.weights)
            self.aggregates.update(slots, rows.inputs(self.arrived))
        else:
            aggregates, weights = part
            group.count(self.weights.values, slots, NO_BYTES, weights[ids])
            self.aggregates.merge(slots, aggregates, ids)
        self.arrived += len(rows.words)

    def process(self, rows: Rows) -> None:
        slots, part, ids = self._placed(rows)
        self._note(slots)
        self._add(rows, slots, part, ids)

    def process_reduced(self, parts: Sequence[Reduced]) -> None:
        for part in parts:
            slots, ids = self._in_windows(part.words.reshape(-1, 1))
            self.grow()
            self._note(slots)
            group.count(self.weights.values, slots, NO_BYTES, part.weights[ids])
            self.aggregates.merge(slots, part.aggregates, ids)

    def _note(self, slots: Ints) -> None:
        """Groups are about to change: those that have been emitted will have to say so."""
        touched, _ = self._densify(slots, self.index.size)
        self.changed.mark(touched)
        shown = self._shown(touched)
        if len(shown):
            self._touched.note(shown, self.index.size, self._exist, self.aggregates.results)

    def _exist(self, slots: Ints) -> Mask:
        return self.weights.values[slots] > 0

    def _changed(self) -> Delta | None:
        """What the tick's rows change of groups that have been emitted before."""
        if not self._touched:
            return None
        slots, had, old = self._touched.take()
        groups = self.group_columns(self.index.words(slots))
        return replacement(self.node.schema, groups, old, self.aggregates.results(slots), had, self._exist(slots))

    def advance(self, watermark_us: int) -> Delta | None:
        grid = self.source.grid
        before = self.emitted
        change = self._changed()
        if self.node.emit == "close":
            self.emitted = max(before, grid.closed_by(watermark_us))
        if self.emitted > before:
            change = concat([delta for delta in (change, self._newly_closed(before)) if delta is not None])
        final = self.final
        if self._kept_us is not None:
            final = max(final, grid.closed_by(earlier(watermark_us, self._kept_us)))
        if final > self.final or not self.node.input.append_only:
            self.final = final
            gone = self._windows() <= final
            if not self.node.input.append_only:
                gone |= self.weights.values == 0
            self.drop(gone)
        return change

    def _partial(self, columns: Sequence[pa.Array | Ints], rows: Rows) -> tuple[Ints, tuple[AggregateSet, Ints], Ints]:
        """Reduce the batch to (key, pane) partial results.

        Returns (window slot of each addition, the partial results and their weights, which of them each addition is).
        """
        codes = self.index.encode(columns, len(rows.words))
        panes = HashIndex(codes.shape[1])
        at = panes.insert(codes)
        part = self.aggregates.fresh()
        part.grow(panes.size)
        part.update(at, rows.inputs(self.arrived))
        weights = np.zeros(panes.size, dtype=np.int64)
        group.count(weights, at, NO_BYTES, rows.weights)
        slots, ids = self._in_windows(panes.keys())
        return slots, (part, weights), ids

    def _in_windows(self, keys: Ints) -> tuple[Ints, Ints]:
        """(slot, place among the keys) of every open window the keys' panes are in."""
        first, last = self.source.windows(keys[:, 0])
        ids, windows = expand(np.maximum(first, self.final + 1), last)
        keys = keys[ids]
        keys[:, 0] = windows
        return self.index.insert_words(keys), ids

    def _windows(self) -> Ints:
        """The window of every slot."""
        return np.ascontiguousarray(self.index.words()[:, 0])

    def _shown(self, touched: Ints) -> Ints:
        """Those of the touched slots whose window has been emitted."""
        if self.emitted == ALL_CLOSED:
            return touched
        return touched[self.index.words(touched)[:, 0] <= self.emitted]

    def _closed_slots(self, before: int) -> Ints:
        """The groups of the windows that closed after `before`, by window."""
        windows = self._windows()
        slots = np.flatnonzero((windows > before) & (windows <= self.emitted) & (self.weights.values > 0))
        return slots[np.argsort(windows[slots], kind="stable")]

    def _newly_closed(self, before: int) -> Delta | None:
        """Rows of the windows that closed after `before`."""
        slots = self._closed_slots(before)
        if not len(slots):
            return None
        columns = [*self.group_columns(self.index.words(slots)), *self.aggregates.results(slots)]
        return Delta(pa.RecordBatch.from_arrays(columns, schema=self.node.schema))
