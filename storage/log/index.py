"""Sparse index of a segment: offset -> position and timestamp -> offset, in memory and as a file.

An entry says: a frame with that base offset begins at that position, and no record before it has a timestamp
larger than the entry's. The file is disposable: if it is missing or damaged it is rebuilt from the frames'
headers (FORMAT.md section 5). Must not touch frames.
"""

from __future__ import annotations

import json
import struct
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from storage.env import Env, read_file, write_file
from storage.log.format import FrameHeader, checksum

INTERVAL_BYTES = 4096
NO_TIMESTAMP = -(1 << 63)

_HEAD = struct.Struct("<4sIIIqqqqq")
_MAGIC = b"SEI1"
# With transactions in the JSON, which an earlier version must not take for a list of producers.
_MAGIC_TRANSACTIONS = b"SEI2"


@dataclass
class SegmentIndex:
    """Entries of one segment and what they cover: all frames before `position` / `next_offset`.

    max_timestamp_us is the largest record timestamp and max_append_us the largest append timestamp covered.
    """

    base_offset: int
    position: int = 0
    next_offset: int = 0
    max_timestamp_us: int = NO_TIMESTAMP
    max_append_us: int = NO_TIMESTAMP
    offsets: array[int] = field(default_factory=lambda: array("q"))
    positions: array[int] = field(default_factory=lambda: array("q"))
    earlier_max_us: array[int] = field(default_factory=lambda: array("q"))

    def __post_init__(self) -> None:
        self.next_offset = max(self.next_offset, self.base_offset)

    def cover(self, header: FrameHeader, size: int | None = None) -> None:
        """Cover one frame more, which begins at `position`; `size`: its bytes, if they are known."""
        if not self.positions or self.position - self.positions[-1] >= INTERVAL_BYTES:
            self.offsets.append(self.next_offset)
            self.positions.append(self.position)
            self.earlier_max_us.append(self.max_timestamp_us)
        self.position += header.frame_size if size is None else size
        self.next_offset = header.next_offset
        self.max_timestamp_us = max(self.max_timestamp_us, header.max_timestamp_us)
        self.max_append_us = max(self.max_append_us, header.append_timestamp_us)

    def before_offset(self, offset: int) -> int:
        """Position of an indexed frame at or before the frame that holds `offset`."""
        slot = bisect_right(self.offsets, offset) - 1
        return self.positions[slot] if slot >= 0 else 0

    def before_timestamp(self, timestamp_us: int) -> int:
        """Position of an indexed frame at or before the first frame with a timestamp >= `timestamp_us`."""
        low, high = 0, len(self.positions)
        while low < high:
            middle = (low + high) // 2
            if self.earlier_max_us[middle] < timestamp_us:
                low = middle + 1
            else:
                high = middle
        return self.positions[low - 1] if low else 0


def save_index(env: Env, path: str, index: SegmentIndex, producers: list[Any] | dict[str, Any]) -> None:
    """Write the index file atomically; `producers` is the producer table's state at the end of what is
    covered.
    """
    arrays = [a.tobytes() for a in (index.offsets, index.positions, index.earlier_max_us)]
    body = b"".join([*arrays, json.dumps(producers).encode()])
    fixed = (
        index.base_offset,
        index.position,
        index.next_offset,
        index.max_timestamp_us,
        index.max_append_us,
    )
    tail = _HEAD.pack(_MAGIC, 0, len(index.offsets), len(body), *fixed)[8:] + body
    # An fsync here would hold up appends behind all that the file system has to write.
    magic = _MAGIC if isinstance(producers, list) else _MAGIC_TRANSACTIONS
    write_file(env, path, [magic + struct.pack("<I", checksum([tail])) + tail], durable=False)


def load_index(env: Env, path: str) -> tuple[SegmentIndex, list[Any] | dict[str, Any]] | None:
    """The index and producer state in a file, or None if that is missing, damaged or unreadable."""
    try:
        data = read_file(env, path)
    except OSError:
        return None
    if len(data) < _HEAD.size or data[:4] not in (_MAGIC, _MAGIC_TRANSACTIONS):
        return None
    _, crc, count, body_length, base, position, next_offset, newest, newest_append = _HEAD.unpack_from(data, 0)
    if len(data) != _HEAD.size + body_length or checksum([data[8:]]) != crc:
        return None
    index = SegmentIndex(base, position, next_offset, newest, newest_append)
    width = 8 * count
    for number, values in enumerate((index.offsets, index.positions, index.earlier_max_us)):
        start = _HEAD.size + number * width
        values.frombytes(data[start : start + width])
    return index, json.loads(data[_HEAD.size + 3 * width :])
