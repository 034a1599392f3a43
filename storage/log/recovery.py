"""Opening a partition's directory: find its segments, tell a torn tail from corruption, rebuild what is
derived.

What lies below the durable point is taken as it is (its checksums are verified when it is read); what lies
beyond is verified frame by frame and cut at the first frame that is not whole. The work is bounded by the
last segment and the part that was not flushed, not by the size of the log. Must not change a byte when it
finds corruption.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage import checked
from storage.env import Env, write_file
from storage.errors import CorruptLog
from storage.log.durable_point import FILE_BYTES, DurablePoint, Point
from storage.log.format import ALIGNMENT, frame_intact, unpack_header
from storage.log.index import SegmentIndex, load_index
from storage.log.producers import ProducerTable, Saved
from storage.log.segment import INDEX_SUFFIX, LOG_SUFFIX, PRODUCERS_SUFFIX, Segment, segment_name
from storage.log.swap import complete_swaps

DURABLE_FILE = "durable"


@dataclass
class Recovered:
    """A readable log: segments oldest first (the last one to be appended to), positions, producers.

    `scanned` are the segments with frames beyond the durable point, which must be synced before they are
    served.
    """

    segments: list[Segment]
    point: Point
    end_offset: int
    producers: ProducerTable
    scanned: list[Segment]


def create_log(env: Env, directory: str) -> None:
    """Make the directory of a new, empty partition; the caller syncs the parent directory."""
    env.mkdir(directory)
    file = env.open(f"{directory}/{DURABLE_FILE}", create=True)
    try:
        file.resize(FILE_BYTES)
        DurablePoint(file).save(Point(0, 0, 0, 0))
        file.sync()
    finally:
        file.close()
    env.sync_dir(directory)


def recover(env: Env, directory: str, durable: DurablePoint) -> Recovered:
    """Open the partition in `directory`; CorruptLog if something durable is missing or damaged."""
    known = durable.load()
    complete_swaps(env, directory)
    bases = segment_bases(env, directory)
    oldest = bases[0] if bases else 0
    point = known or Point(oldest, oldest, 0, oldest)
    kept = [base for number, base in enumerate(bases) if not _below_start(bases[number + 1 :], point)]
    _check_present(directory, kept, point)
    segments = [Segment(env, directory, base) for base in kept]
    if not segments:
        return Recovered([], point, point.offset, ProducerTable(), [])
    recovered = _scan(env, directory, segments, point, trusted=known is not None)
    for base in set(bases) - set(kept):
        Segment(env, directory, base).remove()
    _remove_strays(env, directory, {segment.base_offset for segment in recovered.segments})
    return recovered


def end_before_damage(env: Env, directory: str) -> None:
    """Let a damaged log end before the first frame that is not whole: what is behind it counts as a torn tail at the
    next opening. To be called when nothing better is left. OSError.
    """
    complete_swaps(env, directory)
    bases = segment_bases(env, directory)
    file = env.open(f"{directory}/{DURABLE_FILE}", create=True)
    try:
        durable = DurablePoint(file)
        known = durable.load()
        start = max(known.start_offset if known is not None else 0, bases[0] if bases else 0)
        point = Point(start, bases[0] if bases else start, 0, bases[0] if bases else start)
        for base in bases:
            if base != point.offset:
                break
            segment = Segment(env, directory, base)
            point = Point(start, base, 0, base)
            for position, header in segment.walk(0, base):
                if not segment.intact(position, header):
                    break
                point = Point(start, base, position + header.frame_size, header.next_offset)
        durable.save(point, sync=True)
    finally:
        file.close()
    for base in bases:  # an index may cover more than is left
        env.remove(Segment(env, directory, base).index_path)
    env.sync_dir(directory)


def segment_bases(env: Env, directory: str) -> list[int]:
    """Base offsets of the segment files, ascending."""
    stems = [name[: -len(LOG_SUFFIX)] for name in env.list(directory) if name.endswith(LOG_SUFFIX)]
    return sorted(int(stem) for stem in stems if stem.isdigit())


def _below_start(later: list[int], point: Point) -> bool:
    """Whether a segment followed by `later` ones is below the log's start (its removal was interrupted)."""
    return bool(later) and later[0] <= point.start_offset and later[0] <= point.segment


def _check_present(directory: str, bases: list[int], point: Point) -> None:
    """CorruptLog if the segments at the start or at the durable point are gone."""
    if not bases and point.offset > point.start_offset:
        missing = point.start_offset
    elif bases and bases[0] > point.start_offset:
        missing = point.start_offset
    elif point.position and point.segment not in bases:
        missing = point.segment
    else:
        return
    file = f"{directory}/{segment_name(point.segment)}{LOG_SUFFIX}"
    raise CorruptLog("segment is missing", file=file, position=0, offset=missing)


