"""The durable point: up to where bytes are known to be on the disk, kept in a small file beside them.

It is written after each successful fsync, itself without one: after a process crash it is exact, after a
power failure it may lag. What lies below it must be intact, anything else is corruption; what lies beyond may
be a torn tail. Two slots are written in turn, so a torn write leaves the older one (FORMAT.md section 4).
Must not interpret the values.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from storage.env import File
from storage.log.format import checksum

SLOT_BYTES = 512
FILE_BYTES = 2 * SLOT_BYTES

_HEAD = struct.Struct("<4sI")


class Point(NamedTuple):
    """start_offset: first readable record; segment, position, offset: where the durable part ends."""

    start_offset: int
    segment: int
    position: int
    offset: int


class SlotPair:
    """A few integers in two slots at the beginning of `file`, which the owner opens, syncs and closes."""

    def __init__(self, file: File, magic: bytes, count: int) -> None:
        """`magic`: four bytes that say what the `count` integers are."""
        self._file = file
        self._magic = magic
        self._layout = struct.Struct(f"<Q{count}q")
        self._turn = 0

    def load_values(self) -> Sequence[int] | None:
        """What the newer intact slot holds, None if there is none."""
        best: Sequence[int] | None = None
        for slot in (0, 1):
            data = self._file.read(slot * SLOT_BYTES, _HEAD.size + self._layout.size)
            if len(data) < _HEAD.size + self._layout.size or data[:4] != self._magic:
                continue
            _, crc = _HEAD.unpack_from(data)
            turn, *values = self._layout.unpack_from(data, _HEAD.size)
            if checksum([data[_HEAD.size :]]) == crc and turn > self._turn:
                self._turn, best = turn, values
        return best

    def save_values(self, values: Sequence[int], *, sync: bool = False) -> None:
        """Write them into the older slot; `sync` waits until that is durable itself."""
        self._turn += 1
        tail = self._layout.pack(self._turn, *values)
        self._file.write(self._turn % 2 * SLOT_BYTES, [_HEAD.pack(self._magic, checksum([tail])), tail])
        if sync:
            self._file.sync()


class DurablePoint(SlotPair):
    """The durable point of a log."""

    def __init__(self, file: File) -> None:
        super().__init__(file, b"SED1", len(Point._fields))

    def load(self) -> Point | None:
        """The newer intact point, None if there is none."""
        values = self.load_values()
        return None if values is None else Point(*values)

    def save(self, point: Point, *, sync: bool = False) -> None:
        """Write `point`; `sync` waits until it is durable itself."""
        self.save_values(point, sync=sync)
