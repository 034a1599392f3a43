"""RowStore: the contents of a view or table, a multiset of rows that changes by deltas.

Why: snapshots read a view as an Arrow table, point look-ups read it by key, recovery saves it.  Append-only contents
are a list of batches and nothing else; indexes are built when the first deletion or look-up needs them.  A row that
occurs n times is n physical rows; deleting marks one of them dead, and dead rows are reclaimed when they outnumber
the living.  A snapshot shares all chunks that did not change with the snapshot before it.  Texts that repeat are packed
when there is time (`pack`), and read packed by those who can (`scan_table`).
The store must not see half a tick as contents: deltas wait in `_waiting` until something is read or `settle` is called.
Deltas that are ticks of their own, in which nothing cancels, are taken in by key without a look at whole rows when the
contents have one: of what waits of a key the first says whether there was a row before, the last whether there is now.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat, part
from sqlengine.state.densifier import Densifier
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import Column, KeyIndex
from sqlengine.state.repeated_texts import packed, plain
from sqlengine.state.row_arena import RowArena
from sqlengine.state.row_chains import RowChains
from sqlengine.state.row_index import RowIndex, net_weights
from sqlengine.state.secondary_index import SecondaryIndex
from sqlengine.state.section import Changed, Section, Sections
from sqlengine.state.spill import Spill, breathe, in_files, spillable, spilled_bytes
from sqlengine.state.waiting import Waiting

Ints = npt.NDArray[np.int64]

PENDING_LIMIT = 262_144
PENDING_BYTES = 64 << 20
"""Pending changes are folded in at the latest when they are so many rows or bytes."""
SPILLED_PENDING_LIMIT = 4_096
"""When contents are in files: each row may bring in pages of them."""
COMPACT_AT = 4_096
"""Fewer dead rows than this are not worth a compaction."""
INDEXED_PER_SETTLED = 16
"""So many rows get into an index in the time in which one is taken in."""
FOUND_WITHOUT_INDEX, SEARCHES_MAX = 64, 4
"""Rows are looked for without an index so many times at most, and when there are so many times as many as change."""
RESTORED_BYTES = 16 << 20
"""A checkpoint's rows are taken in in steps of so many bytes, between which they may leave for files."""