def _remove_strays(env: Env, directory: str, bases: set[int]) -> None:
    """Remove files that a crash left behind: temporary ones, indexes without a segment, and the producers of a
    drop that was done, or was not.
    """
    for name in env.list(directory):
        stem = name.partition(".")[0]
        orphan = name.endswith(INDEX_SUFFIX) and not (stem.isdigit() and int(stem) in bases)
        undone = name.endswith(PRODUCERS_SUFFIX) and name != f"{segment_name(min(bases))}{PRODUCERS_SUFFIX}"
        if name.endswith(".tmp") or orphan or undone:
            env.remove(f"{directory}/{name}")


def _scan(env: Env, directory: str, segments: list[Segment], point: Point, *, trusted: bool) -> Recovered:
    """Verify everything beyond the durable point; drop what follows the first frame that is not whole."""
    first = next((i for i, s in enumerate(segments) if s.base_offset == point.segment), 0)
    producers = _walk_durable(env, segments, first, point)
    scanned = []
    for number in range(first, len(segments)):
        segment = segments[number]
        if number > first:
            segment.index = SegmentIndex(segment.base_offset)  # what its index file says was not verified
        before = segment.index.position
        _extend(segment, producers)
        if segment.index.position > before:
            scanned.append(segment)
        follower = segments[number + 1] if number + 1 < len(segments) else None
        if follower is None or follower.base_offset != segment.index.next_offset:
            if not trusted:
                _require_nothing_follows(segment, follower)
            if segment.index.next_offset < point.offset:
                raise segment.corrupt("frames are missing", segment.index.position, segment.index.next_offset)
            for stray in segments[number + 1 :]:
                stray.remove()
            return Recovered(segments[: number + 1], point, segment.index.next_offset, producers, scanned)
    raise AssertionError("the last segment has no follower")


def _walk_durable(env: Env, segments: list[Segment], first: int, point: Point) -> ProducerTable:
    """Rebuild index and producers of the segment with the durable point, up to it, from the headers."""
    segment = segments[first]
    position = point.position if segment.base_offset == point.segment else 0
    if segment.data.size < position:
        raise segment.corrupt("file is too short", segment.data.size, point.start_offset)
    index, saved = _resume(env, segments, first, position)
    producers = ProducerTable(saved)
    next_offset = index.next_offset
    for at, header in segment.walk(index.position, next_offset):
        if at >= position:
            break
        index.cover(header)
        producers.observe(header)
    segment.index = index
    if index.position != position or (position and index.next_offset != point.offset):
        raise segment.first_damage()
    return producers


def _resume(env: Env, segments: list[Segment], number: int, position: int) -> tuple[SegmentIndex, Saved]:
    """Where the walk can begin: the segment's own index file, else its first frame with its predecessor's
    producers.
    """
    segment = segments[number]
    own = load_index(env, segment.index_path)
    if own is not None and own[0].position <= position:
        return own
    fresh = SegmentIndex(segment.base_offset)
    return fresh, producers_before(env, segments, number).save()


def producers_before(env: Env, segments: list[Segment], number: int) -> ProducerTable:
    """The producer table at the start of segment `number`: from the index files before it and what is kept of
    dropped segments, from headers where these are missing.
    """
    start, position = number, 0
    saved: Saved = []
    while start > 0 and not position:
        start -= 1
        loaded = load_index(env, segments[start].index_path)
        if loaded is not None:
            position, saved = loaded[0].position, loaded[1]
    if not position and env.exists(segments[0].producers_path):
        saved = checked.load_json(env, segments[0].producers_path)
    table = ProducerTable(saved)
    for segment in segments[start:number]:
        for _, header in segment.walk(position):
            table.observe(header)
        position = 0
    return table


def keep_producers(env: Env, segment: Segment, table: ProducerTable) -> None:
    """Note durably the producer table at the start of `segment`, before the segments that it comes from are
    dropped. What an earlier drop noted holds until this one is complete.
    """
    saved = table.save()
    if saved:
        write_file(env, segment.producers_path, [checked.seal_json(saved)])


def _extend(segment: Segment, producers: ProducerTable) -> None:
    """Take in the whole frames after the index's end."""
    index = segment.index
    for position, header in segment.walk(index.position, index.next_offset):
        if not segment.intact(position, header):
            return
        index.cover(header)
        producers.observe(header)


def _require_nothing_follows(segment: Segment, follower: Segment | None) -> None:
    """Without a durable point: refuse to cut when whole frames follow the damage, for then it is no torn
    tail.
    """
    end, view, data = segment.index.position, segment.view, segment.data
    if follower is not None:
        raise segment.corrupt("frame is missing or damaged", end, segment.index.next_offset)
    for position in range(end, len(view), ALIGNMENT):
        header = unpack_header(view, position)
        if header is not None and frame_intact(data, position, header):
            raise segment.corrupt("frame is missing or damaged", end, segment.index.next_offset)
