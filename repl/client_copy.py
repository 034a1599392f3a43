"""COPY between a database and files of whoever sits at the prompt: \\copy, also where the database is a server's.

On a server the data goes over the connection, by COPY FROM STDIN and TO STDOUT: files are sent as they are and read
there, as files of the server are; what comes back comes as Arrow and is written here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from sqlengine.advance import Advance
from sqlengine.connectors.file import write_batches
from sqlengine.connectors.file.bytes_in import ByteStream
from sqlengine.connectors.file.columnar_reader import open_parts
from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.paths import compression_of, files, format_of
from sqlengine.connectors.file.recode import Rewriting
from sqlengine.connectors.file.text_reader import behind_skipped_lines
from sqlengine.errors import SyntaxError as SqlSyntaxError
from sqlengine.formats.csv_format import column_list
from sqlengine.formats.options import parse as parse_options
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Result
from sqlengine.sql import Token, ast, lex, parse_one, quote_identifier

Told = Callable[[Advance], None]
_READ_BYTES = 1 << 18
_ENDS = {"STDIN", "STDOUT", "PSTDIN", "PSTDOUT"}


@dataclass(frozen=True, slots=True)
class ClientCopy:
    """A COPY in parts: `subject` (a name with its columns, or a query in brackets), `is_from`, the file's `path` (None:
    STDIN or STDOUT), and `options` as they are written behind it."""

    subject: str
    is_from: bool
    path: str | None
    options: str

    def statement(self) -> str:
        """The statement an embedded database carries out."""
        place = ("STDIN" if self.is_from else "STDOUT") if self.path is None else quoted(self.path)
        return f"COPY {self.subject} {'FROM' if self.is_from else 'TO'} {place} {self.options}".rstrip()

    def file_options(self) -> FileOptions:
        """The options as those of a file; raises as the statement would."""
        parsed = parse_one(self.statement())
        assert isinstance(parsed, (ast.CopyFrom, ast.CopyTo))
        known = {"null": "null_string"}
        given = {known.get(name, name): value for name, value in parsed.options}
        return parse_options(FileOptions, {"path": self.path or "", **given}, "COPY")


def quoted(text: str) -> str:
    """A text as a string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def cut_copy(text: str) -> ClientCopy:
    """What stands behind COPY, in parts; a file's name need not be in quotes.

    SyntaxError (42601) where neither FROM nor TO says where the data goes.
    """
    tokens = lex(text)
    at = _direction(tokens)
    if at is None or at + 1 >= len(tokens):
        raise SqlSyntaxError(
            "\\copy takes a name or a query, FROM or TO, and a file", hint="\\copy orders FROM 'orders.csv'"
        )
    word, place = tokens[at], tokens[at + 1]
    end = place.end
    path: str | None = place.value
    if place.upper in _ENDS:
        path = None
    elif place.kind != "string":
        rest = text[place.start :]
        path = rest.split(None, 1)[0]
        end = place.start + len(path)
    subject = text[: word.start].strip()
    return ClientCopy(subject, word.upper == "FROM", path, text[end:].strip().rstrip(";").rstrip())


def _direction(tokens: list[Token]) -> int | None:
    """Where FROM or TO stands outside brackets."""
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind == "op" and token.value in "()":
            depth += 1 if token.value == "(" else -1
        elif depth == 0 and token.upper in ("FROM", "TO") and at > 0:
            return at
    return None


# ---------------------------------------------------------------- to a server


def copy_to_server(session: Any, copied: ClientCopy, told: Told) -> Result:
    """Send files to a server, all or none of their rows; `told`: see Session.on_progress.

    `session`: see remote.RemoteSession.  Raises as COPY of a file does, and as the server does.
    """
    options = copied.file_options()
    paths = files(options)
    total = sum(os.path.getsize(path) for path in paths)
    rows, before, notices = 0, 0, []
    with _together(session) if len(paths) > 1 else contextlib.nullcontext():
        for path in paths:
            statement, chunks = _sending(copied, path, options)
            size = os.path.getsize(path)
            result = session.copy_in(statement, _counted(chunks, before, size, total, told))
            rows += int(result.tag.rpartition(" ")[2])
            notices += result.notices
            before += size
    return Result(f"COPY {rows}", notices=notices, row_count=rows)


def _listed(columns: str) -> str:
    """Columns as a file's option names them, as COPY takes them."""
    names = column_list(columns)
    return "*" if names == ["*"] else f"({', '.join(quote_identifier(name) for name in names)})"


@contextlib.contextmanager
def _together(session: Any) -> Iterator[None]:
    """All statements or none: a transaction, unless there is one already."""
    if session.in_transaction:
        yield
        return
    session.execute("BEGIN")
    try:
        yield
    except BaseException:
        session.execute("ROLLBACK")
        raise
    session.execute("COMMIT")


def _sending(copied: ClientCopy, path: str, options: FileOptions) -> tuple[str, Iterator[tuple[bytes, float]]]:
    """The statement a server is sent for one file, and what is sent behind it: (bytes, the part of the file read)."""
    kind, compression, begin = format_of(path, options), compression_of(path, options), 0
    told = [f"FORMAT {kind}", "ON_ERROR ignore"]
    if kind in ("parquet", "arrow"):
        open_parts(path, kind).close()  # who sends it is told that it is none, by its own name
        compression = "none"
    if kind == "csv":
        csv = options.csv()
        told += [f"HEADER {'names' if options.header else 'false'}", f"DELIMITER {quoted(csv.delimiter)}"]
        told += [f"QUOTE {quoted(csv.quote)}", f"NULL {quoted(csv.null_string)}"]
        for name in ("force_null", "force_not_null"):
            told += [f"{name.upper()} {_listed(getattr(options, name))}"] if getattr(options, name) else []
        begin = behind_skipped_lines(path, compression, options)
    chunks = _chunks(path, compression, begin, options.rewriting() if kind in ("csv", "json") else None)
    return f"COPY {copied.subject} FROM STDIN ({', '.join(told)})", chunks


def _chunks(path: str, compression: str, begin: int, rewriting: Rewriting | None) -> Iterator[tuple[bytes, float]]:
    with contextlib.closing(ByteStream(path, compression, begin, rewriting)) as stream:
        read = begin
        while data := stream.read(_READ_BYTES):
            read += len(data)
            yield data, stream.fraction(read)


def _counted(chunks: Iterable[tuple[bytes, float]], before: int, size: int, total: int, told: Told) -> Iterator[bytes]:
    """The bytes of a file of `size`, having told how many of all files' have been sent when the next are asked for."""
    for data, fraction in chunks:
        yield data
        sent = before + round(fraction * size)
        told(Advance(sent / total if total else None, sent, "bytes"))


# ---------------------------------------------------------------- from a server


def copy_from_server(session: Any, copied: ClientCopy, told: Told) -> Result:
    """Write what a server sends to a file, whole or not at all."""
    assert copied.path is not None
    options = copied.file_options()
    path = os.path.expanduser(copied.path)
    format_of(path, options)
    result = session.execute(ClientCopy(copied.subject, False, None, "").statement())
    rows = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in result.batches():
            rows += batch.num_rows
            told(Advance(None, rows))
            yield batch

    try:
        parsed = parse_one(copied.statement())
        assert isinstance(parsed, ast.CopyTo)
        write_batches(result.schema, batches(), Path(path), dict(parsed.options))
    finally:
        result.close()
    return Result(f"COPY {rows}", notices=result.notices, row_count=rows)
