"""Going over the verified frames of segments, oldest first. Must not know which of them a log still holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from storage.log.format import FrameHeader
from storage.log.segment import Segment


def base_offset(segment: Segment) -> int:
    """Sort key of segments."""
    return segment.base_offset


def frames_between(segments: list[Segment], offset: int, end: int) -> Iterator[tuple[Segment, int, FrameHeader]]:
    """(segment, position, header) of the frames that cover records of `offset` <= x < `end`; CorruptLog at the first
    that is missing or damaged.
    """
    number = bisect_right(segments, offset, key=base_offset) - 1
    while offset < end and number < len(segments):
        segment = segments[number]
        try:
            for position, header in segment_frames(segment, offset, end):
                yield segment, position, header
                offset = header.next_offset
        except FileNotFoundError:
            raise segment.missing(offset) from None
        number += 1


def frames_of_time(
    segments: list[Segment], timestamp_us: int, start: int
) -> Iterator[tuple[Segment, int, FrameHeader]]:
    """(segment, position, header) of the frames that hold records from offset `start` on, one of them of that time or
    later; as their headers say, without a check of the frames.
    """
    for segment in segments:
        index = segment.index
        if index.max_timestamp_us < timestamp_us or index.next_offset <= start:
            continue
        for position, header in segment.walk(index.before_timestamp(timestamp_us), end_offset=index.next_offset):
            if header.max_timestamp_us >= timestamp_us and header.next_offset > start:
                yield segment, position, header


def segment_frames(segment: Segment, offset: int, end: int) -> Iterator[tuple[int, FrameHeader]]:
    """The part of `frames_between` within one segment; CorruptLog when it ends too early."""
    limit = min(end, segment.index.next_offset)
    for position, header in segment.walk(segment.index.before_offset(offset), end_offset=limit):
        if header.next_offset <= offset:
            continue
        if header.base_offset > offset and segment.base_offset > offset:
            raise segment.corrupt("the segment before it is missing", 0, offset)
        if header.base_offset > offset or not segment.intact(position, header):
            raise segment.first_damage()
        yield position, header
        offset = header.next_offset
        if offset >= limit:
            return
    if offset < limit:
        raise segment.first_damage()
