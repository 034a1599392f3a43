"""GROUP BY over session windows: a session is [first time, last time + gap) of one key, rows less than `gap` apart.

A batch is cut into runs per key first (kernels/group), reduced to one partial result per run, and the runs are merged
with the sessions they touch.  Rows mostly extend their key's latest session, so only that one is looked at unless a run
begins before it.  Over an input that can delete, rows are kept and the sessions of touched keys are built again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.kernels import group
from sqlengine.operators.aggregates.aggregate_set import AggregateSet
from sqlengine.operators.aggregates.base import NO_INTS, Inputs
from sqlengine.operators.base import NO_WATERMARK, NUMBERS, Operator, State, Times, earlier, numbers_of, of_numbers
from sqlengine.operators.consolidate import consolidate
from sqlengine.plan.nodes import SessionAggregate
from sqlengine.quick_dataclass import dataclass
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.densifier import Densifier
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.row_bag import RowBag
from sqlengine.state.row_chains import RowChains
from sqlengine.state.section import Changed, Section, Sections
from sqlengine.state.slot_arrays import SlotArrays
from sqlengine.workers import ALONE, Workers

Ints = npt.NDArray[np.int64]

NO_LIMIT = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Runs:
    """Partial sessions of one batch: `keys` are places in `touched` (key slots); `part` has one slot per run."""

    touched: Ints
    keys: Ints
    firsts: Ints
    lasts: Ints
    part: AggregateSet


class SessionAggregateOperator(Operator):
    """Sessions by slot: key slot, first and last time, whether alive and whether emitted."""

    def __init__(self, node: SessionAggregate, workers: Workers = ALONE) -> None:
        self._workers = workers
        self._long_runs = True
        assert node.window.size[0] == 0, "a session gap is a span of time, not of months"
        self.node = node
        self.schema = node.schema
        self._gap = node.window.size[1]
        self._closing = node.emit == "close"
        source = node.input.schema
        self._keys = KeyIndex([source.field(k).type for k in node.keys])
        self._rows = None if node.input.append_only else RowBag([f.type for f in source])
        self._aggregates = AggregateSet(node.aggregates, source, append_only=True)
        self._sessions = SlotArrays(key=("i8", 0), first=("i8", 0), last=("i8", 0), emitted=("u1", 0), alive=("i8", 0))
        self._chains = RowChains()
        self._chained = 0
        self._latest = Growable(-1)
        self._densify = Densifier()
        self._horizon = NO_WATERMARK
        self._next_end = NO_LIMIT
        self._arrived = 0
        self._late: list[pa.RecordBatch] = []
        self._new_keys, self._changed = Changed(), Changed()

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        delta = self._in_time(delta)
        if not delta.num_rows:
            return None
        if self._rows is None and self._long_runs and self._workers.worth(delta.num_rows):
            return self._add(self._cut_in_pieces(delta), rebuilt=False)
        keys = self._keys.insert([delta.batch.column(k) for k in self.node.keys], delta.num_rows)
        self._latest.grow(self._keys.size)
        touched, local = self._densify(keys, self._keys.size)
        if self._rows is None:
            inputs = Inputs(delta.batch.columns, delta.num_rows, NO_INTS, self._arrived)
            self._arrived += delta.num_rows
            runs = self._cut(touched, local, self._times(delta.batch.columns), inputs)
            self._long_runs = 2 * len(runs.keys) < delta.num_rows
            return self._add(runs, rebuilt=False)
        weights = NO_INTS if delta.weights is None else delta.weights
        arrivals = self._arrived + np.arange(delta.num_rows, dtype=np.int64)
        self._arrived += delta.num_rows
        self._rows.apply(keys, delta.batch.columns, weights, arrivals)
        return self._rebuild(self._rows, touched)

    def advance(self, times: Times) -> Delta | None:
        watermark = times.watermark_us
        change = None
        kept_us = self.node.lateness_us if self._closing else self.node.retention_us
        if kept_us is not None:
            self._horizon = max(self._horizon, earlier(watermark, kept_us))
            if self._next_end > (watermark if self._closing else self._horizon):
                return None
            change = self._close(watermark) if self._closing else None
            self._forget()
        self._reclaim()
        return change

    def _close(self, watermark_us: int) -> Delta | None:
        """The sessions that ended and were not emitted yet, by their end."""
        own, size = self._sessions, self._sessions.size
        ends = own["last"][:size] + self._gap
        due = np.flatnonzero((own["alive"][:size] != 0) & (own["emitted"][:size] == 0) & (ends <= watermark_us))
        due = due[np.lexsort((due, ends[due]))]
        own["emitted"][due] = 1
        self._changed.mark(due)
        return Delta(self._output(due)) if len(due) else None

    def _forget(self) -> None:
        """Sessions no row can reach any more die."""
        own, size = self._sessions, self._sessions.size
        ends = own["last"][:size] + self._gap
        alive = own["alive"][:size] != 0
        gone = alive & (ends <= self._horizon)
        if self._closing:
            gone &= own["emitted"][:size] != 0
        own["alive"][:size][gone] = 0
        self._changed.mark(np.flatnonzero(gone))
        left = alive & ~gone
        self._next_end = int(ends[left].min()) if left.any() else NO_LIMIT
        if self._rows is not None and gone.any():
            self._forget_rows(self._rows, np.flatnonzero(gone))

    def output_watermark(self, times: Times) -> int:
        return earlier(times.watermark_us, self.node.lateness_us if self._closing else 0)

    def take_late(self) -> list[pa.RecordBatch]:
        taken, self._late = self._late, []
        return taken

    def state_size(self) -> Mapping[str, int]:
        size = self._keys.nbytes + self._aggregates.nbytes + self._sessions.nbytes + self._chains.nbytes
        kept = self._rows.nbytes if self._rows is not None else 0
        return {"rows": int(self._sessions["alive"][: self._sessions.size].sum()), "bytes": size + kept}

    def sections(self) -> Sections:
        keys = Section(self._new_keys, lambda: self._keys.size, lambda keys: {"keys": self._keys.rows(keys)})
        sessions = Section(self._changed, lambda: self._sessions.size, self._session_rows)
        rows = {} if self._rows is None else self._rows.sections()
        return {"keys": keys, "sessions": sessions, **rows, **self._aggregates.sections()}

    def _session_rows(self, sessions: Ints) -> State:
        return {"sessions": self._sessions.rows(sessions), **self._aggregates.rows(sessions)}

    def rest(self) -> State:
        numbers = {"horizon": self._horizon, "next_end": self._next_end, "arrived": self._arrived}
        return {NUMBERS: of_numbers(numbers), **self._aggregates.rest()}

    def restore(self, state: State) -> None:
        numbers = numbers_of(state[NUMBERS])
        self._horizon, self._next_end, self._arrived = (numbers[n] for n in ("horizon", "next_end", "arrived"))
        self._keys.restore(state["keys"])
        self._sessions.restore(state["sessions"])
        self._aggregates.restore(state, self._sessions.size)
        if self._rows is not None:
            self._rows.restore(state)
        self._relink()
        self._new_keys.begin(self._keys.size)
        self._changed.begin(self._sessions.size)

    # ------------------------------------------------------------------ rows to runs

    def _in_time(self, delta: Delta) -> Delta:
        """Rows that have a time and are not late; late ones are put aside."""
        times = buffers.plain(delta.batch.column(self.node.time_column))
        valid = buffers.validity(times)
        if valid is not None:
            delta = delta.take(np.flatnonzero(valid))
            times = buffers.plain(delta.batch.column(self.node.time_column))
        if self._horizon == NO_WATERMARK:
            return delta
        late = np.asarray(buffers.fixed(times, "i8")) < self._horizon
        if not late.any():
            return delta
        self._late.append(delta.batch.filter(pa.array(late)))
        return delta.filter(pa.array(~late))

    def _times(self, columns: Sequence[pa.Array]) -> Ints:
        return np.asarray(buffers.fixed(buffers.plain(columns[self.node.time_column]), "i8"))

    def _cut(self, touched: Ints, local: Ints, times_us: Ints, inputs: Inputs) -> Runs:
        """Rows (key `touched[local]`) as runs with their partial results."""
        runs, keys, firsts, lasts = group.assign_sessions(local, len(touched), times_us, self._gap)
        part = self._aggregates.fresh()
        part.grow(len(keys))
        part.update(runs, inputs)
        return Runs(touched, keys, firsts, lasts, part)

    def _cut_in_pieces(self, delta: Delta) -> Runs:
        """The same of pieces of the delta side by side; keys are entered, and runs brought together, afterwards.

        Runs of one key from two pieces are merged like any others.  Where runs hold hardly more than a row each this
        costs more than it brings, and the next deltas are cut as one.
        """
        pieces = delta.pieces(self._workers.threads)
        starts = self._arrived + np.cumsum([0, *(p.num_rows for p in pieces)])
        self._arrived = int(starts[-1])
        types = self._keys.types

        def cut(i: int) -> tuple[list[pa.Array], Runs]:
            columns = pieces[i].batch.columns
            keys = KeyIndex(types)
            local = keys.insert([columns[k] for k in self.node.keys], pieces[i].num_rows)
            inputs = Inputs(columns, pieces[i].num_rows, NO_INTS, int(starts[i]))
            places = np.arange(keys.size, dtype=np.int64)
            return keys.columns(), self._cut(places, local, self._times(columns), inputs)

        cuts = self._workers.map(cut, range(len(pieces)))
        slots = [self._keys.insert(columns, len(runs.touched)) for columns, runs in cuts]
        self._latest.grow(self._keys.size)
        touched, places = self._densify(np.concatenate(slots), self._keys.size)
        ends = np.cumsum([len(s) for s in slots])
        keys = [places[end - len(s) : end][runs.keys] for s, end, (_, runs) in zip(slots, ends, cuts, strict=True)]
        part = self._aggregates.fresh()
        part.grow(sum(len(k) for k in keys))
        at = 0
        for _, runs in cuts:
            own = np.arange(len(runs.keys), dtype=np.int64)
            part.merge(at + own, runs.part, own)
            at += len(own)
        self._long_runs = 2 * at < delta.num_rows
        firsts, lasts = (np.concatenate([getattr(runs, name) for _, runs in cuts]) for name in ("firsts", "lasts"))
        return Runs(touched, np.concatenate(keys), firsts, lasts, part)

    def _rebuild(self, rows: RowBag, touched: Ints) -> Delta | None:
        """The sessions of these keys anew, from the rows kept."""
        places, kept = rows.rows(touched)
        columns = rows.values(kept)
        inputs = Inputs(columns, len(kept), NO_INTS, rows.arrivals(kept))
        change = self._add(self._cut(touched, places, self._times(columns), inputs), rebuilt=True)
        rows.reclaim(self._keys.size)
        return change

    # ------------------------------------------------------------------ runs to sessions

    def _candidates(self, runs: Runs) -> tuple[Ints, Ints]:
        """(place in `touched`, session) of the living sessions the runs could touch, and each key's latest."""
        latest = self._latest.values[runs.touched]
        earliest = np.full(len(runs.touched), NO_LIMIT, dtype=np.int64)
        np.minimum.at(earliest, runs.keys, runs.firsts)
        has = (latest >= 0) & (self._sessions["alive"][np.maximum(latest, 0)] != 0)
        after = has & (earliest >= self._sessions["first"][np.maximum(latest, 0)])
        simple = np.flatnonzero(after)
        others = np.flatnonzero(~after & (latest >= 0))
        places, sessions = self._chains.rows(runs.touched[others], self._sessions["alive"][: self._sessions.size])
        return np.concatenate([simple, others[places]]), np.concatenate([latest[simple], sessions])

    def _add(self, runs: Runs, rebuilt: bool) -> Delta | None:
        """Merge runs with the sessions they touch; `rebuilt`: replace all sessions of the keys by the runs."""
        own = self._sessions
        places, old = self._all_of(runs.touched) if rebuilt else self._candidates(runs)
        kept = np.empty(0, dtype=np.int64) if rebuilt else old
        keys = np.concatenate([places[: len(kept)], runs.keys])
        firsts = np.concatenate([own["first"][kept], runs.firsts])
        lasts = np.concatenate([own["last"][kept], runs.lasts])
        order = np.lexsort((firsts, keys))
        sessions = group.merge_runs(keys[order], firsts[order], lasts[order], self._gap)
        group_of = np.empty(len(order), dtype=np.int64)
        group_of[order] = sessions
        count = int(sessions[-1]) + 1 if len(sessions) else 0
        touched = np.zeros(count, dtype=bool)
        touched[group_of[len(kept) :]] = True
        targets = self._targets(group_of[: len(kept)], kept, count)
        self._changed.mark(old)
        self._changed.mark(targets)
        changed = old if rebuilt else kept[touched[group_of[: len(kept)]]]
        before = self._retracted(changed)
        bounds = own["first"][changed], own["last"][changed]
        if rebuilt:
            own["alive"][old] = 0
        self._fold(runs, kept, group_of, targets, touched)
        self._set_bounds(order, sessions, firsts, lasts, targets)
        self._set_latest(runs.touched, keys[order], sessions, targets, rebuilt)
        self._next_end = min(self._next_end, int(runs.firsts.min(initial=NO_LIMIT - self._gap)) + self._gap)
        same = rebuilt or ((own["first"][changed] == bounds[0]) & (own["last"][changed] == bounds[1])).any()
        return self._change(before, targets[touched], bool(same))

    def _all_of(self, touched: Ints) -> tuple[Ints, Ints]:
        """(place, session) of every living session of the keys."""
        return self._chains.rows(touched, self._sessions["alive"][: self._sessions.size])

    def _targets(self, groups: Ints, kept: Ints, count: int) -> Ints:
        """The session slot of each group: its first old session, else a new slot."""
        targets = np.full(count, -1, dtype=np.int64)
        targets[groups[::-1]] = kept[::-1]
        fresh = np.flatnonzero(targets < 0)
        size = self._sessions.size
        targets[fresh] = size + np.arange(len(fresh))
        self._sessions.grow(size + len(fresh))
        self._aggregates.grow(size + len(fresh))
        self._sessions["alive"][targets[fresh]] = 1
        return targets

    def _fold(self, runs: Runs, kept: Ints, group_of: Ints, targets: Ints, touched: npt.NDArray[np.bool_]) -> None:
        """Add old sessions that were joined, then the runs, to their group's slot."""
        into = targets[group_of[: len(kept)]]
        joined = np.flatnonzero(into != kept)
        if len(joined):
            self._aggregates.merge(into[joined], self._aggregates, kept[joined])
            self._sessions["alive"][kept[joined]] = 0
        into = targets[group_of[len(kept) :]]
        self._aggregates.merge(into, runs.part, np.arange(len(into), dtype=np.int64))
        self._sessions["emitted"][targets[touched]] = 0

    def _set_bounds(self, order: Ints, sessions: Ints, firsts: Ints, lasts: Ints, targets: Ints) -> None:
        """First and last time of each group."""
        if not len(order):
            return
        starts = np.flatnonzero(np.concatenate([[True], sessions[1:] != sessions[:-1]]))
        self._sessions["first"][targets] = firsts[order][starts]
        self._sessions["last"][targets] = np.maximum.reduceat(lasts[order], starts)

    def _set_latest(self, touched: Ints, keys: Ints, sessions: Ints, targets: Ints, rebuilt: bool) -> None:
        """Key of the new sessions, chains, and the latest session of each key."""
        if rebuilt:
            self._latest.values[touched] = -1
        if not len(keys):
            return
        key_of = np.empty(len(targets), dtype=np.int64)
        key_of[sessions] = touched[keys]
        self._sessions["key"][targets] = key_of
        self._latest.values[key_of] = targets
        known = self._chained
        fresh = np.arange(known, self._sessions.size, dtype=np.int64)
        if len(fresh):
            self._chains.insert(self._sessions["key"][fresh], known, self._keys.size)
            self._chained = self._sessions.size

    # ------------------------------------------------------------------ output

    def _retracted(self, sessions: Ints) -> Delta | None:
        """The rows, as they are, of those sessions that have been emitted."""
        shown = sessions if not self._closing else sessions[self._sessions["emitted"][sessions] != 0]
        if not len(shown):
            return None
        return Delta(self._output(shown), np.full(len(shown), -1, dtype=np.int64))

    def _change(self, before: Delta | None, targets: Ints, may_cancel: bool) -> Delta | None:
        """Old rows out, new rows in; rows that are the same in both cancel (only possible where bounds stayed)."""
        after = None if self._closing or not len(targets) else Delta(self._output(targets))
        if before is None:
            return after
        both = concat([d for d in (before, after) if d is not None])
        return consolidate(both) if may_cancel else both

    def _output(self, sessions: Ints) -> pa.RecordBatch:
        """Output rows of sessions."""
        own = self._sessions
        kind = self.schema.field(len(self.node.keys)).type
        end = own["last"][sessions] + self._gap
        window = [buffers.from_ints(v, kind) for v in (own["first"][sessions], end, end - 1)]
        keys = self._keys.columns(own["key"][sessions])
        return pa.RecordBatch.from_arrays([*keys, *window, *self._aggregates.results(sessions)], schema=self.schema)

    # ------------------------------------------------------------------ reclaiming

    def _forget_rows(self, rows: RowBag, gone: Ints) -> None:
        """Drop the kept rows of sessions that are over."""
        upto = np.full(self._keys.size, np.iinfo(np.int64).min, dtype=np.int64)
        np.maximum.at(upto, self._sessions["key"][gone], self._sessions["last"][gone])
        touched = np.unique(self._sessions["key"][gone])
        places, kept = rows.rows(touched)
        over = self._times(rows.values(kept)) <= upto[touched[places]]
        kept = kept[over]
        rows.apply(touched[places[over]], rows.values(kept), np.full(len(kept), -1, dtype=np.int64), kept)
        rows.reclaim(self._keys.size)

    def _reclaim(self) -> None:
        """Forget dead sessions once they are the majority and many or large."""
        dead = self._sessions.size - int(np.count_nonzero(self._sessions["alive"][: self._sessions.size]))
        if self._aggregates.worth_compacting(dead):
            self._compact()

    def _compact(self) -> None:
        """Forget dead sessions, and keys that have none any more: of those a session has just gone."""
        keep = self._sessions["alive"][: self._sessions.size] != 0
        if not keep.all():
            self._changed.renumbered()
            moved = np.where(keep, np.cumsum(keep) - 1, -1)
            self._sessions.compact(keep)
            self._aggregates.compact(keep, moved)
        used = np.zeros(self._keys.size, dtype=bool)
        used[self._sessions["key"][: self._sessions.size]] = True
        if not used.all():
            self._new_keys.renumbered()
            moved = self._keys.compact(used)
            own = self._sessions["key"][: self._sessions.size]
            own[:] = moved[own]
            if self._rows is not None:
                self._rows.compact(moved)
        self._relink()

    def _relink(self) -> None:
        """Chains and latest sessions from the session arrays."""
        size = self._sessions.size
        keys, firsts = self._sessions["key"][:size], self._sessions["first"][:size]
        self._chains = RowChains()
        if size:
            self._chains.insert(np.ascontiguousarray(keys), 0, self._keys.size)
        self._chained = size
        self._latest = Growable(-1)
        latest = self._latest.grow(self._keys.size)
        order = np.argsort(firsts, kind="stable")
        latest[keys[order]] = order
