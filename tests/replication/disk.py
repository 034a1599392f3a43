"""A simulated disk of one replica: entries, how far they are synced, what a crash or decay leaves of them."""

from __future__ import annotations

import random

from storage.replication import epochs as ep
from storage.replication.messages import Entry, Integrity
from storage.replication.state import LogState, Read, Ready


class Disk:
    """Entries from offset `start` on; before `synced` they survive a power failure."""

    def __init__(self) -> None:
        self.start = 0
        self.entries: list[Entry] = []
        self.synced = 0
        self.syncing: int | None = None
        self.bad_from: int | None = None
        self.doubt = Integrity.INTACT
        self.noted = self.noted_safely = (0, 0)
        """(epoch, offset) of what was last known to be committed; what of it a power failure leaves at least."""
        self.verified = 0
        """The checker's: below it the entries are known to be the committed ones."""

    @property
    def end(self) -> int:
        return self.entries[-1].next_offset if self.entries else self.start

    def perform(self, ready: Ready) -> None:
        """Truncations, appends and deletions of a step."""
        for cut in ready.truncations:
            if cut.start is None:
                self.cut(cut.end)
            else:
                self.begin_at(cut.start)
        for entry in ready.appends:
            assert entry.base_offset == self.end, "an append leaves a gap"
            self.entries.append(entry)
        if ready.delete_before is not None:
            self.delete_before(ready.delete_before)

    def cut(self, end: int) -> None:
        while self.entries and self.entries[-1].next_offset > end:
            assert self.entries[-1].base_offset >= end, "a truncation cuts an entry in two"
            self.entries.pop()
        self.synced = min(self.synced, end)
        self.verified = min(self.verified, end)
        self.syncing = None if self.syncing is None else min(self.syncing, end)
        self.bad_from = None

    def begin_at(self, start: int) -> None:
        self.entries.clear()
        self.start = self.synced = self.verified = start
        self.syncing = self.bad_from = None

    def delete_before(self, start: int) -> None:
        """The machine's log begins at `start`; whole entries before it are dropped, as whole segments would be."""
        while self.entries and self.entries[0].next_offset <= start:
            self.start = self.entries.pop(0).next_offset
        self.verified = max(self.verified, self.start)
        self.synced = max(self.synced, self.start)

    def note_committed(self, epoch: int, offset: int) -> None:
        """Entries before `offset` are committed in the log of the leader of `epoch`."""
        if (epoch, offset) != self.noted:
            self.noted_safely, self.noted = self.noted, (epoch, offset)

    def read(self, read: Read, most: int) -> tuple[Entry, ...]:
        found = [e for e in self.entries if read.offset <= e.base_offset and e.next_offset <= read.limit]
        return tuple(found[:most])

    def at(self, offset: int) -> Entry | None:
        """The entry that begins at `offset`."""
        low, high = 0, len(self.entries)
        while low < high:
            middle = (low + high) // 2
            if self.entries[middle].base_offset < offset:
                low = middle + 1
            else:
                high = middle
        found = self.entries[low] if low < len(self.entries) else None
        return found if found is not None and found.base_offset == offset else None

    # --- faults ---

    def lose_power(self, rng: random.Random, *, commits_synced: bool) -> None:
        """Of what is not synced, a part is gone."""
        unsynced = [entry for entry in self.entries if entry.next_offset > self.synced]
        keep = rng.randint(0, len(unsynced))
        if keep < len(unsynced):
            bad = self.bad_from
            self.cut(unsynced[keep].base_offset)
            self.bad_from = bad if bad is not None and bad < self.end else None
        self.noted = rng.choice((self.noted, self.noted_safely))
        if not commits_synced:
            self.doubt = max(self.doubt, Integrity.TAIL)

    def decay(self, rng: random.Random) -> int:
        """From some entry on nothing can be read any more; returns its offset."""
        entry = rng.choice(self.entries)
        self.bad_from = entry.base_offset if self.bad_from is None else min(self.bad_from, entry.base_offset)
        self.doubt = Integrity.DAMAGED
        return self.bad_from

    def vanish(self) -> None:
        """A new, empty directory."""
        self.begin_at(0)
        self.noted = self.noted_safely = (0, 0)
        self.doubt = Integrity.DAMAGED

    def found(self) -> LogState:
        """What an opening finds."""
        readable = [entry for entry in self.entries if self.bad_from is None or entry.next_offset <= self.bad_from]
        end = readable[-1].next_offset if readable else self.start
        return LogState(self.start, end, min(self.synced, end), ep.after_entries((), tuple(readable)))
