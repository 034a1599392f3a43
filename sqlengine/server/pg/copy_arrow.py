"""The Arrow IPC stream format in CopyData messages: COPY ... TO STDOUT (FORMAT arrow), and results for who asks for it
with SET result_format = arrow.
"""

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

    def head(self) -> bytes:
        """The schema, which Arrow's writer writes with a first batch: one without rows."""
        return self.rows(pa.RecordBatch.from_pylist([], self._schema))

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """The next rows; the schema is in front of the first, unless `head` has told it."""
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
