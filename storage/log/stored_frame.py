"""A frame of a segment as what a read returns, and shorter versions of it. Must not do I/O beyond the mapping."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from storage.log.format import ALIGNMENT, FLAG_COMPACTED, HEADER_SIZE, FrameHeader, checksum, pack_header, padding
from storage.log.frame import Frame
from storage.log.message import decode, encode, no_rows
from storage.log.schema_plan import SchemaPlan
from storage.log.segment import Segment
from storage.log.statistics import ColumnStatistics, decode_statistics
from storage.log.trailer import decode_kept, encode_kept, kept_span

_NO_OFFSETS = np.zeros(0, np.int64)


def stored_frame(
    segment: Segment,
    position: int,
    header: FrameHeader,
    bounds: tuple[int, int],
    columns: list[str] | None,
    schemas: Sequence[pa.Schema],
    hidden: bool = False,
) -> Frame:
    """The frame at `position`, cut to the offsets `bounds`, without its records if it is `hidden`; the caller has
    verified it.
    """
    data, schema = segment.data, schemas[header.schema_id]
    if hidden:
        return empty_frame(header, bounds, columns, schema)
    payload = data.slice(position + HEADER_SIZE, header.payload_length)
    trailer = data.slice(position + header.trailer_start, header.trailer_units * ALIGNMENT)
    first, end = max(bounds[0], header.base_offset), min(bounds[1], header.next_offset)
    load = functools.partial(decode, header.kind, payload, schema)
    kept = None
    if header.flags & FLAG_COMPACTED:
        kept = header.base_offset + decode_kept(memoryview(trailer), header.record_count)[0]
    return Frame(header, first, end, columns, load, functools.partial(_statistics, trailer, schema), kept)


def empty_frame(header: FrameHeader, bounds: tuple[int, int], columns: list[str] | None, schema: pa.Schema) -> Frame:
    """A frame, cut to the offsets `bounds`, of which readers see no record."""
    first, end = max(bounds[0], header.base_offset), min(bounds[1], header.next_offset)
    return Frame(header, first, end, columns, functools.partial(no_rows, schema), dict, _NO_OFFSETS)


def cut_at(
    segment: Segment, offset: int, schemas: Sequence[pa.Schema], plans: Sequence[SchemaPlan]
) -> tuple[int, int, list[Any]]:
    """Where a segment is cut so that it ends at `offset`: (position, base offset) of the first frame to go, and what
    is kept of that one as a shorter frame. CorruptLog if no frame holds the record before it.
    """
    end = segment.index.next_offset
    for position, header in segment.walk(segment.index.before_offset(offset), end_offset=end):
        if header.next_offset > offset:
            if header.base_offset == offset:
                return position, offset, []
            if header.base_offset > offset:
                raise segment.corrupt("frame is missing or damaged", position, offset)
            frame = stored_frame(segment, position, header, (header.base_offset, offset), None, schemas)
            horizon_us = horizon_of(segment, position, header)
            return position, header.base_offset, _shortened(frame, plans[header.schema_id], horizon_us)
    return segment.index.position, offset, []


def _shortened(frame: Frame, plan: SchemaPlan, horizon_us: int) -> list[Any]:
    """The pieces of a stored frame of the records of `frame`, which begins where it begins; its stamps stay.

    horizon_us: the delete horizon of a compacted frame.
    """
    header = frame.header
    span = frame.next_offset - header.base_offset
    payload = encode(frame.batch, plan)
    trailer = b""
    if header.flags & FLAG_COMPACTED:
        trailer = encode_kept(kept_span(frame.offsets() - header.base_offset, span), horizon_us, b"")
    body = [*payload.pieces, padding(payload.length), trailer]
    units = len(trailer) // ALIGNMENT
    shorter = header._replace(record_count=span, payload_length=payload.length, trailer_units=units)
    return [pack_header(shorter, checksum(body)), *body]


def horizon_of(segment: Segment, position: int, header: FrameHeader) -> int:
    """The delete horizon of the frame at `position`, NO_HORIZON if it has none."""
    trailer = segment.data.slice(position + header.trailer_start, header.trailer_units * ALIGNMENT)
    return decode_kept(memoryview(trailer), header.record_count)[1]


def _statistics(trailer: pa.Buffer, schema: pa.Schema) -> dict[str, ColumnStatistics]:
    """Statistics in a frame's trailer."""
    return decode_statistics(memoryview(trailer), schema)
