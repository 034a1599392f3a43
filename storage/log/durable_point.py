"""The durable point: up to where bytes are known to be on the disk, kept in a small file beside them.

It is written after each successful fsync, itself without one: after a process crash it is exact, after a
power failure it may lag. What lies below it must be intact, anything else is corruption; what lies beyond may
be a torn tail. Two slots are written in turn, so a torn write leaves the older one (FORMAT.md section 4).
Must not interpret the values.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from storage.env import File
from storage.log.format import checksum

SLOT_BYTES = 512
FILE_BYTES = 2 * SLOT_BYTES

_SLOT = struct.Struct("<4sIQqqqq")
_MAGIC = b"SED1"


class Point(NamedTuple):
    """start_offset: first readable record; segment, position, offset: where the durable part ends."""

    start_offset: int
    segment: int
    position: int
    offset: int


class DurablePoint:
    """The two slots at the beginning of `file`, which the owner opens, syncs and closes."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._turn = 0

    def load(self) -> Point | None:
        """The newer intact slot, or None if there is none."""
        best: Point | None = None
        for slot in (0, 1):
            data = self._file.read(slot * SLOT_BYTES, _SLOT.size)
            if len(data) < _SLOT.size or data[:4] != _MAGIC:
                continue
            _, crc, turn, *values = _SLOT.unpack(data)
            if checksum([data[8:]]) == crc and turn > self._turn:
                self._turn, best = turn, Point(*values)
        return best

    def save(self, point: Point, *, sync: bool = False) -> None:
        """Write `point` into the older slot; `sync` waits until it is durable itself."""
        self._turn += 1
        tail = _SLOT.pack(_MAGIC, 0, self._turn, *point)[8:]
        slot = _MAGIC + struct.pack("<I", checksum([tail])) + tail
        self._file.write(self._turn % 2 * SLOT_BYTES, [slot])
        if sync:
            self._file.sync()
