"""From which offset on which leader epoch wrote, read off the headers of a log's frames.

Epochs never fall along a log. So where two frames have the same one, all between them have it, and a change is found by
halving the sparse index around it: a handful of headers is read, however long the log is. Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from storage.log.format import FrameHeader, unpack_header
from storage.log.segment import Segment


def epoch_starts(segments: Sequence[Segment], start: int) -> list[tuple[int, int]]:
    """(epoch, offset of its first frame), ascending, of the frames that hold records from `start` on.

    CorruptLog where the header of a frame that has to be read is none.
    """
    found: list[tuple[int, int]] = []
    for segment in segments:
        if segment.index.position and segment.index.next_offset > start:
            for header in _first_of_epochs(segment, start):
                if not found or found[-1][0] != header.leader_epoch:
                    found.append((header.leader_epoch, header.base_offset))
    return found


def _first_of_epochs(segment: Segment, start: int) -> Iterator[FrameHeader]:
    """The first frame that holds records from `start` on, and each that has another epoch than the one before it."""
    indexed = segment.index.before_offset(start)
    first = next((at for at, header in segment.walk(indexed) if header.next_offset > start), indexed)
    places = [first, *(position for position in segment.index.positions if position > first)]
    yield _header(segment, first)
    yield from _changes(segment, places, 0, len(places) - 1)
    yield from _changed(segment, places[-1], segment.index.position)


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
    """The header at a position where a frame begins."""
    header = unpack_header(segment.view, position)
    if header is None or not header.record_count:
        raise segment.corrupt("frame is missing or damaged", position, segment.base_offset)
    return header
