"""The 64-byte frame header and the checksum: the code of FORMAT.md section 1.

Pure functions over bytes; must not do I/O nor know what a payload means.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import google_crc32c
import pyarrow as pa

HEADER_SIZE = 64
ALIGNMENT = 64
VERSION = 1
MAGIC = b"SEF"

# Payload kinds.
KIND_ARROW = 1  # one Arrow IPC RecordBatch message, its schema is the topic's schema of that id
KIND_BYTES = 2  # the same with BYTES_SCHEMA
KIND_ARROW_STREAM = 3  # a whole Arrow IPC stream: batches with dictionaries
KIND_COMMIT = 4  # a marker: the producer's transaction is committed; no payload
KIND_ABORT = 5  # a marker: it is aborted

# Flags 4..7 may be ignored by a reader that does not know them, flags 0..3 may not.
FLAG_COMPACTED = 0x01  # some of the offsets the frame covers have no record any more
FLAG_TRANSACTIONAL = 0x02  # the records count when a commit marker of the producer follows
FLAG_CONTROL = 0x04  # a marker: it takes an offset but has no record
KNOWN_FLAGS = FLAG_COMPACTED | FLAG_TRANSACTIONAL | FLAG_CONTROL
INCOMPATIBLE_FLAGS = 0x0F

NO_PRODUCER = -1
# (producer id, epoch, sequence) of a frame whose append was not idempotent.
NO_BATCH_ID = (NO_PRODUCER, -1, -1)
MAX_PAYLOAD = (1 << 32) - ALIGNMENT
MAX_TRAILER = 0xFFFF * ALIGNMENT

_HEADER = struct.Struct("<3sBBBHqIIHhiqqqiI")
_CHECKED = _HEADER.size - 4
_PREFIX = MAGIC + bytes([VERSION])
_CRC = struct.Struct("<I")
_PADDING = [bytes(size) for size in range(ALIGNMENT)]


class FrameHeader(NamedTuple):
    """The fields of a frame header, in file order (magic and version left out).

    Timestamps are microseconds since 1970 UTC; trailer_units counts blocks of 64 bytes; record_count is the
    number of offsets the frame covers; producer_id is -1 when the append was not idempotent.
    """

    kind: int
    flags: int
    schema_id: int
    base_offset: int
    record_count: int
    payload_length: int
    trailer_units: int
    producer_epoch: int
    leader_epoch: int
    producer_id: int
    append_timestamp_us: int
    max_timestamp_us: int
    sequence: int
    crc: int

    @property
    def next_offset(self) -> int:
        """Offset of the first record after this frame."""
        return self.base_offset + self.record_count

    @property
    def trailer_start(self) -> int:
        """Distance of the trailer from the frame's first byte."""
        return HEADER_SIZE + padded(self.payload_length)

    @property
    def frame_size(self) -> int:
        """Bytes of the whole frame: header, padded payload, trailer."""
        return HEADER_SIZE + padded(self.payload_length) + self.trailer_units * ALIGNMENT


def padded(size: int) -> int:
    """`size` rounded up to the frame alignment."""
    return (size + ALIGNMENT - 1) & -ALIGNMENT


def padding(size: int) -> bytes:
    """The zero bytes that follow `size` bytes up to the alignment."""
    return _PADDING[-size & (ALIGNMENT - 1)]


def checksum(pieces: Sequence[Any], crc: int = 0) -> int:
    """CRC-32C (Castagnoli, RFC 3720 appendix B.4) of read-only bytes-like `pieces`, continuing from `crc`."""
    for piece in pieces:
        crc = google_crc32c.extend(crc, piece)
    return crc


def pack_header(header: FrameHeader, body_crc: int) -> bytes:
    """The 64 bytes of `header`; its `crc` field is ignored and computed from `body_crc`, the checksum of all
    that follows.

    The body comes first in the checksum so that an appender can compute that part before it knows the offset.
    """
    packed = _HEADER.pack(MAGIC, VERSION, *header[:-1], 0)[:_CHECKED]
    return packed + _CRC.pack(google_crc32c.extend(body_crc, packed))


def unpack_header(data: Any, position: int) -> FrameHeader | None:
    """Header at `position` of a buffer, or None if those bytes are not a header of this version."""
    if position + HEADER_SIZE > len(data):
        return None
    fields = _HEADER.unpack_from(data, position)
    if fields[0] != MAGIC or fields[1] != VERSION or fields[3] & INCOMPATIBLE_FLAGS & ~KNOWN_FLAGS:
        return None
    return FrameHeader._make(fields[2:])


def header_version(data: Any, position: int) -> int | None:
    """Version of the frame at `position` if the magic is there; tells a newer file from a damaged one."""
    if position + HEADER_SIZE > len(data) or bytes(data[position : position + 3]) != MAGIC:
        return None
    return int(data[position + 3])


def frame_intact(data: pa.Buffer, position: int, header: FrameHeader) -> bool:
    """Whether the frame at `position` is complete within `data` and matches its checksum."""
    size = header.frame_size
    if position + size > data.size:
        return False
    crc = google_crc32c.value(data.slice(position + HEADER_SIZE, size - HEADER_SIZE))
    return bool(google_crc32c.extend(crc, data.slice(position, _CHECKED)) == header.crc)
