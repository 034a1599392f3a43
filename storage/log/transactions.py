"""TransactionTable: what a partition knows of transactions, from its frames.

The rules are those of Kafka's KIP-98: a transactional frame opens its producer's transaction, a marker (a control
frame) ends it; nothing at or beyond the first record of the earliest open transaction is stable; the ranges of aborted
ones are remembered, for their frames stay in the log. Different: every transaction has an (id, epoch) of its own, as
since KIP-890; and a decision that was made but has no marker yet can be told to the table (`settle`), so that what
readers see does not wait for the writing of markers. Only what the frames say is saved.

Changes need the log's lock. `unstable` and `is_aborted` are asked by readers without it, and every change is made in
an order that never shows them a record of an undecided or an aborted transaction. Must not do I/O.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from storage.log.format import FLAG_CONTROL, FLAG_TRANSACTIONAL, KIND_COMMIT, FrameHeader


class OpenTransaction(NamedTuple):
    """A transaction with records but without a marker in a partition. `committed`: the decision, None if there is none
    yet.
    """

    producer_id: int
    epoch: int
    first_offset: int
    committed: bool | None


class _Decided(NamedTuple):
    """A decision that waits for its marker."""

    epoch: int
    first_offset: int
    committed: bool


def marked(headers: Iterable[FrameHeader]) -> dict[tuple[int, int], bool]:
    """What markers among the frames say: by producer id and epoch whether the transaction is committed."""
    return {
        (header.producer_id, header.producer_epoch): header.kind == KIND_COMMIT
        for header in headers
        if header.flags & FLAG_CONTROL
    }


class TransactionTable:
    """The open transactions of a partition, and the offsets of the aborted ones.

    unstable: first offset of the earliest undecided transaction, None if there is none.
    """

    def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
        """`saved`: as made by `save`."""
        saved = saved or {}
        self._open: dict[int, tuple[int, int]] = {pid: (epoch, first) for pid, epoch, first in saved.get("open", ())}
        # By producer id: (first offset, offset of the marker), ascending.
        self._aborted: dict[int, list[tuple[int, int]]] = {}
        for pid, first, last in saved.get("aborted", ()):
            self._aborted.setdefault(pid, []).append((first, last))
        self._decided: dict[int, _Decided] = {}
        # Producers whose newest transaction here was aborted: the next aborted range continues the last one.
        self._was_aborted: set[int] = set()
        self.unstable: int | None = None
        self._find_unstable()

    def save(self) -> dict[str, Any]:
        """What the frames said, as JSON-able lists; empty if they said nothing."""
        if not self._open and not self._aborted:
            return {}
        return {
            "open": [[pid, *entry] for pid, entry in sorted(self._open.items())],
            "aborted": [[pid, *entry] for pid, ranges in sorted(self._aborted.items()) for entry in ranges],
        }

    # --- frames ---

    def observe(self, header: FrameHeader) -> None:
        """Take in a frame that is about to be appended, was, or is read back during recovery."""
        if header.flags & FLAG_CONTROL:
            self._close(header)
        elif header.flags & FLAG_TRANSACTIONAL:
            known = self._open.get(header.producer_id)
            if known is None or known[0] != header.producer_epoch:
                # Of an open one with another epoch compaction has removed the marker.
                self._open[header.producer_id] = (header.producer_epoch, header.base_offset)
                self._find_unstable()

    def cancel(self, header: FrameHeader) -> None:
        """A frame that `observe` was told of could not be written."""
        if self._open.get(header.producer_id) == (header.producer_epoch, header.base_offset):
            del self._open[header.producer_id]
            self._find_unstable()

    def _close(self, header: FrameHeader) -> None:
        """Take a marker in; one without an open transaction says nothing: its frames are gone."""
        pid, committed = header.producer_id, header.kind == KIND_COMMIT
        epoch, first = self._open.get(pid, (-1, -1))
        if epoch != header.producer_epoch:
            return
        if not committed:
            self._add_aborted(pid, first, header.base_offset)
        self._was_aborted.discard(pid) if committed else self._was_aborted.add(pid)
        self._open.pop(pid)
        self._decided.pop(pid, None)
        self._find_unstable()

    def _add_aborted(self, pid: int, first: int, last: int) -> None:
        """Remember an aborted range; with nothing committed in between it becomes one with the last."""
        ranges = self._aborted.setdefault(pid, [])
        if ranges and pid in self._was_aborted:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))

    def _find_unstable(self) -> None:
        """Bring `unstable` up to date."""
        undecided = [first for pid, (_, first) in self._open.items() if pid not in self._decided]
        self.unstable = min(undecided, default=None)

    # --- decisions ---

    def settle(self, producer_id: int, epoch: int, committed: bool) -> None:
        """The transaction is decided; its marker is still to come. Nothing happens if it is not open here."""
        known = self._open.get(producer_id)
        if known is not None and known[0] == epoch:
            self._decided[producer_id] = _Decided(epoch, known[1], committed)
            self._find_unstable()

    def inherit(self, before: TransactionTable, outcomes: Mapping[tuple[int, int], bool]) -> None:
        """The table was rebuilt from fewer frames: decisions stay, also those whose markers were cut off (`outcomes`,
        by producer id and epoch).
        """
        known = {(pid, each.epoch): each.committed for pid, each in before._decided.items()} | dict(outcomes)
        for (pid, epoch), committed in known.items():
            self.settle(pid, epoch, committed)

    def open(self) -> list[OpenTransaction]:
        """The transactions without a marker, by producer id."""
        return [
            OpenTransaction(pid, epoch, first, self._decided[pid].committed if pid in self._decided else None)
            for pid, (epoch, first) in sorted(self._open.items())
        ]

    @property
    def first_open(self) -> int | None:
        """First offset of the earliest transaction without a marker."""
        return min((first for _, first in self._open.values()), default=None)

    def is_aborted(self, header: FrameHeader) -> bool:
        """Whether a stable transactional frame is one of an aborted transaction."""
        pid, offset = header.producer_id, header.base_offset
        decided = self._decided.get(pid)  # before the ranges: a marker moves an entry from here to there
        if decided is not None and offset >= decided.first_offset:
            return not decided.committed
        ranges = self._aborted.get(pid)
        if not ranges:
            return False
        slot = bisect_right(ranges, (offset, 1 << 63)) - 1
        return slot >= 0 and offset <= ranges[slot][1]

    # --- forgetting ---

    def forget_before(self, offset: int) -> None:
        """Records before `offset` are gone: so may be what was aborted there."""
        left = {pid: [each for each in ranges if each[1] >= offset] for pid, ranges in self._aborted.items()}
        self._aborted = {pid: ranges for pid, ranges in left.items() if ranges}
        self._was_aborted &= self._aborted.keys()

    def close_before(self, offset: int) -> None:
        """Transactions that began before `offset` are over, though compaction has removed their markers."""
        self._open = {pid: entry for pid, entry in self._open.items() if entry[1] >= offset}
        self._find_unstable()
