"""COPY between a table and the client, in text, csv and binary, and in the formats of files: json, arrow, parquet.

What comes is kept until all of it is there, in a file, as all rows of a COPY count or none; what goes is sent as it is
made.  What is followed goes on until the client cancels it or goes away.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sqlengine.catalog.catalog import object_name
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.base import BadRecord, Polled
from sqlengine.errors import Error, ProtocolViolation, QueryCanceled
from sqlengine.formats import encoder
from sqlengine.formats.copy_text import CopyTextDecoder, CopyTextEncoder, CopyTextOptions
from sqlengine.formats.csv_format import CsvOptions
from sqlengine.formats.encode import CsvEncoder
from sqlengine.pgtext import to_text_array
from sqlengine.result import Result
from sqlengine.server.cells import framed, texts
from sqlengine.server.effects import Run, Steps
from sqlengine.server.pg import replies
from sqlengine.server.pg.copy_arrow import ArrowStream
from sqlengine.server.pg.copy_header import FirstRecord
from sqlengine.server.pg.copy_options import MATCH, NAMES, CopyOptions
from sqlengine.server.pg.encode import SLICE_ROWS, RowEncoder
from sqlengine.server.pg.messages import CopyData, CopyDone, CopyFail, Flush, Sync
from sqlengine.server.pg.receive import READ_BYTES, SIGNATURE, TRAILER, binary_pieces
from sqlengine.server.pg.running import then_given_up
from sqlengine.sql import ast

if TYPE_CHECKING:
    from sqlengine.server.pg.conversation import Conversation


def is_copy(statement: ast.Statement | None) -> bool:
    """Whether a statement reads from or writes to the client."""
    return isinstance(statement, (ast.CopyFrom, ast.CopyTo)) and statement.path is None


def copy(talk: Conversation, statement: ast.Statement) -> Steps:
    """Carry one out."""
    if isinstance(statement, ast.CopyTo):
        yield from _copy_out(talk, statement)
    else:
        assert isinstance(statement, ast.CopyFrom)
        yield from _copy_in(talk, statement)


# ---------------------------------------------------------------- out


def _copy_out(talk: Conversation, statement: ast.CopyTo) -> Steps:
    options = CopyOptions(statement.options, is_from=False)
    formats = (replies.BINARY,) if options.is_binary else ()
    result = yield Run(lambda: talk.session.run(statement, formats=formats))
    yield from then_given_up(_sent(talk, result, options), result)


def _sent(talk: Conversation, result: Result, options: CopyOptions) -> Steps:
    assert result.schema is not None
    talk.emit(*map(replies.notice, result.notices))
    stream = ArrowStream(result.schema) if options.format == "arrow" else None
    encode = stream.rows if stream is not None else _encoder(result.schema, options, talk.session.settings.timezone)
    talk.emit(replies.copy_out(options.is_bytes, len(result.schema)))
    if options.has_header:
        talk.emit(replies.copy_data(_header(result.schema, options)))
    count, head = 0, SIGNATURE + b"\0" * 8 if options.is_binary else b""
    batches = iter(result.batches())
    while (batch := (yield from _next_batch(talk, result, batches))) is not None:
        for start in range(0, batch.num_rows, SLICE_ROWS):
            part = batch.slice(start, SLICE_ROWS)
            data = yield Run(partial(encode, part))
            talk.emit(_headed(head, data))
            count, head = count + part.num_rows, b""
            yield from talk.flush_much()
            talk.check()
            talk.session.context.check()
    if options.is_binary:
        talk.emit(replies.copy_data(head + TRAILER))
    elif stream is not None:
        talk.emit(stream.end())
    talk.emit(replies.COPY_DONE, replies.complete(f"COPY {count}"))


def _next_batch(talk: Conversation, result: Result, batches: Iterator[pa.RecordBatch]) -> Steps:
    """The next rows, None behind the last; before a result without end is waited for, what there is has been sent."""
    if not result.endless:
        return next(batches, None)
    yield from talk.flush()
    return (yield Run(lambda: next(batches, None)))


def _headed(head: bytes, messages: bytes) -> bytes:
    """The file's head in one message with the first row, as PostgreSQL sends it and drivers expect it."""
    if not head:
        return messages
    end = 1 + int.from_bytes(messages[1:5], "big")
    return replies.copy_data(head + messages[5:end]) + messages[end:]


def _encoder(schema: pa.Schema, options: CopyOptions, timezone: str) -> Callable[[pa.RecordBatch], bytes]:
    """Batch -> CopyData messages, one a row."""
    if options.is_binary:
        binary = RowEncoder(schema, [replies.BINARY] * len(schema), timezone)
        return lambda batch: binary.encode(batch, b"d")
    if options.format == "json":
        json = encoder("json", schema)
        return lambda batch: _lines(json.encode(batch), b"\n")
    if options.format == "csv":
        form = CsvOptions(options.delimiter, options.quote, options.null)
        csv = CsvEncoder(schema, form, options.quoted(schema.names), options.escape)
        return lambda batch: _lines(csv.encode(_as_texts(batch, timezone)), b"\n")
    text = CopyTextEncoder(CopyTextOptions(options.delimiter, options.null), timezone)
    return lambda batch: _lines(text.encode(batch), b"")


