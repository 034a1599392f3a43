"""COPY ... TO STDOUT (FORMAT arrow): the Arrow IPC stream format in CopyData messages."""

from __future__ import annotations

import io

import pyarrow as pa

from sqlengine.server.pg.replies import copy_data


class ArrowStream:
    """Makes the messages of one stream; what they hold, one after the other, is the stream."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._sink = io.BytesIO()
        self._writer = pa.ipc.new_stream(self._sink, schema)

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """The next rows; the schema is in front of the first."""
        self._writer.write_batch(batch)
        return self._taken()

    def end(self) -> bytes:
        """The end of the stream."""
        self._writer.close()
        return self._taken()

    def _taken(self) -> bytes:
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return copy_data(data)