class RowStore:
    """Rows of one schema; `key_columns`: positions that identify a row, or None when only the whole row does."""

    def __init__(self, schema: pa.Schema, key_columns: tuple[int, ...] | None) -> None:
        self.schema = schema
        self.key_columns = key_columns
        self._waiting = Waiting()
        self._net = False
        self._densify = Densifier()
        self._spill_to: str | None = None
        self._reset()

    def _reset(self) -> None:
        """Empty contents without indexes."""
        self._arena = RowArena(self.schema)
        self._live = Growable(1, np.uint8)
        self._dead = 0
        self._index: KeyIndex | RowIndex | None = None
        self._indexing: tuple[KeyIndex | RowIndex, RowChains, int] | None = None
        """An index on its way, and the first row that is not in it."""
        self._chains = RowChains()
        self._secondary: dict[tuple[int, ...], SecondaryIndex] = {}
        self._filtered: dict[int, tuple[pa.RecordBatch, pa.RecordBatch]] = {}
        self._table: pa.Table | None = None
        self._new, self._died = Changed(), Changed()
        self._searches = 0

    # ------------------------------------------------------------ changes

    def apply(self, delta: Delta, net: bool = False) -> None:
        """Take part of a tick's changes; within the tick a row may be deleted before it is inserted.

        `net`: the delta is all of a tick's changes, or all of them insert; no row is both inserted and deleted in it.
        """
        if not delta.num_rows:
            return
        self._table = None
        self._net = net and (self._net or not self._waiting)
        self._waiting.append(delta)
        limit = PENDING_LIMIT if self._spill_to is None else SPILLED_PENDING_LIMIT
        if self._waiting.rows >= limit or self._waiting.bytes >= PENDING_BYTES:
            self._waiting.extend(self._fold(self._waiting.take_all(), final=False))

    def settle(self) -> None:
        """The tick ends here: fold its changes in; every deletion must have found its row (asserted)."""
        if self._waiting:
            if self._finds_without_index():
                self._fold_without_index(self._waiting.take_all())
            else:
                self._fold(self._waiting.take_all(), final=True)

    @property
    def waiting(self) -> tuple[int, int]:
        """What `settle` would take in: as many rows as it costs, and bytes."""
        return self._waiting.cost_rows, self._waiting.bytes

    def settle_part(self, rows_max: int, bytes_max: int = PENDING_BYTES) -> bool:
        """`settle` in steps of about so many rows and bytes; False when all is in. Whoever reads in between settles the
        rest.

        What waits for rows of a later step is tried again behind them, so twice as many steps as there are pieces end
        it.
        """
        waiting = self._waiting
        if waiting and self._wants_index and not self._index_part(INDEXED_PER_SETTLED * rows_max):
            return True
        if waiting.cost_rows <= rows_max and waiting.bytes <= bytes_max:
            if waiting:
                self._fold(waiting.take_all(), final=True, compacts=False)
            return self._compact_part(rows_max, bytes_max)
        net, by_key = self._net, self._net and self.key_columns is not None
        head = waiting.take(rows_max, bytes_max, by_key)
        self._net = by_key or (net and len(head) == 1)
        late = self._fold(head, final=False, compacts=False)
        self._net = by_key or (net and not late)
        waiting.extend(late)
        return bool(waiting) or self._compact_part(rows_max, bytes_max)

    def clear(self) -> None:
        """Remove all rows (TRUNCATE)."""
        self._waiting = Waiting()
        self._reset()

    def _fold(self, pending: Sequence[Delta], final: bool, compacts: bool = True) -> list[Delta]:
        """Apply the net of deltas; returns what cannot be applied yet, nothing when it is `final`. `compacts`: dead
        rows may be reclaimed."""
        if all(d.weights is None for d in pending) and (self.key_columns is None or self._index is None):
            for delta in pending:
                self._append(delta.batch)
            return []
        if self._net and self.key_columns is not None:
            self._fold_by_key(pending)
            if compacts:
                self._compact_if_worth_it()
            return []
        merged = concat(pending)
        assert merged is not None
        if merged.weights is None or (self._net and len(pending) == 1):
            weights, prints = merged.weight_array(), merged.fingerprints
            gone, come = np.flatnonzero(weights < 0), np.flatnonzero(weights > 0)
            less, more = -weights[gone], weights[come]
        else:
            rows, weights, prints = net_weights(merged)
            gone, come = rows[weights < 0], rows[weights > 0]
            less, more = -weights[weights < 0], weights[weights > 0]
        debts = self._delete(part(merged.batch, gone), less, None if prints is None else prints[gone])
        early = self._insert(part(merged.batch, come), more, None if prints is None else prints[come])
        waiting = [d for d in (debts, early) if d is not None]
        assert not (final and waiting), f"the contents of a finished tick are not a valid multiset: {waiting[0]}"
        if compacts:
            self._compact_if_worth_it()
        return waiting

    def _finds_without_index(self) -> bool:
        """Whether to look through all rows for those of a few keys: an index, which restored contents have not, takes
        as long as doing so several times, and whoever opens a large database waits for it with the first answer.
        """
        few = FOUND_WITHOUT_INDEX * self._waiting.rows <= self._arena.num_rows and self._searches < SEARCHES_MAX
        return few and self.key_columns is not None and self._wants_index and self._indexing is None

    def _fold_without_index(self, pending: Sequence[Delta]) -> None:
        """`_fold` by an index of the keys that are named, which is forgotten again."""
        self._searches += 1
        assert self.key_columns is not None
        index, chains = KeyIndex([self.schema.field(c).type for c in self.key_columns]), RowChains()
        for delta in pending:
            self._slots_in(index, delta.batch)
        for at, first in enumerate(self._arena.starts[: len(self._arena.chunks)]):
            chunk = self._arena.plain_chunk(at)
            slots = index.find([chunk.column(c) for c in self.key_columns])
            slots[self._live.values[first : first + chunk.num_rows] == 0] = -1
            if (slots >= 0).any():
                chains.insert(slots, first, index.size)
        self._index, self._chains, self._indexing = index, chains, None
        try:
            self._fold(pending, final=True)
        finally:
            self._index, self._chains = None, RowChains()

    def _fold_by_key(self, pending: Sequence[Delta]) -> None:
        """Apply deltas each of which is net, in their order, to contents with a key."""
        self._need_index()
        assert isinstance(self._index, KeyIndex) and self.key_columns is not None
        keys = [delta.batch.select(list(self.key_columns)) for delta in pending]
        slots = self._index.insert((keys[0] if len(keys) == 1 else pa.concat_batches(keys)).columns)
        weights = np.concatenate([delta.weight_array() for delta in pending])
        starts = np.cumsum([0, *(delta.num_rows for delta in pending)])
        distinct, first, last = self._ends(slots, weights, starts)
        rows = self._remove(distinct[weights[first] < 0])
        come = np.sort(last[weights[last] > 0])
        taken = self._chains.has_rows(slots[come])
        is_valid = len(rows) == np.count_nonzero(weights[first] < 0) and not taken.any() and (abs(weights) == 1).all()
        assert is_valid, "the contents of a finished tick are not a valid multiset"
        cuts = np.searchsorted(come, starts)
        parts = [
            part(delta.batch, come[begin:end] - start)
            for delta, start, begin, end in zip(pending, starts, cuts[:-1], cuts[1:], strict=False)
            if end > begin
        ]
        if parts:
            self._append(parts[0] if len(parts) == 1 else pa.concat_batches(parts), slots[come])

    def _ends(self, slots: Ints, weights: Ints, starts: Ints) -> tuple[Ints, Ints, Ints]:
        """(the distinct slots, the number of the first change of each, of the last); within the deltas, which begin at
        `starts`, deletions come before insertions."""
        distinct, local = self._densify(slots, self._index.size if self._index is not None else 0)
        half = 2 * np.repeat(np.arange(len(starts) - 1), np.diff(starts)) + (weights > 0)
        order = np.arange(len(half)) if (half[1:] >= half[:-1]).all() else np.argsort(half, kind="stable")
        first, last = np.empty((2, len(distinct)), dtype=np.int64)
        first[local[order[::-1]]] = order[::-1]
        last[local[order]] = order
        return distinct, first, last

    def _remove(self, slots: Ints) -> Ints:
        """Mark the newest row of each slot dead; the rows there were."""
        _, rows = self._chains.pop(slots, np.ones(len(slots), dtype=np.int64))
        self._bury(rows)
        return rows

    def _bury(self, rows: Ints) -> None:
        self._live.values[rows] = 0
        self._died.mark(rows)
        self._dead += len(rows)
        self._forget_filtered(rows)

    def _append(self, batch: pa.RecordBatch, slots: Ints | None = None) -> None:
        """Add rows, and to the index when there is one."""
        if self._index is not None and slots is None:
            slots = self._slots_of(batch)
        first = self._arena.append(batch)
        self._live.grow(self._arena.num_rows)
        for secondary in self._secondary.values():
            secondary.add(batch, first)
        if slots is not None and self._index is not None:
            self._chains.insert(slots, first, self._index.size)

    def _insert(self, batch: pa.RecordBatch, counts: Ints, prints: Ints | None) -> Delta | None:
        """Add counts[i] copies of each row; returns the rows whose key another row still holds."""
        if not batch.num_rows:
            return None
        if self.key_columns is not None:
            return self._insert_keyed(batch, counts)
        if int(counts.max()) > 1:
            repeated = np.repeat(np.arange(batch.num_rows), counts)
            batch, prints = batch.take(pa.array(repeated)), None if prints is None else prints[repeated]
        slots = self._index.insert(batch, prints) if isinstance(self._index, RowIndex) else None
        self._append(batch, slots)
        return None

    def _insert_keyed(self, batch: pa.RecordBatch, counts: Ints) -> Delta | None:
        """Add the rows whose key no other row holds; returns the others."""
        self._need_index()
        assert self._index is not None
        slots = self._slots_of(batch)
        late = self._chains.has_rows(slots) | (counts > 1)
        distinct, _ = self._densify(slots, self._index.size)
        if len(distinct) < len(slots):
            second = np.ones(len(slots), dtype=bool)
            second[np.unique(slots, return_index=True)[1]] = False
            late |= second
        if not late.any():
            self._append(batch, slots)
            return None
        ok, wait = np.flatnonzero(~late), np.flatnonzero(late)
        if len(ok):
            self._append(batch.take(pa.array(ok)), slots[ok])
        return Delta(batch.take(pa.array(wait)), counts[wait])

    def _delete(self, batch: pa.RecordBatch, counts: Ints, prints: Ints | None) -> Delta | None:
        """Mark counts[i] copies of each row dead; returns what was not there, with negative weights."""
        if not batch.num_rows:
            return None
        self._need_index()
        found, rows = self._chains.pop(self._find(batch, prints), counts)
        self._bury(rows)
        missing = counts - np.bincount(found, minlength=len(counts))
        at = np.flatnonzero(missing)
        return Delta(batch.take(pa.array(at)), -missing[at]) if len(at) else None

    # ------------------------------------------------------------ indexes

    def _need_index(self) -> None:
        """Build the index over the rows there are; only the first deletion or look-up pays."""
        while self._index is None:
            self._index_part(self._arena.num_rows)

    @property
    def _wants_index(self) -> bool:
        """Whether there is none, and what waits cannot be taken in without one."""
        return self._index is None and not self._waiting.only_inserts

    def _index_part(self, rows_max: int) -> bool:
        """Have so many more rows in the index, which is there when it has all: whether that is so now."""
        if self._indexing is None:
            key = [self.schema.field(c).type for c in self.key_columns or ()]
            self._indexing = (RowIndex() if self.key_columns is None else KeyIndex(key), RowChains(), 0)
        index, chains, first = self._indexing
        while first < self._arena.num_rows and rows_max > 0:
            at = bisect_right(self._arena.starts, first) - 1
            start = first - self._arena.starts[at]
            chunk = self._arena.plain_chunk(at).slice(start, rows_max)
            live = self._live.values[first : first + chunk.num_rows] != 0
            slots = np.full(chunk.num_rows, -1, dtype=np.int64)
            slots[live] = self._slots_in(index, chunk if live.all() else chunk.filter(pa.array(live)))
            chains.insert(slots, first, index.size)
            first, rows_max = first + chunk.num_rows, rows_max - chunk.num_rows
        self._indexing = (index, chains, first)
        self._densify.expect(index.size)
        if first < self._arena.num_rows:
            return False
        self._index, self._chains, self._indexing = index, chains, None
        return True

    def _slots_in(self, index: KeyIndex | RowIndex, batch: pa.RecordBatch) -> Ints:
        """Slots of the rows' identities in an index, new ones included."""
        if isinstance(index, RowIndex):
            return index.insert(batch)
        assert self.key_columns is not None
        return index.insert([batch.column(c) for c in self.key_columns])

    def _slots_of(self, batch: pa.RecordBatch) -> Ints:
        """`_slots_in` the index."""
        assert self._index is not None
        return self._slots_in(self._index, batch)

    def _find(self, batch: pa.RecordBatch, prints: Ints | None) -> Ints:
        """Slots of the rows' identities, -1 for unknown ones."""
        if isinstance(self._index, RowIndex):
            return self._index.find(batch, prints)
        assert self._index is not None and self.key_columns is not None
        return self._index.find([batch.column(c) for c in self.key_columns])

    def _compact_if_worth_it(self) -> None:
        """Reclaim dead rows once they are the majority."""
        if self._is_worth_compacting():
            self._compact()

    def _is_worth_compacting(self) -> bool:
        return self._dead >= COMPACT_AT and 2 * self._dead >= self._arena.num_rows

    def _compact_part(self, rows_max: int, bytes_max: int) -> bool:
        """`_compact_if_worth_it` in steps: chunks' living rows are copied first, and found by the last step, which
        returns False."""
        if not self._is_worth_compacting():
            return False
        rows = size = 0
        for i, (chunk, first) in enumerate(zip(self._arena.chunks, self._arena.starts, strict=False)):
            if first not in self._filtered or self._filtered[first][0] is not chunk:
                part = self._live_part(i, self._arena.packed_schema)
                rows, size = rows + part.num_rows, size + part.nbytes
                if rows > rows_max or size > bytes_max:
                    return True
        self._compact()
        return False

    def _compact(self) -> None:
        live = self._live.values != 0
        self._new.renumbered()
        self._died.renumbered()
        new_row = self._arena.compact(live, self._known_living())
        kept = self._arena.num_rows
        self._live.replace(np.ones(kept, dtype=np.uint8))
        self._dead = 0
        self._filtered = {}
        for secondary in self._secondary.values():
            secondary.renumber(new_row, kept)
        self._indexing = None
        if self._index is None:  # restored with dead rows, and nothing was looked up since
            return
        self._chains.renumber_rows(new_row, kept)
        used = self._chains.used_slots(self._index.size)
        if 2 * int(used.sum()) < len(used):
            new_slot = self._index.compact(used)
            self._chains.renumber_slots(new_slot, self._index.size)

    def _known_living(self) -> dict[int, pa.RecordBatch]:
        """Living rows of chunks by their first row; what was known of a chunk that has been merged since is worth
        nothing."""
        at = {first: chunk for chunk, first in zip(self._arena.chunks, self._arena.starts, strict=False)}
        return {first: living for first, (chunk, living) in self._filtered.items() if at.get(first) is chunk}

    # ------------------------------------------------------------ leaving memory

    def _parts(self) -> list[object]:
        """What it keeps rows, marks and indexes in."""
        indexes = [part for secondary in self._secondary.values() for part in secondary.parts()]
        return [self._arena, self._live, self._index, self._chains, self._densify, *indexes]

    @property
    def spilled_bytes(self) -> int:
        """Bytes that are in files, those of rows that stand in a topic's too."""
        return spilled_bytes(self._parts())

    def spill(self, to: Spill) -> int:
        """Have rows, marks and indexes in files (state/spill.py), and from now on what is made of the rows, too.
        No tick is at work."""
        while self.settle_part(SPILLED_PENDING_LIMIT):
            breathe()
        self._filtered, self._table, self._spill_to = {}, None, to.directory
        return sum(part.spill(to) for part in spillable(self._parts()))

    # ------------------------------------------------------------ reading

    @property
    def num_rows(self) -> int:
        """Rows in the contents, equal ones counted each."""
        self.settle()
        return self._arena.num_rows - self._dead

    @property
    def num_bytes(self) -> int:
        """Approximate bytes held: rows (memory-mapped ones too), indexes, marks."""
        self.settle()
        index = 0 if self._index is None else self._chains.nbytes + self._index.nbytes
        index += sum(secondary.nbytes for secondary in self._secondary.values())
        return self._arena.num_bytes + index + self._live.nbytes

    def pack(self) -> bool:
        """Hold the repeated texts of a few thousand more rows once; False when there are none left to look at."""
        first = self._arena.pack()
        if first is None:
            return False
        self._filtered.pop(first, None)
        self._table = None
        return True

    def snapshot_table(self) -> pa.Table:
        """The contents as an immutable table, in order of arrival; the same object until the next change, unless
        texts are packed.
        """
        table = self.scan_table()
        if table.schema == self.schema:
            return table
        return pa.Table.from_batches([plain(b, self.schema) for b in table.to_batches()], schema=self.schema)

    def scan_table(self) -> pa.Table:
        """`snapshot_table` for readers that know dictionaries: texts that are packed stay so. The same object until
        the next change.
        """
        self.settle()
        if self._table is None:
            schema = self._arena.packed_schema
            batches = [self._live_part(i, schema) for i in range(len(self._arena.chunks))]
            starts = set(self._arena.starts)
            self._filtered = {first: part for first, part in self._filtered.items() if first in starts}
            self._table = pa.Table.from_batches([b for b in batches if b.num_rows], schema=schema)
        return self._table

    def _live_part(self, i: int, schema: pa.Schema) -> pa.RecordBatch:
        """The living rows of chunk i, remembered until a row of it dies."""
        chunk, first = self._arena.chunks[i], self._arena.starts[i]
        known = self._filtered.get(first)
        if known is not None and known[0] is chunk and known[1].schema == schema:
            return known[1]
        live = self._live.values[first : first + chunk.num_rows] != 0
        part = packed(chunk if live.all() else chunk.filter(pa.array(live)), schema)
        if self._spill_to is not None and part.num_rows and not in_files(part):
            with Spill(self._spill_to) as to:
                (part,) = to.batches([part])
            breathe()
        self._filtered[first] = (chunk, part)
        return part

    def _forget_filtered(self, rows: Ints) -> None:
        """Rows died: the filtered copies of their chunks are stale."""
        starts = np.array(self._arena.starts, dtype=np.int64)
        for i in np.unique(np.searchsorted(starts, rows, side="right") - 1):
            self._filtered.pop(int(starts[i]), None)

    def lookup(self, keys: Sequence[pa.Array]) -> tuple[Ints, pa.RecordBatch]:
        """The rows of the given keys (one array per key column): (positions in `keys`, rows), position order.

        Keys without a row do not appear.  NULL finds NULL.  Needs `key_columns`.
        """
        assert self.key_columns is not None, "a store without a key has no look-up"
        return self.lookup_by(self.key_columns, keys)

    def lookup_by(self, columns: tuple[int, ...], keys: Sequence[pa.Array]) -> tuple[Ints, pa.RecordBatch]:
        """As `lookup`, by the values of any columns; the first look-up by them makes an index, which is kept up to date
        from then on."""
        positions, rows = self._found(columns, keys)
        return positions, self._arena.take_batch(rows)

    def peek_by(self, columns: tuple[int, ...], key: Sequence[Column], wanted: Sequence[int]) -> list[pa.Array]:
        """Some columns of the rows of one key, to be sent and forgotten: they may lie in the store's own memory."""
        return self._arena.peek(self._found(columns, key)[1], wanted)

    def _found(self, columns: tuple[int, ...], keys: Sequence[Column]) -> tuple[Ints, Ints]:
        self.settle()
        if columns == self.key_columns:
            self._need_index()
            assert isinstance(self._index, KeyIndex)
            return self._chains.rows(self._index.find(keys))
        positions, rows = self._secondary_index(columns).find(keys)
        lives = self._live.values[rows] != 0
        return positions[lives], rows[lives]

    def drop_index(self, columns: tuple[int, ...]) -> None:
        """Keep no index by these columns any more; nothing without one."""
        self._secondary.pop(columns, None)

    def _secondary_index(self, columns: tuple[int, ...]) -> SecondaryIndex:
        found = self._secondary.get(columns)
        if found is None:
            found = SecondaryIndex(self.schema, columns)
            for at, first in enumerate(self._arena.starts[:-1]):
                chunk = self._arena.plain_chunk(at)
                found.add(chunk, first, self._live.values[first : first + chunk.num_rows] != 0)
            self._secondary[columns] = found
        return found

    # ------------------------------------------------------------ recovery

    def sections(self) -> Sections:
        """The rows, dead ones included, and which of them live, as of the last `settle`; indexes are rebuilt when
        needed."""
        rows = Section(self._new, lambda: self._arena.num_rows, lambda at: {"rows": self._arena.table(at)})
        live = Section(self._died, lambda: self._arena.num_rows if self._dead else 0, self._live_rows)
        return {"rows": rows, "live": live}

    def _live_rows(self, rows: Ints) -> dict[str, pa.Table]:
        return {"live": pa.table({"live": pa.array(self._live.values[rows])})}

    def snapshot(self) -> dict[str, pa.Table]:
        """The sections' rows, to restore."""
        self.settle()
        return {name: table for s in self.sections().values() for name, table in s.whole().items()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Hold exactly the snapshot's rows; rows alone all live, a table without rows may be missing."""
        for _ in self.restored(state):
            pass

    def restored(self, state: Mapping[str, pa.Table]) -> Iterator[None]:
        """`restore`, with a stop every RESTORED_BYTES: meanwhile what is there may leave for files."""
        self.clear()
        size = 0
        for batch in state["rows"].to_batches() if "rows" in state else ():
            self._append(batch)
            size += batch.nbytes
            if size >= RESTORED_BYTES:
                size = 0
                yield
        live = state["live"].column("live").to_numpy() if "live" in state else ()
        if len(live):
            self._live.values[: len(live)] = live
            self._dead = int(self._arena.num_rows - np.count_nonzero(self._live.values))
        self._new, self._died = Changed(), Changed()
        self._new.begin(self._arena.num_rows)
        self._died.begin(self._arena.num_rows if self._dead else 0)
