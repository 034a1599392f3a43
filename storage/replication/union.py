"""Union: one whole log out of replicas that are damaged at different places.

What was committed is the same, frame by frame, in every in-sync replica, and every frame has a checksum: so the frames
that are whole, wherever they lie, can be put together. The new log is made beside the old one and takes its place when
it is complete and durable; a crash leaves one of the two. Must not know the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from storage.env import Env, read_file, write_file
from storage.errors import CorruptFile, CorruptLog
from storage.log import recovery
from storage.log.durable_point import DurablePoint, Point
from storage.log.format import ALIGNMENT, FLAG_COMPACTED, MAGIC, FrameHeader, frame_intact, unpack_header
from storage.log.producers import Saved
from storage.log.replica_log import ReplicaLog, begin_at
from storage.log.segment import Segment

_BUILDING, _COMPLETE, _REPLACED = ".building", ".complete", ".replaced"


class WholeFrame(NamedTuple):
    """A frame that matches its checksum. is_chained: it lies where the one before it ends, so it was surely written as
    a frame, and is not some record's bytes."""

    header: FrameHeader
    data: pa.Buffer
    is_chained: bool


@dataclass(frozen=True)
class Copy:
    """What one replica still has: its whole frames by the offsets where they begin, how far compaction went over it."""

    directory: str
    point: Point | None
    segments: list[Segment]
    frames: dict[int, list[WholeFrame]]
    clean_end: int

    @property
    def extent(self) -> int:
        """How far the log went, as far as its durable point and its frames tell."""
        ends = [frame.header.next_offset for frames in self.frames.values() for frame in frames]
        return max([0 if self.point is None else self.point.offset, *ends])


@dataclass(frozen=True)
class Plan:
    """`frames` one behind the other from `start`; `lacking`: the offsets from the first on that no replica has, None
    when nothing is missing that all in-sync replicas had."""

    start: int
    frames: Sequence[WholeFrame]
    lacking: tuple[int, int] | None

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self.frames[-1].header.next_offset if self.frames else self.start


def read_copy(env: Env, directory: str) -> Copy:
    """Read every byte of a replica's log. OSError, CorruptLog."""
    segments = [Segment(env, directory, base) for base in recovery.segment_bases(env, directory)]
    frames: dict[int, list[WholeFrame]] = {}
    clean_end = 0
    for segment in segments:
        for frame in _whole_frames(segment):
            frames.setdefault(frame.header.base_offset, []).append(frame)
            if frame.header.flags & FLAG_COMPACTED:
                clean_end = max(clean_end, frame.header.next_offset)
    return Copy(directory, _durable_point(env, directory), segments, frames, clean_end)


def _durable_point(env: Env, directory: str) -> Point | None:
    """Up to where the log is known to be durable."""
    try:
        file = env.open(f"{directory}/{recovery.DURABLE_FILE}")
    except FileNotFoundError:
        return None
    with closing(file):
        return DurablePoint(file).load()


