"""Leader epochs of a log: which epoch wrote from which offset on, and where two logs part (KIP-101).

An epoch has one leader, which never takes anything back within it, and followers store its frames as they are. So two
logs agree below every offset at which their entries have the same epoch. Pure functions.
"""

from __future__ import annotations

from typing import NamedTuple

from storage.replication.messages import NOBODY, Entry


class EpochStart(NamedTuple):
    """The entries from `offset` on, up to the next one's offset, are of `epoch`."""

    epoch: int
    offset: int


class EpochEnd(NamedTuple):
    """The entries of `epoch` (and of those before it) end at `offset`."""

    epoch: int
    offset: int


Epochs = tuple[EpochStart, ...]


def last_epoch(epochs: Epochs) -> int:
    """Epoch of the last entry, -1 if there is none."""
    return epochs[-1].epoch if epochs else NOBODY


def after_entries(epochs: Epochs, entries: tuple[Entry, ...]) -> Epochs:
    """The epochs with `entries` appended to the log."""
    for entry in entries:
        if entry.leader_epoch != last_epoch(epochs):
            epochs = (*epochs, EpochStart(entry.leader_epoch, entry.base_offset))
    return epochs


def before(epochs: Epochs, end: int) -> Epochs:
    """The epochs of the entries before offset `end`."""
    return tuple(start for start in epochs if start.offset < end)


def since(epochs: Epochs, start: int, end: int) -> Epochs:
    """The epochs of the entries from offset `start` on, of a log that ends at `end`."""
    if start >= end:
        return ()
    later = tuple(known for known in epochs if known.offset > start)
    first = [known for known in epochs if known.offset <= start][-1:]
    return (*(EpochStart(known.epoch, start) for known in first), *later)


def end_of(epochs: Epochs, epoch: int, start: int, end: int) -> EpochEnd:
    """Where the newest epoch not above `epoch` ends in a log from `start` to `end`; (-1, start) if there is none."""
    found = NOBODY
    for number, known in enumerate(epochs):
        if known.epoch > epoch:
            return EpochEnd(found, known.offset if number else start)
        found = known.epoch
    return EpochEnd(found, end) if epochs else EpochEnd(NOBODY, start)


def divergence(epochs: Epochs, start: int, end: int, other_epoch: int, other_end: int) -> EpochEnd | None:
    """Where a log that ends at `other_end` with an entry of `other_epoch` (-1 if it is empty) may have left this one;
    None if it is a prefix of this one that ends within it.
    """
    if other_epoch == NOBODY:
        return None if start <= other_end <= end else EpochEnd(NOBODY, end)
    found = end_of(epochs, other_epoch, start, end)
    if other_end < start or found.epoch != other_epoch or found.offset < other_end:
        return found
    return None


def cut_at(epochs: Epochs, start: int, end: int, apart: EpochEnd) -> int:
    """Where to cut a log of which the leader said `apart`: no entry behind it is the leader's.

    If we have that epoch, it ends where it ends first. If not, all we know is that our later epochs are not the
    leader's; its end is none of our entries' then, and the next comparison, one epoch further down, says more.
    """
    ours = end_of(epochs, apart.epoch, start, end)
    return min(apart.offset, ours.offset) if ours.epoch == apart.epoch else ours.offset