def _as_texts(batch: pa.RecordBatch, timezone: str) -> pa.RecordBatch:
    """The values as PostgreSQL writes them."""
    columns = [to_text_array(column, timezone) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _lines(lines: pa.BinaryArray, end: bytes) -> bytes:
    cells = [texts(lines)]
    if end:
        cells.append(texts(pa.array([end] * len(lines), pa.binary())))
    return framed(cells, len(lines), b"d")[0].tobytes()


def _header(schema: pa.Schema, options: CopyOptions) -> bytes:
    if options.format == "csv":
        form = CsvOptions(options.delimiter, options.quote, options.null)
        return CsvEncoder(schema, form, escape=options.escape).header() + b"\n"
    names = pa.RecordBatch.from_arrays([pa.array([name]) for name in schema.names], names=schema.names)
    return bytes(CopyTextEncoder(CopyTextOptions(options.delimiter, options.null)).encode(names)[0].as_py())


# ---------------------------------------------------------------- in


def _copy_in(talk: Conversation, statement: ast.CopyFrom) -> Steps:
    options = CopyOptions(statement.options, is_from=True)
    if options.lends:
        yield from _lend(talk, statement)
        return
    schema = yield Run(lambda: talk.session.copy_schema(statement))
    talk.emit(replies.copy_in(options.is_bytes, len(schema)))
    yield from talk.flush()
    with tempfile.NamedTemporaryFile(prefix="sqlengine-copy-", suffix=".csv") as spool:
        header = FirstRecord(options) if options.has_header and options.header != NAMES else None
        yield from _gather(talk, spool, header)
        if header is not None and options.header == MATCH:
            header.check(schema.names)
        if options.format == "csv":
            _cut_end_mark(spool)
        spool.flush()
        pieces = _pieces(Path(spool.name), schema, options)
        result = yield Run(lambda: talk.session.copy_from(statement, pieces, stops=options.stops))
    talk.emit(*map(replies.notice, result.notices), replies.complete(result.tag))


def _lend(talk: Conversation, statement: ast.CopyFrom) -> Steps:
    """Rows that are no table's: queries of this session read them under the name (Session.lend)."""
    talk.emit(replies.copy_in(True, 0))
    yield from talk.flush()
    with tempfile.NamedTemporaryFile(prefix="sqlengine-copy-", suffix=".arrow") as spool:
        yield from _gather(talk, spool, None)
        spool.flush()
        try:
            rows = pa.ipc.open_stream(pa.memory_map(spool.name)).read_all()
        except (pa.ArrowInvalid, OSError):
            raise ProtocolViolation("what was sent is not a valid arrow stream", sqlstate="22P04") from None
    yield Run(lambda: talk.session.lend(object_name(statement.target), rows))
    talk.emit(replies.complete(f"COPY {rows.num_rows}"))


def _gather(talk: Conversation, spool: Any, header: FirstRecord | None) -> Steps:
    """Write down what the client sends until it says that this was all; QueryCanceled (57014) when it gives up."""
    while True:
        message = yield from talk.next_message()
        match message:
            case CopyData(data):
                spool.write(data if header is None else header.rest(data))
            case CopyDone():
                return
            case CopyFail(reason):
                raise QueryCanceled(f"COPY from stdin failed: {reason}")
            case Flush() | Sync():
                continue
            case _:
                raise ProtocolViolation("unexpected message during COPY from stdin")
        talk.session.context.check()


def _cut_end_mark(spool: Any) -> None:
    """psql sends the line that ends data within a script along with them."""
    size = spool.tell()
    spool.seek(max(0, size - 5))
    last = spool.read()
    mark = next((m for m in (b"\\.\n", b"\\.\r\n", b"\\.") if last.endswith(m)), b"")
    before = last.removesuffix(mark)
    if mark and (size == len(mark) or before.endswith(b"\n")):
        spool.truncate(size - len(mark))
    spool.seek(0, 2)


def _pieces(path: Path, schema: pa.Schema, options: CopyOptions) -> Iterator[Polled]:
    if options.is_binary:
        with path.open("rb") as file:
            yield from binary_pieces(file, schema)
    elif options.is_of_files:
        yield from _file_pieces(path, schema, {"format": options.format})
    elif options.format == "csv":
        header = "true" if options.header == NAMES else "false"
        given = {"format": "csv", "header": header, "delimiter": options.delimiter, "quote": options.quote}
        yield from _file_pieces(path, schema, {**given, "null_string": options.null})
    else:
        yield from _text_pieces(path, schema, options)


def _file_pieces(path: Path, schema: pa.Schema, given: dict[str, str]) -> Iterator[Polled]:
    """As COPY from a file reads them; errors do not name the file, which the client knows nothing of."""
    kind = connector("file")
    try:
        source = kind.source(parse_options(kind, {"path": str(path), "compression": "none", **given}), schema)
        reader = source.open(str(path), None)
        try:
            done = False
            while not done:
                polled = reader.poll(65_536, 0)
                done = polled.done
                yield polled
        finally:
            reader.close()
    except Error as error:
        if str(path) not in error.message:
            raise
        message = error.message.replace(f'file "{path}"', "what was sent").replace(str(path), "STDIN")
        raise Error(message, hint=error.hint, sqlstate=error.sqlstate) from None


def _text_pieces(path: Path, schema: pa.Schema, options: CopyOptions) -> Iterator[Polled]:
    decoder = CopyTextDecoder(schema, CopyTextOptions(options.delimiter, options.null))
    with path.open("rb") as file:
        rest = b""
        while True:
            read = file.read(READ_BYTES)
            data = rest + read
            cut = data.rfind(b"\n") + 1 if read else len(data)
            rest = data[cut:]
            lines = _split(data[:cut])
            ended = _end_mark(lines)
            decoded = decoder.decode(lines if ended is None else lines[:ended])
            bad = [BadRecord(lines[at].as_py(), why) for at, why in decoded.bad]
            yield Polled(decoded.batch, {}, bad, done=not read or ended is not None)
            if not read or ended is not None:
                return


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
