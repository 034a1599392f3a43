"""Rows of COPY in text and csv, piece by piece, of the data that a client has sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from sqlengine.advance import Advance, OnProgress
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.base import BadRecord, Polled
from sqlengine.connectors.file.lines import LINE_BYTES_MAX, LineBuffer
from sqlengine.errors import Error
from sqlengine.formats.base import Decoder, Reason

READ_BYTES = 8 * 1024 * 1024
_CSV_ROWS = 65_536


def csv_pieces(file: BinaryIO, decoder: Decoder, quote: str) -> Iterator[Polled]:
    """The rows of csv in UTF-8; a line break within quotes ends no record."""
    lines = LineBuffer(0, quote, keeps_blank=True)
    is_over = False
    while True:
        while not lines.ready and not is_over:
            data = file.read(READ_BYTES)
            if data:
                lines.feed(data)
            else:
                is_over = True
                lines.finish()
        if not lines.ready:
            yield Polled(None, {}, done=True)
            return
        taken = lines.take(_CSV_ROWS)
        decoded = decoder.decode(taken.records)
        bad = [_bad(taken.records[at], why) for at, why in decoded.bad]
        why = f"record is longer than {LINE_BYTES_MAX} bytes"
        bad += [BadRecord(raw, why, "54000") for _, raw in taken.too_long]
        yield Polled(decoded.batch if decoded.batch.num_rows else None, {}, bad)


def file_pieces(path: Path, schema: pa.Schema, given: dict[str, str], told: OnProgress) -> Iterator[Polled]:
    """As COPY from a file reads them, telling how far it is; errors do not name the file, which is none of the
    client's."""
    kind = connector("file")
    try:
        source = kind.source(parse_options(kind, {"path": str(path), "compression": "none", **given}), schema)
        reader = source.open(str(path), None)
        try:
            done, rows = False, 0
            while not done:
                polled = reader.poll(65_536, 0)
                done = polled.done
                yield polled
                rows += polled.batch.num_rows if polled.batch is not None else 0
                told(Advance(reader.progress(), rows))
        finally:
            reader.close()
    except Error as error:
        if str(path) not in error.message:
            raise
        message = error.message.replace(f'file "{path}"', "what was sent").replace(str(path), "STDIN")
        raise Error(message, hint=error.hint, sqlstate=error.sqlstate) from None


def text_pieces(file: BinaryIO, decoder: Decoder) -> Iterator[Polled]:
    """The rows of COPY's text format in UTF-8, to its end or the mark that stands for it."""
    rest = b""
    while True:
        read = file.read(READ_BYTES)
        data = rest + read
        cut = data.rfind(b"\n") + 1 if read else len(data)
        rest = data[cut:]
        lines = _split(data[:cut])
        ended = _end_mark(lines)
        decoded = decoder.decode(lines if ended is None else lines[:ended])
        bad = [_bad(lines[at], why) for at, why in decoded.bad]
        yield Polled(decoded.batch, {}, bad, done=not read or ended is not None)
        if not read or ended is not None:
            return


def _bad(record: pa.BinaryScalar, why: str) -> BadRecord:
    """A malformed record with PostgreSQL's words."""
    said, sqlstate = (why.in_copy, why.sqlstate) if isinstance(why, Reason) else (why, "22P04")
    return BadRecord(record.as_py(), said, sqlstate)


def _split(data: bytes) -> pa.BinaryArray:
    """The lines of some text, without their ends."""
    if not data:
        return pa.array([], pa.binary())
    if not data.endswith(b"\n"):
        data += b"\n"
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == 10)
    if (raw[ends - 1] == 13).all() and ends[0] > 0:
        return _split(data.replace(b"\r\n", b"\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    kept = np.delete(raw, ends)
    offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(kept)])


def _end_mark(lines: pa.BinaryArray) -> int | None:
    """Where the line is that ends the data in old files."""
    if len(lines) and lines[len(lines) - 1].as_py() == b"\\.":
        return len(lines) - 1
    return None
