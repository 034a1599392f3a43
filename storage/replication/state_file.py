"""What a directory keeps of the replication of a partition: one small file with two slots, written in turn.

A slot is complete or not there, so that a crash leaves the newest one or the one before it (storage/log/FORMAT.md
section 12). Must not decide what a missing or older file means.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass

from storage.env import Env
from storage.log.format import checksum
from storage.replication import codec
from storage.replication.controller import Saved
from storage.replication.messages import Integrity

STATE_FILE = "replication"
SLOT_BYTES = 8192

_MAGIC = b"SER1"
_HEAD = struct.Struct("<4sIQIqBB")
"""Magic, CRC-32C of all that follows it, turn, bytes of the decisions, life, integrity, whether closed."""


@dataclass(frozen=True, slots=True)
class Kept:
    """`saved`: what the controller decided last. `life`: the last opening of this replica. integrity: what is still to
    be announced of it. `closed`: the log was closed in order, so nothing of it depends on the page cache.
    """

    saved: Saved
    life: int
    integrity: Integrity
    closed: bool


class StateFile:
    """The file in the directory of a partition's log."""

    def __init__(self, env: Env, directory: str) -> None:
        self._env = env
        self._directory = directory
        self._path = f"{directory}/{STATE_FILE}"
        self._turn = 0
        self._is_listed = False  # whether the directory was synced since: who made the file may have been killed before

    def load(self) -> Kept | None:
        """The newest intact slot, None if there is none; OSError if the file cannot be read."""
        try:
            file = self._env.open(self._path)
        except FileNotFoundError:
            return None
        try:
            slots = [_parse(file.read(place * SLOT_BYTES, SLOT_BYTES)) for place in (0, 1)]
        finally:
            file.close()
        found = [slot for slot in slots if slot is not None]
        if not found:
            return None
        self._turn, kept = max(found, key=lambda slot: slot[0])
        return kept

    def save(self, kept: Kept) -> None:
        """Replace what is kept, durably; OSError if that fails."""
        decisions = codec.encode(kept.saved)
        turn = self._turn + 1
        head = _HEAD.pack(_MAGIC, 0, turn, len(decisions), kept.life, kept.integrity, kept.closed)
        crc = struct.pack("<I", checksum([head[8:], decisions]))
        if len(head) + len(decisions) > SLOT_BYTES:
            raise OverflowError("the state of a partition does not fit its slot")
        is_new = not self._is_listed or not self._env.exists(self._path)
        file = self._env.open(self._path, create=True)
        try:
            file.write(turn % 2 * SLOT_BYTES, [_MAGIC, crc, head[8:], decisions])
            file.sync()
        finally:
            file.close()
        if is_new:
            self._env.sync_dir(self._directory)
            self._is_listed = True
        self._turn = turn


def _parse(slot: bytes) -> tuple[int, Kept] | None:
    """(turn, content) of a slot, None if it is not whole."""
    if len(slot) < _HEAD.size:
        return None
    magic, crc, turn, size, life, integrity, closed = _HEAD.unpack_from(slot)
    data = slot[_HEAD.size : _HEAD.size + size]
    if magic != _MAGIC or len(data) < size or checksum([slot[8 : _HEAD.size], data]) != crc:
        return None
    with contextlib.suppress(codec.MalformedMessage):
        saved = codec.decode(data)
        if isinstance(saved, Saved):
            return turn, Kept(saved, life, Integrity(integrity), bool(closed))
    return None
