"""What follows the header of a frame, from a batch: computed once, however many logs store it. Must not do I/O."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

from storage.errors import BatchTooLarge
from storage.log.format import ALIGNMENT, KIND_ARROW, KIND_BYTES, MAX_PAYLOAD, checksum, padding
from storage.log.log import TopicContext
from storage.log.message import encode
from storage.log.statistics import encode_statistics


class Body(NamedTuple):
    """Payload kind, (payload bytes, trailer blocks), the bytes-like pieces and the checksum over them."""

    kind: int
    sizes: tuple[int, int]
    pieces: list[Any]
    crc: int


def encode_body(context: TopicContext, batch: pa.RecordBatch, schema_id: int) -> Body:
    """The body of a frame of `batch`; BatchTooLarge if it does not fit into one."""
    plan = context.plans[schema_id]
    payload = encode(batch, plan)
    if payload.length > MAX_PAYLOAD:
        raise BatchTooLarge(f"batch of {payload.length} bytes exceeds {MAX_PAYLOAD}", hint="split the batch")
    trailer = encode_statistics(batch, plan) if context.config.statistics else b""
    pieces = payload.pieces
    if trailer or payload.length % ALIGNMENT:  # nothing to write costs as much as a little
        pieces = [*pieces, padding(payload.length), trailer]
    kind = KIND_BYTES if context.bytes_payload and payload.kind == KIND_ARROW else payload.kind
    return Body(kind, (payload.length, len(trailer) // ALIGNMENT), pieces, checksum(pieces))
