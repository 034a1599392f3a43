"""The formats for programs: csv, json, ndjson and arrow.  Rows are written as they come, nothing is left out.

JSON: one object per row.  Numbers stay numbers of any size; NaN and the infinities, which JSON lacks, are
strings; bytes are `\\x` and hexadecimal digits; times are ISO 8601 strings; arrays, maps and rows are
arrays and objects. CSV: quoted only where needed; NULL is an empty field, an empty text is `""`.  Arrow:
one IPC stream per result. The encoders are those of the formats of the same name in COPY and connectors.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from repl.render.base import Summary, Target
from repl.terminal import value_bytes
from sqlengine.formats import encoder


class CsvRenderer:
    """A header line and one line per row."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._encoder = encoder("csv", target.schema)
        if target.look.header:
            names = pa.record_batch([pa.array([n]) for n in target.schema.names], target.schema.names)
            target.output.write_lines(encoder("csv", names.schema).encode(names))

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        self._target.output.write_lines(self._encoder.encode(batch))
        _flush_live(self._target)

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        self._target.output.flush()


class NdjsonRenderer:
    """One JSON object per line."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._encoder = encoder("json", target.schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        self._target.output.write_lines(self._encoder.encode(batch))
        _flush_live(self._target)

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        self._target.output.flush()


class JsonRenderer:
    """One JSON array of objects, an object a line."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._encoder = encoder("json", target.schema)
        self._empty = True

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        if batch.num_rows == 0:
            return
        joined = pc.binary_join_element_wise(b",\n", self._encoder.encode(batch).cast(pa.binary()), b"")
        text = value_bytes(joined)
        if self._empty:
            self._target.output.write("[")
            text = text[1:]
        self._empty = False
        self._target.output.write_bytes(text)
        _flush_live(self._target)

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        self._target.output.write("[]\n" if self._empty else "\n]\n")
        self._target.output.flush()


class ArrowRenderer:
    """The Arrow IPC stream format, types and all."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._writer = pa.ipc.new_stream(target.output.stream, target.schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        self._writer.write_batch(batch)
        _flush_live(self._target)

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        self._writer.close()
        self._target.output.flush()


def _flush_live(target: Target) -> None:
    if target.endless:
        target.output.flush()
