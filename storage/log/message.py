"""A record batch as the pieces of one Arrow IPC message, without copying its columns.

`pyarrow` can serialize a batch into one new buffer; that copies every byte and aligns buffers to 8. Here the
message's metadata (a flatbuffer of fixed shape, see FORMAT.md section 2) is written by hand, so that large
batches go to the file as a vectored write of the column buffers themselves, each aligned to 64. Small batches
and batches of dictionaries take pyarrow's serializer. Reading is pyarrow's in all cases. Must not do I/O.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from storage.log.format import ALIGNMENT, KIND_ARROW, KIND_ARROW_STREAM, padded, padding
from storage.log.schema_plan import SchemaPlan

# Below this many rows alignment to 64 would cost more bytes than it is worth.
SMALL_ROWS = 256
# Below this many bytes one joined piece is cheaper than a vectored write of many.
_JOIN_BYTES = 32_768

# Flatbuffer constants of Arrow's Message.fbs.
_METADATA_V5 = 4
_HEADER_RECORD_BATCH = 3

_EMPTY = pa.py_buffer(b"")


@dataclass(frozen=True)
class Payload:
    """The bytes of a frame's payload: read-only bytes-like `pieces`, `length` bytes together (padding not
    counted).
    """

    kind: int
    pieces: list[Any]
    length: int


@dataclass(frozen=True)
class _Layout:
    """What a record batch message says: rows, (length, null count) per node, body buffers, variadic buffer
    counts.
    """

    rows: int
    nodes: list[int]
    buffers: list[pa.Buffer]
    variadic: tuple[int, ...] = ()


def encode(batch: pa.RecordBatch, plan: SchemaPlan) -> Payload:
    """The payload of `batch`, whose schema has that plan."""
    if plan.has_dictionary:
        return _encode_stream(batch)
    if batch.num_rows <= SMALL_ROWS:
        message = batch.serialize()
        return Payload(KIND_ARROW, [message.slice(0)], message.size)
    layout = _flat_layout(batch, plan.widths) if plan.widths is not None else None
    return _assemble(layout or _parse_message(batch.serialize()))


def decode(kind: int, payload: pa.Buffer, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in a payload, its columns pointing into `payload`; without a payload, a batch of no rows."""
    if not payload.size:
        return no_rows(schema)
    if kind == KIND_ARROW_STREAM:
        return pa.ipc.open_stream(payload).read_next_batch()
    return pa.ipc.read_record_batch(payload, schema)


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def _encode_stream(batch: pa.RecordBatch) -> Payload:
    """A complete IPC stream: schema, dictionaries, batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    stream = sink.getvalue()
    return Payload(KIND_ARROW_STREAM, [stream.slice(0)], stream.size)


# --- layout of columns that need no copy ---


def _flat_layout(batch: pa.RecordBatch, widths: tuple[int, ...]) -> _Layout | None:
    """Layout over the batch's own buffers, or None if a column is cut out of a longer one."""
    rows = batch.num_rows
    nodes: list[int] = []
    buffers: list[pa.Buffer] = []
    for column, width in zip(batch.columns, widths, strict=True):
        if column.offset:
            return None
        nulls = column.null_count
        nodes += (rows, nulls)
        own = column.buffers()
        buffers.append(own[0].slice(0, (rows + 7) // 8) if nulls else _EMPTY)
        if width > 0:
            buffers.append(own[1].slice(0, (rows * width + 7) // 8))
        elif not _add_variable(own, rows, -width, buffers):
            return None
    return _Layout(rows, nodes, buffers)


def _add_variable(own: list[pa.Buffer], rows: int, offset_size: int, buffers: list[pa.Buffer]) -> bool:
    """Append offsets and bytes of a string or binary column; False if its offsets do not begin at 0."""
    code = "<i" if offset_size == 4 else "<q"
    offsets = own[1].slice(0, (rows + 1) * offset_size)
    if struct.unpack_from(code, offsets, 0)[0]:
        return False
    end = struct.unpack_from(code, offsets, rows * offset_size)[0]
    buffers.append(offsets)
    buffers.append(own[2].slice(0, end) if end else _EMPTY)
    return True


# --- flatbuffer
# ------------------------------------------------------------------------------------------------------


def _assemble(layout: _Layout) -> Payload:
    """The message of `layout`: metadata, then every buffer padded to the alignment."""
    entries: list[int] = []
    pieces: list[Any] = [b""]
    position = 0
    for buffer in layout.buffers:
        size = buffer.size
        entries += (position, size)
        if size:
            pieces.append(buffer)
            if size % ALIGNMENT:
                pieces.append(padding(size))
            position += padded(size)
    pieces[0] = _metadata(layout, entries, position)
    length = len(pieces[0]) + position
    if length <= _JOIN_BYTES:
        pieces = [b"".join(pieces)]
    return Payload(KIND_ARROW, pieces, length)


def _metadata(layout: _Layout, entries: list[int], body_length: int) -> bytes:
    """Encapsulated message prefix: continuation mark, metadata length, flatbuffer, padding."""
    shape = _shape(len(layout.nodes), len(entries), len(layout.variadic))
    head = shape.packer.pack(
        0xFFFFFFFF,
        shape.size - 8,
        shape.message_table,
        body_length,
        shape.batch_table,
        layout.rows,
        shape.vectors,
        *layout.nodes,
        len(entries) // 2 << 32,
        *entries,
        len(layout.variadic) << 32,
        *layout.variadic,
    )
    return head + bytes(shape.size - len(head))


@dataclass(frozen=True)
class _Shape:
    """The constant parts of the flatbuffer for given vector lengths."""

    packer: struct.Struct
    size: int
    message_table: bytes
    batch_table: bytes
    vectors: bytes


@functools.lru_cache(maxsize=256)
def _shape(nodes: int, buffers: int, variadic: int) -> _Shape:
    """Constant parts for `nodes` and `buffers` 64-bit words and `variadic` counts.

    Byte positions in the flatbuffer: 0 root offset, 4 vtable of Message, 16 Message (24 bodyLength, 32
    version, 34 type), 36 vtable of RecordBatch, 52 RecordBatch (56 length, 64/68/72 offsets of the vectors),
    76 length of the node vector, 80 nodes; then the buffer vector and the variadic vector, each after 4 bytes
    of padding and its length.
    """
    buffers_at = 80 + 8 * nodes + 4
    variadic_at = buffers_at + 4 + 8 * buffers + 4
    message_table = struct.pack("<I6HiI", 16, 12, 20, 16, 18, 4, 8, 12, 32)
    batch_vtable = (14, 24, 4, 12, 16, 0, 20 if variadic else 0)
    batch_table = struct.pack("<HBx7H2xi", _METADATA_V5, _HEADER_RECORD_BATCH, *batch_vtable, 16)
    vectors = struct.pack("<4I", 76 - 64, buffers_at - 68, variadic_at - 72 if variadic else 0, nodes // 2)
    packer = struct.Struct(f"<II24sq24sq16s{nodes}qQ{buffers}qQ{variadic}q")
    return _Shape(packer, padded(packer.size), message_table, batch_table, vectors)


def _parse_message(message: pa.Buffer) -> _Layout:
    """Read pyarrow's own message back into its parts, so that any type can be laid out again with our
    alignment.
    """
    metadata_length = struct.unpack_from("<i", message, 4)[0]
    flat = message.slice(8, metadata_length)
    body = message.slice(8 + metadata_length)
    table = struct.unpack_from("<I", flat, 0)[0]
    batch = _follow(flat, _field(flat, table, 2))
    rows = struct.unpack_from("<q", flat, _field(flat, batch, 0))[0]
    nodes = list(_vector(flat, _field(flat, batch, 1), 2))
    pairs = list(_vector(flat, _field(flat, batch, 2), 2))
    variadic_field = _field(flat, batch, 4)
    variadic = tuple(_vector(flat, variadic_field, 1)) if variadic_field else ()
    buffers = [body.slice(at, size) if size else _EMPTY for at, size in zip(pairs[::2], pairs[1::2], strict=True)]
    return _Layout(rows, nodes, buffers, variadic)


def _field(flat: pa.Buffer, table: int, index: int) -> int:
    """Position of a table's field, 0 if it is absent (flatbuffers: the table starts with the distance to its
    vtable).
    """
    vtable = table - struct.unpack_from("<i", flat, table)[0]
    size = struct.unpack_from("<H", flat, vtable)[0]
    slot = 4 + 2 * index
    distance: int = struct.unpack_from("<H", flat, vtable + slot)[0] if slot < size else 0
    return table + distance if distance else 0


def _follow(flat: pa.Buffer, position: int) -> int:
    """Target of the relative offset stored at `position`."""
    return int(position + struct.unpack_from("<I", flat, position)[0])


def _vector(flat: pa.Buffer, field: int, words: int) -> Iterator[int]:
    """The 64-bit words of a vector of structs of `words` words."""
    if not field:
        return iter(())
    start = _follow(flat, field)
    count = struct.unpack_from("<I", flat, start)[0] * words
    return iter(struct.unpack_from(f"<{count}q", flat, start + 4))
