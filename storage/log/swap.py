"""Replacing neighbouring segments by one file, so that a crash at any moment leaves the old ones or the new one.

The new file is written beside them and synced; the rename to `OFFSET.log.swap` decides. From then on the old files go
and the new one takes the name of the first: whatever of that a crash interrupts, the next start completes. Must not
know what the new file holds.
"""

from __future__ import annotations

from collections.abc import Iterable

from storage.env import Env
from storage.log.index import SegmentIndex
from storage.log.segment import INDEX_SUFFIX, LOG_SUFFIX, Segment, segment_name

SWAP_SUFFIX = LOG_SUFFIX + ".swap"


def temporary_path(directory: str, base: int) -> str:
    """Where the replacement of segment `base` is written; a stray once the process has died."""
    return f"{directory}/{segment_name(base)}.compacted.tmp"


def swap(env: Env, directory: str, bases: list[int]) -> None:
    """Put the synced temporary file of bases[0] in the place of the segments `bases`."""
    head = f"{directory}/{segment_name(bases[0])}"
    env.remove(head + INDEX_SUFFIX)
    env.rename(temporary_path(directory, bases[0]), head + SWAP_SUFFIX)
    env.sync_dir(directory)
    _finish(env, directory, bases[0], bases[1:])


def _finish(env: Env, directory: str, base: int, covered: Iterable[int]) -> None:
    """Remove the segments that the swap file covers, then let it take its name."""
    for other in covered:
        Segment(env, directory, other).remove()
    env.sync_dir(directory)
    head = f"{directory}/{segment_name(base)}"
    env.rename(head + SWAP_SUFFIX, head + LOG_SUFFIX)
    env.sync_dir(directory)


def complete_swaps(env: Env, directory: str) -> None:
    """Complete what a crash interrupted."""
    names = env.list(directory)
    for name in names:
        stem = name.removesuffix(SWAP_SUFFIX)
        if stem == name or not stem.isdigit():
            continue
        new = Segment(env, directory, int(stem))
        new.path = f"{directory}/{name}"
        end = new.completed(SegmentIndex(new.base_offset)).next_offset
        stems = [other.removesuffix(LOG_SUFFIX) for other in names if other.endswith(LOG_SUFFIX)]
        covered = [int(other) for other in stems if other.isdigit() and new.base_offset < int(other) < end]
        env.remove(new.index_path)
        _finish(env, directory, new.base_offset, covered)
