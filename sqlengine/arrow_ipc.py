"""Tables as Arrow IPC streams in memory."""

from __future__ import annotations

import pyarrow as pa


def to_ipc(table: pa.Table | pa.RecordBatch) -> pa.Buffer:
    """The rows as one stream, in memory of their own."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write(table)
    return sink.getvalue()


def from_ipc(stream: pa.Buffer | bytes) -> pa.Table:
    """The inverse of `to_ipc`: the table's columns lie in `stream`."""
    return pa.ipc.open_stream(stream).read_all()