def _whole_frames(segment: Segment) -> list[WholeFrame]:
    """The frames of a segment that are whole, also behind damage: they begin at multiples of the alignment."""
    data, view = segment.data, segment.view
    rows = np.frombuffer(data, np.uint8, data.size // ALIGNMENT * ALIGNMENT).reshape(-1, ALIGNMENT)
    places = np.flatnonzero((rows[:, : len(MAGIC)] == np.frombuffer(MAGIC, np.uint8)).all(axis=1)) * ALIGNMENT
    found: list[WholeFrame] = []
    end, offset = 0, segment.base_offset
    for position in places.tolist():
        header = unpack_header(view, position)
        if position < end or header is None or header.base_offset < offset or not header.record_count:
            continue
        if frame_intact(data, position, header):
            found.append(WholeFrame(header, data.slice(position, header.frame_size), position == end))
            end, offset = position + header.frame_size, header.next_offset
    return found


# ---------------------------------------------------------------- putting together


def plan(copies: Sequence[Copy], known: Sequence[Copy]) -> Plan:
    """The frames of `copies` that reach furthest from the newest start that a replica knows; `known`: all in-sync
    replicas, by which what must be there is judged: what all of them had. What one has more was never committed.

    Where logs were compacted, one replica's frames serve as far as compaction went over them, and those of others only
    behind that and as they were written: compaction has each time removed what only its own result can do without.
    """
    if any(copy.clean_end for copy in copies):
        choices = [_allowed(copies, base) for base in copies]
    else:
        choices = [[frame for copy in copies for frames in copy.frames.values() for frame in frames]]
    made = [_chained_from(_start(known, frames), frames) for frames in choices]
    start, chain = max(made, key=lambda each: each[1][-1].header.next_offset if each[1] else each[0])
    reached = chain[-1].header.next_offset if chain else start
    bases = {base for copy in known for base in copy.frames}
    extents = [copy.extent for copy in known if copy.point is not None]
    needed = min(extents) if extents else max(bases, default=start)
    lacking = None
    if reached < needed:
        lacking = (reached, min((base for base in bases if reached < base < needed), default=needed))
    return Plan(start, chain, lacking)


def _allowed(copies: Sequence[Copy], base: Copy) -> list[WholeFrame]:
    """All frames of one replica, and of the others those that no compaction has made, behind its own."""
    return [
        frame
        for copy in copies
        for at, frames in copy.frames.items()
        for frame in frames
        if copy is base or (at >= base.clean_end and not frame.header.flags & FLAG_COMPACTED)
    ]


def _start(copies: Sequence[Copy], frames: Sequence[WholeFrame]) -> int:
    """Where the frame begins that has the first record that counts."""
    first = max((copy.point.start_offset for copy in copies if copy.point is not None), default=None)
    if first is None:
        return min((f.header.base_offset for f in frames), default=0)
    around = (f.header.base_offset for f in frames if f.header.base_offset <= first < f.header.next_offset)
    return max(around, default=first)


def _chained_from(start: int, frames: Sequence[WholeFrame]) -> tuple[int, list[WholeFrame]]:
    """(start, the frames that reach furthest from there, each where the one before it ends); among equals those of the
    newest leader, and those that were surely written as frames."""
    by_base: dict[int, list[WholeFrame]] = {}
    for frame in frames:
        by_base.setdefault(frame.header.base_offset, []).append(frame)
    best: dict[int, tuple[int, WholeFrame]] = {}
    for base in sorted(by_base, reverse=True):
        ends = [(best[f.header.next_offset][0] if f.header.next_offset in best else f.header.next_offset, f)
                for f in by_base[base]]  # fmt: skip
        best[base] = max(ends, key=lambda each: (each[0], each[1].is_chained, each[1].header.leader_epoch))
    chain: list[WholeFrame] = []
    at = start
    while at in best:
        chain.append(best[at][1])
        at = chain[-1].header.next_offset
    return start, chain


# ---------------------------------------------------------------- taking the place


def put_in_place(
    env: Env,
    directory: str,
    made: Plan,
    copies: Sequence[Copy],
    keep: Sequence[str],
    open_log: Callable[[str], ReplicaLog],
) -> None:
    """Replace the log in `directory` by what the plan has; the files `keep` stay. OSError, StorageError."""
    building = directory + _BUILDING
    env.remove(building)
    begin_at(env, building, made.start, _producers(env, made.start, copies))
    log = open_log(building)
    try:
        for frame in made.frames:
            log.store_raw(frame.data.to_pybytes())
        log.flush()
        if log.failure is not None:
            raise log.failure
        start = max((copy.point.start_offset for copy in copies if copy.point is not None), default=0)
        if start > log.start_offset:
            log.delete_before(min(start, log.end_offset))
    finally:
        log.close(flush=False)
    for name in keep:
        if env.exists(f"{directory}/{name}"):
            write_file(env, f"{building}/{name}", [read_file(env, f"{directory}/{name}")])
    env.sync_dir(building)
    env.rename(building, directory + _COMPLETE)
    env.sync_dir(directory.rpartition("/")[0])
    finish(env, directory)


def finish(env: Env, directory: str) -> None:
    """What a crash has left of `put_in_place`: complete it, or remove what was not complete. OSError."""
    env.remove(directory + _BUILDING)
    if env.exists(directory + _COMPLETE):
        if env.exists(directory):
            env.remove(directory + _REPLACED)
            env.rename(directory, directory + _REPLACED)
        env.rename(directory + _COMPLETE, directory)
        env.sync_dir(directory.rpartition("/")[0])
    env.remove(directory + _REPLACED)


def _producers(env: Env, start: int, copies: Sequence[Copy]) -> Saved:
    """What a replica whose segments begin there knows of producers before."""
    for copy in copies:
        if start and copy.segments and copy.segments[0].base_offset == start:
            try:
                return recovery.producers_before(env, copy.segments, 0).save()
            except (CorruptFile, CorruptLog):
                continue
    return []
