"""COPY between a table and the client, in text, csv and binary, and in the formats of files: json, arrow, parquet.

What comes is kept until all of it is there, in a file, as all rows of a COPY count or none; what goes is sent as it is
made.  What is followed goes on until the client cancels it or goes away.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sqlengine.advance import Advance, OnProgress
from sqlengine.catalog.catalog import object_name
from sqlengine.connectors.base import Polled
from sqlengine.errors import ProtocolViolation, QueryCanceled
from sqlengine.formats import encoder
from sqlengine.formats.base import Decoder
from sqlengine.formats.copy_text import CopyTextDecoder, CopyTextEncoder, CopyTextOptions
from sqlengine.formats.csv_escapes import EscapesDoubled
from sqlengine.formats.csv_format import CsvDecoder, Defaults
from sqlengine.formats.encode import CsvEncoder
from sqlengine.pg_encodings import Encoding
from sqlengine.pgtext import to_text_array
from sqlengine.result import Result
from sqlengine.server.cells import framed, texts
from sqlengine.server.effects import Run, Steps
from sqlengine.server.pg import replies
from sqlengine.server.pg.copy_arrow import ArrowStream
from sqlengine.server.pg.copy_header import FirstRecord
from sqlengine.server.pg.copy_options import MATCH, NAMES, CopyOptions
from sqlengine.server.pg.copy_pieces import csv_pieces, file_pieces, text_pieces
from sqlengine.server.pg.encode import SLICE_ROWS, RowEncoder
from sqlengine.server.pg.messages import CopyData, CopyDone, CopyFail, Flush, Sync
from sqlengine.server.pg.receive import SIGNATURE, TRAILER, binary_pieces
from sqlengine.server.pg.running import then_given_up
from sqlengine.session import Session
from sqlengine.sql import ast
from sqlengine.text_style import TextStyle

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
    talk.tell(result.notices)
    stream = ArrowStream(result.schema) if options.format == "arrow" else None
    encoding, style = options.encoding or talk.encoding, talk.session.settings.text_style
    encode = stream.rows if stream is not None else _encoder(result.schema, options, style, encoding)
    talk.emit(replies.copy_out(options.is_bytes, len(result.schema)))
    if options.has_header:
        talk.emit(replies.copy_data(encoding.encode(_header(result.schema, options).decode())))
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


def _encoder(
    schema: pa.Schema, options: CopyOptions, style: TextStyle, encoding: Encoding
) -> Callable[[pa.RecordBatch], bytes]:
    """Batch -> CopyData messages, one a row."""
    if options.is_binary:
        binary = RowEncoder(schema, [replies.BINARY] * len(schema), style, encoding)
        return lambda batch: binary.encode(batch, b"d")
    if options.format == "json":
        json = encoder("json", schema)
        return lambda batch: _lines(json.encode(batch), b"\n", encoding)
    if options.format == "csv":
        csv = CsvEncoder(schema, options.csv(), options.quoted(schema.names), options.escape)
        return lambda batch: _lines(csv.encode(_as_texts(batch, style)), b"\n", encoding)
    text = CopyTextEncoder(CopyTextOptions(options.delimiter, options.null), style)
    return lambda batch: _lines(text.encode(batch), b"", encoding)


def _as_texts(batch: pa.RecordBatch, style: TextStyle) -> pa.RecordBatch:
    """The values as PostgreSQL writes them."""
    columns = [to_text_array(column, style) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _lines(lines: pa.BinaryArray, end: bytes, encoding: Encoding) -> bytes:
    cells = [texts(lines if encoding.is_utf8 else encoding.encoded(lines.cast(pa.string())))]
    if end:
        cells.append(texts(pa.array([end] * len(lines), pa.binary())))
    return framed(cells, len(lines), b"d")[0].tobytes()


def _header(schema: pa.Schema, options: CopyOptions) -> bytes:
    if options.format == "csv":
        return CsvEncoder(schema, options.csv(), escape=options.escape).header() + b"\n"
    names = pa.RecordBatch.from_arrays([pa.array([name]) for name in schema.names], names=schema.names)
    return bytes(CopyTextEncoder(CopyTextOptions(options.delimiter, options.null)).encode(names)[0].as_py())


# ---------------------------------------------------------------- in


def _copy_in(talk: Conversation, statement: ast.CopyFrom) -> Steps:
    options = CopyOptions(statement.options, is_from=True)
    if options.lends:
        yield from _lend(talk, statement)
        return
    encoding = options.encoding or talk.encoding
    schema = yield Run(lambda: talk.session.copy_schema(statement))
    decoder = yield Run(lambda: _decoder(talk.session, statement, schema, options))
    talk.emit(replies.copy_in(options.is_bytes, len(schema)))
    yield from talk.flush()
    with tempfile.NamedTemporaryFile(prefix="sqlengine-copy-", suffix=".csv") as spool:
        header = FirstRecord(options) if options.has_header and options.header != NAMES else None
        yield from _gather(talk, spool, _conversion(options, encoding, header))
        if header is not None and options.header == MATCH:
            header.check(schema.names)
        if options.format == "csv":
            _cut_end_mark(spool)
        spool.flush()
        told = talk.session.context.on_progress or (lambda _advance: None)
        pieces = _pieces(Path(spool.name), schema, options, encoding, decoder, told)
        result = yield Run(lambda: talk.session.copy_from(statement, pieces, stops=options.stops))
    if options.verbosity == "silent":
        result.notices = []
    talk.tell(result.notices)
    talk.emit(replies.complete(result.tag))


def _lend(talk: Conversation, statement: ast.CopyFrom) -> Steps:
    """Rows that are no table's: queries of this session read them under the name (Session.lend)."""
    talk.emit(replies.copy_in(True, 0))
    yield from talk.flush()
    with tempfile.NamedTemporaryFile(prefix="sqlengine-copy-", suffix=".arrow") as spool:
        yield from _gather(talk, spool, bytes)
        spool.flush()
        try:
            rows = pa.ipc.open_stream(pa.memory_map(spool.name)).read_all()
        except (pa.ArrowInvalid, OSError):
            raise ProtocolViolation("what was sent is not a valid arrow stream", sqlstate="22P04") from None
    yield Run(lambda: talk.session.lend(object_name(statement.target), rows))
    talk.emit(replies.complete(f"COPY {rows.num_rows}"))


