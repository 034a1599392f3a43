"""From which offset on which leader epoch wrote, read off the headers of a log's frames.

Epochs never fall along a log. So where two frames have the same one, all between them have it, and a change is found by
halving, first the segments and then the sparse index of one: a handful of frames is read, however long the log is.
They are compared with their checksums: what a damaged header says of epochs would mislead every comparison with
another log. Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from storage.log.format import FrameHeader, unpack_header
from storage.log.segment import Segment


def epoch_starts(segments: Sequence[Segment], start: int) -> list[tuple[int, int]]:
    """(epoch, offset of its first frame), ascending, of the frames that hold records from `start` on.

    CorruptLog where a frame that has to be read is damaged.
    """
    later = [segment.base_offset for segment in segments[1:]]
    held = [segment for segment, end in zip(segments, [*later, None], strict=True) if end is None or end > start]
    if len(held) > 1 and not held[-1].index.position:  # the last one takes appends and may have none yet
        held.pop()
    if not held[-1].index.position or held[-1].index.next_offset <= start:
        return []
    last = len(held) - 1
    found: list[tuple[int, int]] = []
    for number in sorted({0, *_beside_changes(held, start, 0, last), last}):
        for header in _first_of_epochs(held[number], start):
            if not found or found[-1][0] != header.leader_epoch:
                found.append((header.leader_epoch, header.base_offset))
    return found


def _beside_changes(segments: Sequence[Segment], start: int, low: int, high: int) -> Iterator[int]:
    """Numbers of the neighbouring segments from `low` to `high` whose first frames have different epochs."""
    first, last = (_header(segments[n], _first_position(segments[n], start)) for n in (low, high))
    if first.leader_epoch == last.leader_epoch:
        return
    if high - low == 1:
        yield from (low, high)
        return
    middle = (low + high) // 2
    yield from _beside_changes(segments, start, low, middle)
    yield from _beside_changes(segments, start, middle, high)


def _first_of_epochs(segment: Segment, start: int) -> Iterator[FrameHeader]:
    """The first frame that holds records from `start` on, and each that has another epoch than the one before it."""
    first = _first_position(segment, start)
    places = [first, *(position for position in segment.index.positions if position > first)]
    yield _header(segment, first)
    yield from _changes(segment, places, 0, len(places) - 1)
    yield from _changed(segment, places[-1], segment.index.position)


def _first_position(segment: Segment, start: int) -> int:
    """Where the first frame is that holds records from `start` on."""
    if segment.base_offset >= start:
        return 0
    indexed = segment.index.before_offset(start)
    return next((at for at, header in segment.walk(indexed) if header.next_offset > start), indexed)


def _changes(segment: Segment, places: list[int], low: int, high: int) -> Iterator[FrameHeader]:
    """The frames behind places[low], up to that at places[high], at which the epoch changes."""
    if _header(segment, places[low]).leader_epoch == _header(segment, places[high]).leader_epoch:
        return
    if high - low == 1:
        yield from _changed(segment, places[low], places[high] + 1)
        return
    middle = (low + high) // 2
    yield from _changes(segment, places, low, middle)
    yield from _changes(segment, places, middle, high)


def _changed(segment: Segment, low: int, end: int) -> Iterator[FrameHeader]:
    """The same between the frame at position `low` and position `end`, by reading every header."""
    before = _header(segment, low)
    position = low + before.frame_size
    while position < end:
        header = _header(segment, position)
        if header.leader_epoch != before.leader_epoch:
            yield header
        position += header.frame_size
        before = header


def _header(segment: Segment, position: int) -> FrameHeader:
    """The header of the whole frame at a position where one begins."""
    header = unpack_header(segment.view, position)
    if header is None or not header.record_count or not segment.intact(position, header):
        raise segment.first_damage()
    return header
