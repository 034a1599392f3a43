"""JoinSide: everything one input of a join has brought, found by key slot.

Rows live in an arena by reference; per row there is a weight (0 = dead) and, where the join needs it, the number of
matches on the other side.  An input that can retract finds the rows it takes back by a unique key or by fingerprint
(state/row_identity.py); an append-only input has neither weights nor an index of rows.  Where a unique key is part of
the join's key, a key has one row at most, which needs no chain to be found.

Rows are linked into the key index lazily.  A stream joined with a table that hardly changes is never looked up by key,
so hashing its rows would be wasted: new rows stay `pending`, and a small delta of the other side scans them.  Once the
scanned rows outweigh what linking would have cost (the rent-or-buy rule of ski rental), the side is eager from then
on: what is pending is linked a part a delta, so that none waits for all of it, and new rows as they come.
The side must not know the join's kind or condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, part
from sqlengine.state.arrow_buffers import plain, validity
from sqlengine.state.densifier import distinct_ascending
from sqlengine.state.growable import Growable, Ints
from sqlengine.state.key_columns import KeyColumns
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.order_codes import order_codes
from sqlengine.state.row_arena import RowArena
from sqlengine.state.row_chains import NOTHING, RowChains
from sqlengine.state.row_identity import ByKey, ByPrint, Placed
from sqlengine.state.row_index import net_weights
from sqlengine.state.section import Changed, Section, Sections
from sqlengine.state.touched_rows import TouchedRows
from sqlengine.workers import ALONE, Workers

WEIGHT, MATCHES = "$weight", "$matches"
NO_LIMIT = int(np.iinfo(np.int64).min)

RENT = 8
"""Scanning a row costs about an eighth of linking it."""
LINK_AT_ONCE = 4_096
"""An eager side with pending rows links at least so many at every delta."""
COMPACT_AT = 16_384
"""Fewer dead rows than this are not worth a compaction."""


class JoinSide:
    """`retracting`: deletions may come; `unique`: columns that identify a row, None when only the whole row does;
    `counted`: keep `matches`; `bound`: see nodes.Join."""

    def __init__(
        self,
        schema: pa.Schema,
        keys: KeyColumns,
        retracting: bool,
        unique: tuple[int, ...] | None,
        counted: bool,
        bound: tuple[int, int] | None,
    ) -> None:
        self.keys = keys
        shared = unique is not None and set(unique) <= set(keys.columns)
        self.eager = retracting and shared
        self._linked = 0
        self._appended = 0
        self._scanned = 0
        self.arena = RowArena(schema)
        self.chains = RowChains()
        self._bound = bound
        self._weights: Growable | None = Growable() if retracting else None
        self._matches: Growable | None = Growable() if counted else None
        self._by_print: ByPrint | None = ByPrint() if retracting and unique is None else None
        self._touched = TouchedRows() if counted else None
        self._by_key: ByKey | None = ByKey(schema, unique, shared) if retracting and unique is not None else None
        self._dead = 0
        self._oldest: dict[int, tuple[pa.RecordBatch, int]] = {}
        self._new, self._changed = Changed(), Changed()

    # ------------------------------------------------------------ reading

    @property
    def num_rows(self) -> int:
        """Living rows, equal ones of a retracting side counted once."""
        return self.arena.num_rows - self._dead

    @property
    def num_bytes(self) -> int:
        """Approximate bytes held."""
        parts = (self._weights, self._matches, self._by_print, self._by_key)
        return self.arena.num_bytes + self.chains.nbytes + sum(part.nbytes for part in parts if part is not None)

    @property
    def _one_a_key(self) -> ByKey | None:
        """What leads from a slot of the join's index to its only row, where there is such a thing."""
        return self._by_key if self._by_key is not None and self._by_key.shared else None

    def probe(self, slots: Ints) -> Iterator[tuple[Ints, Ints]]:
        """(positions in `slots`, living linked rows) in pieces; see RowChains.probe."""
        dead_marks = self._weights.values if self._dead and self._weights is not None else NOTHING
        if self._one_a_key is None:
            return self.chains.probe(slots, dead_marks)
        rows = self._one_a_key.find(slots)
        hits = np.flatnonzero(rows >= 0)
        if len(dead_marks):
            hits = hits[dead_marks[rows[hits]] != 0]
        return iter([(hits, rows[hits])])

    def scan(self, keys: Sequence[pa.Array], num_rows: int, workers: Workers = ALONE) -> Iterator[tuple[Ints, Ints]]:
        """(positions in `keys`, living pending rows) in pieces, without linking; chunks are scanned side by side."""
        wanted = KeyIndex(self.keys.types)
        slots = wanted.insert(keys, num_rows)

        def hits_in(pending: tuple[int, pa.RecordBatch]) -> tuple[Ints, Ints]:
            first, part = pending
            found = wanted.find(self.keys.of(part), part.num_rows)
            hits = np.flatnonzero(found >= 0)
            if self._weights is not None and len(hits):
                hits = hits[self._weights.values[first + hits] != 0]
            return found[hits], first + hits

        parts = self.arena.parts(self._linked)
        count = sum(part.num_rows for _, part in parts)
        self._scanned += count
        hits = workers.map(hits_in, parts) if workers.worth(count) else [hits_in(part) for part in parts]
        hit_slots, hit_rows = zip((NOTHING, NOTHING), *hits, strict=True)
        rows, chains = np.concatenate(hit_rows), RowChains()
        chains.insert(np.concatenate(hit_slots), 0, wanted.size)
        return ((probe, rows[hit]) for probe, hit in chains.probe(slots))

    def prepare(self, index: KeyIndex, probes: int) -> bool:
        """Before a delta of `probes` rows looks for its matches here: link pending rows if that pays.

        Returns True when rows are left pending, and the delta must scan them.  That costs about as much as linking an
        eighth of them, so linking as many beside it at most doubles what the delta takes.
        """
        pending = self.arena.num_rows - self._linked
        if pending and (self.eager or 4 * probes > pending or self._scanned + pending > RENT * self._appended):
            self.eager = True
            self._link(index, max(LINK_AT_ONCE, 4 * probes, pending // RENT))
        return self.arena.num_rows > self._linked

    def is_up_to_date(self, index: KeyIndex, more: int) -> bool:
        """Before `more` rows are added: whether to link them at once, as all rows before them are linked.

        An eager side that has some pending gets nearer to that: it links more rows than come."""
        if self.eager and self._linked < self.arena.num_rows:
            self._link(index, max(LINK_AT_ONCE, 4 * more))
        return self.eager and self._linked == self.arena.num_rows

    def _link(self, index: KeyIndex, most: int) -> None:
        """Enter the first `most` pending rows into the key index."""
        for first, rows in self.arena.parts(self._linked):
            rows = rows.slice(0, most)
            slots = index.insert(self.keys.of(rows), rows.num_rows)
            self.chains.insert(slots, first, index.size)
            self._linked = first + rows.num_rows
            most -= rows.num_rows
            if not most:
                return

    def weights(self, rows: Ints) -> Ints | None:
        """The weights of living rows, None when all are +1."""
        return None if self._weights is None or self._by_key is not None else self._weights.values[rows]

    def matches(self, rows: Ints) -> Ints:
        """The rows' match counts."""
        assert self._matches is not None
        return self._matches.values[rows]

    # ------------------------------------------------------------ changes

    def add(self, delta: Delta, slots: Ints | None, num_slots: int, matches: Ints | None) -> None:
        """Take in a delta; `slots` of its keys in the shared index of `num_slots` (None: leave it pending);
        `matches`: match count of each of its rows."""
        self._appended += delta.num_rows
        if delta.weights is not None and self._weights is None:
            self._begin_weights()
        if self._by_key is not None and self._merge_by_key(delta, slots, num_slots, matches):
            return
        if self._by_print is not None:
            self._merge_by_print(self._by_print, delta, slots, num_slots, matches)
            return
        first = self.arena.append(delta.batch)
        self._enter(slots, first, num_slots)
        if self._weights is not None:
            self._weights.append(delta.weight_array())
        if self._matches is not None and matches is not None:
            self._matches.append(matches)

    def _begin_weights(self) -> None:
        """Rows can die from now on."""
        self._weights = Growable()
        self._weights.append(np.ones(self.arena.num_rows, dtype=np.int64))
        self._changed.renumbered()

    def _merge_by_key(self, delta: Delta, slots: Ints | None, num_slots: int, matches: Ints | None) -> bool:
        """`add` by unique key; False, and nothing is added, when the side has to give its key up."""
        assert self._by_key is not None and self._weights is not None
        placed = self._by_key.place(delta, self.arena, self._weights.values, slots, num_slots)
        if placed is None:
            kept, weights, _ = net_weights(delta)
            delta = Delta(delta.batch.take(pa.array(kept)), weights)
            slots, matches = (None if of_rows is None else of_rows[kept] for of_rows in (slots, matches))
            placed = self._by_key.place(delta, self.arena, self._weights.values, slots, num_slots)
        if placed is None:
            self._give_up_key()
            return False
        self._append_new(delta, placed, slots, num_slots)
        if delta.weights is not None:
            gone = placed.rows[delta.weights < 0]
            self._note(gone)
            self._weights.values[gone] = 0
            self._changed.mark(gone)
            self._dead += len(gone)
        self._weights.append(np.ones(len(placed.new), dtype=np.int64))
        self._keep_matches(placed, matches)
        return True

    def _give_up_key(self) -> None:
        """Go on by fingerprints: the key is not unique, or was not for a moment."""
        assert self._weights is not None
        if self._one_a_key is not None:
            self.chains, self._linked = RowChains(), 0
        self._by_key, self._by_print = None, ByPrint()
        for start, chunk in zip(self.arena.starts, self.arena.chunks, strict=False):
            living = np.flatnonzero(self._weights.values[start : start + chunk.num_rows])
            self._by_print.enter(chunk.take(pa.array(living)), start + living)

    def _merge_by_print(
        self, rows: ByPrint, delta: Delta, slots: Ints | None, num_slots: int, matches: Ints | None
    ) -> None:
        first = self.arena.num_rows
        placed = rows.place(delta, first)
        if self._touched is not None:
            self._note(distinct_ascending(placed.rows, first + len(placed.new)))
        self._append_new(delta, placed, slots, num_slots)
        self._add_weights(placed.rows, delta.weight_array(), first)
        self._keep_matches(placed, matches)

    def _append_new(self, delta: Delta, placed: Placed, slots: Ints | None, num_slots: int) -> None:
        new, first = placed.new, self.arena.num_rows
        if not len(new):
            return
        self.arena.append(delta.batch if len(new) == delta.num_rows else part(delta.batch, new))
        if self._one_a_key is not None:
            self._linked = self.arena.num_rows
        else:
            self._enter(None if slots is None else slots[new], first, num_slots)

    def _keep_matches(self, placed: Placed, matches: Ints | None) -> None:
        if self._matches is not None and matches is not None:
            self._matches.grow(self.arena.num_rows)[placed.rows] = matches
            self._changed.mark(placed.rows)

    def _enter(self, slots: Ints | None, first: int, num_slots: int) -> None:
        """Link appended rows at once when nothing else is pending."""
        if slots is not None and self._linked == first:
            self.chains.insert(slots, first, num_slots)
            self._linked = self.arena.num_rows

    def _add_weights(self, rows: Ints, by: Ints, first_new: int) -> None:
        """Add to weights (rows may repeat) and keep the number of dead rows; rows from `first_new` on are new."""
        assert self._weights is not None
        weights = self._weights.grow(self.arena.num_rows)
        old = rows[rows < first_new]
        revived = old[weights[old] == 0]
        np.add.at(weights, rows, by)
        self._changed.mark(rows)
        died = old[weights[old] == 0]
        changed = len(distinct_ascending(died, first_new)) - len(distinct_ascending(revived, first_new))
        self._dead += changed + int((weights[first_new:] == 0).sum())

    def add_matches(self, rows: Ints, by: Ints) -> None:
        """Add to match counts (rows may repeat)."""
        assert self._matches is not None
        self._note(distinct_ascending(rows, self._matches.size))
        np.add.at(self._matches.values, rows, by)
        self._changed.mark(rows)

    def _note(self, rows: Ints) -> None:
        """Rows (distinct) are about to change."""
        if self._touched is not None and self._matches is not None:
            self._touched.note(rows, None if self._weights is None else self._weights.values, self._matches.values)

    def take_changes(self, matched: bool) -> Iterator[Delta]:
        """How the rows that have a match (`matched`), or have none, are others than at the last call."""
        assert self._touched is not None and self._matches is not None
        first, size = self._touched.first_new, self.arena.num_rows
        rows, weights, matches = self._touched.take(size)
        change = self._shown(rows, matched) - np.where((matches > 0) == matched, weights, 0)
        changed = np.flatnonzero(change)
        if len(changed):
            yield Delta(self.arena.take_batch(rows[changed]), change[changed])
        for start, batch in self.arena.parts(first):
            shown = self._shown(np.arange(start, start + batch.num_rows), matched)
            there = np.flatnonzero(shown)
            if len(there):
                yield Delta(part(batch, there), None if (shown[there] == 1).all() else shown[there])

    def _shown(self, rows: Ints, matched: bool) -> Ints:
        """The rows' weights where they have a match (`matched`), or have none; 0 elsewhere."""
        assert self._matches is not None
        shown = (self._matches.values[rows] > 0) == matched
        return shown.astype(np.int64) if self._weights is None else np.where(shown, self._weights.values[rows], 0)

    def began(self) -> None:
        """The rows there are belong to ticks before."""
        if self._touched is not None:
            self._touched.take(self.arena.num_rows)

    # ------------------------------------------------------------ forgetting

    def expire(self, watermark_us: int) -> None:
        """Mark dead the rows whose time + bound is before the watermark."""
        if self._bound is None or not self.arena.num_rows:
            return
        column, keep_us = self._bound
        limit = max(NO_LIMIT, watermark_us - keep_us)
        seen: dict[int, tuple[pa.RecordBatch, int]] = {}
        for start, chunk in zip(self.arena.starts, self.arena.chunks, strict=False):
            known = self._oldest.get(start)
            if known is None or known[0] is not chunk or known[1] < limit:
                known = (chunk, self._expire_chunk(chunk, start, column, limit))
            seen[start] = known
        self._oldest = seen

    def _expire_chunk(self, chunk: pa.RecordBatch, start: int, column: int, limit: int) -> int:
        """Mark the chunk's rows before `limit` dead; returns the least time left.  NULL times never match: they go."""
        times = plain(chunk.column(column))
        values, valid = order_codes(times), validity(times)
        old = values < limit if valid is None else (values < limit) | ~valid
        if not old.any():
            return int(values.min(initial=np.iinfo(np.int64).max))
        if self._weights is None:
            self._begin_weights()
        assert self._weights is not None
        weights = self._weights.values[start : start + chunk.num_rows]
        self._dead += int((old & (weights != 0)).sum())
        weights[old] = 0
        self._changed.mark(start + np.flatnonzero(old))
        return int(values[~old].min(initial=np.iinfo(np.int64).max))

    def worth_compacting(self) -> bool:
        """True when dead rows are the majority."""
        return self._dead >= COMPACT_AT and 2 * self._dead >= self.arena.num_rows

    def compact(self) -> None:
        """Drop dead rows."""
        assert self._weights is not None
        keep = self._weights.values != 0
        self._new.renumbered()
        self._changed.renumbered()
        new_row = self.arena.compact(keep)
        if self._one_a_key is None:
            self.chains.renumber_rows(new_row, self.arena.num_rows)
        self._linked = int(keep[: self._linked].sum())
        for marks in (self._weights, self._matches):
            if marks is not None:
                marks.replace(marks.values[keep])
        self._dead = 0
        self._oldest = {}
        self.began()
        identity = self._by_key or self._by_print
        if identity is not None:
            identity.compact(new_row)
        elif (self._weights.values == 1).all():
            self._weights = None

    def used_slots(self, num_slots: int) -> npt.NDArray[np.bool_]:
        """bool[num_slots]: the slots of the join's index that have a linked row."""
        return (self._one_a_key or self.chains).used_slots(num_slots)

    def renumber_slots(self, new_slot: Ints, kept: int) -> None:
        """The join's index was compacted: old slot s is new_slot[s], -1 when gone (it must have no rows)."""
        (self._one_a_key or self.chains).renumber_slots(new_slot, kept)

    # ------------------------------------------------------------ recovery

    def sections(self, name: str) -> Sections:
        """The rows, dead ones included, and their weights and match counts, under names that begin with `name`."""
        rows = Section(self._new, lambda: self.arena.num_rows, lambda at: {name: self.arena.table(at)})
        marks = Section(self._changed, self._marked, lambda at: {f"{name}.marks": self._marks(at)})
        return {name: rows, f"{name}.marks": marks}

    def _marked(self) -> int:
        return self.arena.num_rows if self._weights is not None or self._matches is not None else 0

    def _marks(self, rows: Ints) -> pa.Table:
        columns = {WEIGHT: self._weights, MATCHES: self._matches}
        return pa.table({n: pa.array(marks.values[rows]) for n, marks in columns.items() if marks is not None})

    def restored(self, rows: pa.Table, marks: pa.Table | None) -> Iterator[tuple[Delta, Ints | None]]:
        """The sections' living rows as deltas with match counts, for `add` on a new side; `is_restored` follows."""
        first = 0
        for batch in rows.to_batches():
            part = None if marks is None else marks.slice(first, batch.num_rows)
            extra = {} if part is None else {n: part.column(n).to_numpy() for n in part.column_names}
            first += batch.num_rows
            delta = Delta(pa.RecordBatch.from_arrays(batch.columns, schema=self.arena.schema), extra.get(WEIGHT))
            matches = extra.get(MATCHES)
            if delta.weights is not None and not delta.weights.all():
                living = np.flatnonzero(delta.weights)
                delta, matches = delta.take(living), None if matches is None else matches[living]
            yield delta, matches

    def is_restored(self, num_rows: int) -> None:
        """All rows of sections with so many are in."""
        self.began()
        self._new, self._changed = Changed(), Changed()
        if num_rows != self.arena.num_rows:
            self._new.renumbered()
            self._changed.renumbered()
        self._new.begin(self.arena.num_rows)
        self._changed.begin(self._marked())