def _decoder(session: Session, statement: ast.CopyFrom, schema: pa.Schema, options: CopyOptions) -> Decoder | None:
    """What makes rows of lines; None where there are none."""
    if options.is_bytes or options.is_of_files or options.header == NAMES:
        return None
    defaults = Defaults(options.default, session.copy_defaults(statement)) if options.default is not None else None
    if options.format == "csv":
        known = session.copy_schema(replace(statement, columns=())).names
        return CsvDecoder(schema, options.csv(schema.names, known, statement.target[-1]), defaults=defaults)
    return CopyTextDecoder(schema, CopyTextOptions(options.delimiter, options.null), defaults)


def _conversion(options: CopyOptions, encoding: Encoding, header: FirstRecord | None) -> Callable[[bytes], bytes]:
    """What becomes of the pieces of data as they come, of which the last is empty: UTF-8, without the header."""
    to_utf8 = bytes if options.is_bytes else encoding.to_utf8()
    doubled = None
    if options.format == "csv" and options.escape != options.quote:
        doubled = EscapesDoubled(options.quote, options.escape)

    def convert(data: bytes) -> bytes:
        made = to_utf8(data)
        if doubled is not None:
            made = doubled.feed(made, is_last=not data)
        return made if header is None else header.rest(made)

    return convert


def _gather(talk: Conversation, spool: Any, convert: Callable[[bytes], bytes]) -> Steps:
    """Write down what the client sends until it says that this was all; QueryCanceled (57014) when it gives up."""
    while True:
        message = yield from talk.next_message()
        match message:
            case CopyData(data):
                spool.write(convert(data) if data else b"")
            case CopyDone():
                spool.write(convert(b""))
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


def _pieces(
    path: Path,
    schema: pa.Schema,
    options: CopyOptions,
    encoding: Encoding,
    decoder: Decoder | None,
    told: OnProgress,
) -> Iterator[Polled]:
    if options.is_of_files:
        yield from file_pieces(path, schema, {"format": options.format}, told)
        return
    if options.header == NAMES:
        yield from file_pieces(path, schema, options.of_file(schema.names), told)
        return
    size, rows = max(1, path.stat().st_size), 0
    with path.open("rb") as file:
        if decoder is None:
            pieces = binary_pieces(file, schema, encoding)
        elif options.format == "csv":
            pieces = csv_pieces(file, decoder, options.quote)
        else:
            pieces = text_pieces(file, decoder)
        for polled in pieces:
            yield polled
            rows += polled.batch.num_rows if polled.batch is not None else 0
            told(Advance(file.tell() / size, rows))
