"""Reads one JSON (an object a line, or one array of them) or CSV file; with `follow`, goes on with what is appended to
it.

A position is {"offset": bytes read, "head": CRC-32 of the file's first (at most 256 of these) bytes}.  A
file whose head is another one took its predecessor's name (rotation): a follower begins it from its start,
any other reader refuses.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as pv

from sqlengine.connectors.base import BadRecord, Polled, Position
from sqlengine.connectors.columns import column_index
from sqlengine.connectors.file.bytes_in import HEAD_BYTES, ByteStream, read_head
from sqlengine.connectors.file.json_array import ArrayLines, is_array
from sqlengine.connectors.file.lines import LINE_BYTES_MAX, LineBuffer
from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.paths import compression_of, format_of
from sqlengine.errors import DataCorrupted, UndefinedColumn, did_you_mean
from sqlengine.formats.base import Decoder
from sqlengine.formats.csv_format import CsvDecoder
from sqlengine.formats.header_match import match_header
from sqlengine.formats.json_format import JsonDecoder

IDLE_US = 100_000
"""How long a follower suggests to wait when nothing was appended."""


class TextReader:
    """See connectors.base.Reader."""

    def __init__(
        self, path: str, kind: str, schema: pa.Schema, options: FileOptions, position: Position | None
    ) -> None:
        self._path, self._kind, self._schema, self._options = path, kind, schema, options
        self._compression = compression_of(path, options)
        self._decoder: Decoder | None = JsonDecoder(schema) if kind == "json" else None
        self._done = False
        self._to_skip = 0
        self._start(self._checked(position))

    def poll(self, max_rows: int, now_us: int) -> Polled:
        """See connectors.base.Reader."""
        if not self._lines.ready and not self._done:
            self._fill()
        if self._to_skip:
            skipped = self._lines.take(self._to_skip)
            self._to_skip -= len(skipped.records) + len(skipped.too_long)
            return self._polled(None, [])
        if self._decoder is None and not self._read_header():
            return self._polled(None, [])
        assert self._decoder is not None, "the header is read"
        lines = self._lines.take(max_rows)
        decoded = self._decoder.decode(lines.records)
        bad = [
            BadRecord(lines.records[i].as_py(), why, origin=f"{self._path}:{lines.start[i]}") for i, why in decoded.bad
        ]
        why = f"record is longer than {LINE_BYTES_MAX} bytes"
        bad += [BadRecord(raw, why, "54000", f"{self._path}:{at}") for at, raw in lines.too_long]
        return self._polled(decoded.batch if decoded.batch.num_rows else None, bad)

    def progress(self) -> float | None:
        """The fraction of the file's present size; None for a follower."""
        return None if self._options.follow else self._stream.fraction(self._lines.offset)

    def close(self) -> None:
        """Release the file."""
        self._stream.close()

    def _polled(self, batch: pa.RecordBatch | None, bad: list[BadRecord]) -> Polled:
        done = self._done and not self._lines.ready
        idle = batch is None and not bad and not done
        return Polled(batch, self._position(), bad, done, IDLE_US if idle else None)

    def _position(self) -> Position:
        offset = self._lines.offset
        return {"offset": offset, "head": zlib.crc32(self._head[:offset])}

    def _checked(self, position: Position | None) -> int:
        """The offset to begin at."""
        offset = 0 if position is None else int(position["offset"])
        if position is None or offset <= self._behind_skipped():
            return 0
        if zlib.crc32(read_head(self._path, self._compression, self._options.rewriting())[:offset]) == position["head"]:
            return offset
        if self._options.follow:
            return 0
        raise DataCorrupted(f'file "{self._path}" is not the one that was read before', hint="its beginning differs")

    def _behind_skipped(self) -> int:
        """The offset behind the lines that are passed over."""
        is_csv = self._kind == "csv"
        return behind_skipped_lines(self._path, self._compression, self._options) if is_csv else 0

    def _start(self, offset: int) -> None:
        self._stream = ByteStream(self._path, self._compression, offset, self._options.rewriting())
        self._lines = LineBuffer(offset, self._options.quote if self._kind == "csv" else "")
        self._head = read_head(self._path, self._compression, self._options.rewriting()) if offset else b""
        self._array = ArrayLines(begun=True) if self._kind == "json" and is_array(self._head) else None
        self._to_skip = self._options.skip_lines if self._kind == "csv" and not offset else 0

    def _fill(self) -> None:
        """Read on; at the end, finish, or look for what became of the file."""
        while not self._lines.ready:
            data = self._stream.read()
            if data:
                before = self._lines.read
                if before < HEAD_BYTES:
                    self._head = (self._head[:before] + data)[:HEAD_BYTES]
                if before == 0 and self._kind == "json" and is_array(data[:HEAD_BYTES]):
                    self._array = ArrayLines()
                self._lines.feed(self._array.feed(data) if self._array is not None else data)
                continue
            if not self._options.follow:
                self._lines.finish()
                self._done = True
            elif self._stream.replaced(self._lines.read):
                self._lines.finish()
                if not self._lines.ready:
                    self._restart()
                    continue
            return

    def _restart(self) -> None:
        self._stream.close()
        if self._kind == "csv":
            self._decoder = None
        self._start(0)

    def _read_header(self) -> bool:
        """The csv decoder, once its header is there: at the stream's start, or read anew when it begins
        later."""
        if not self._options.header:
            self._decoder = CsvDecoder(self._schema, self._options.csv())
            return True
        if self._lines.offset > self._behind_skipped():
            line = first_line(self._path, self._compression, self._options)
        else:
            if not self._lines.ready:
                self._decoder = CsvDecoder(self._schema, self._options.csv()) if self._done else None
                return self._done
            line = self._lines.take(1).records
        names = header_names(line, self._options)
        self._decoder = CsvDecoder(self._schema, self._options.csv(), _matched(names, self._schema, self._path))
        return True


def first_line(path: str, compression: str, options: FileOptions) -> pa.BinaryArray:
    """The first line of a csv file that is not passed over; it may have line breaks within quotes."""
    found, _ = _first_lines(path, compression, options, options.skip_lines + 1)
    return found.slice(options.skip_lines)


def behind_skipped_lines(path: str, compression: str, options: FileOptions) -> int:
    """The offset in a csv file's text behind the lines that are passed over."""
    return _first_lines(path, compression, options, options.skip_lines)[1] if options.skip_lines else 0


def _first_lines(path: str, compression: str, options: FileOptions, wanted: int) -> tuple[pa.BinaryArray, int]:
    """So many lines, and the offset behind them."""
    lines, found = LineBuffer(0, options.quote), pa.array([], pa.binary())
    with contextlib.closing(ByteStream(path, compression, 0, options.rewriting())) as stream:
        while len(found) < wanted:
            data = stream.read(1 << 16)
            lines.feed(data) if data else lines.finish()
            found = pa.concat_arrays([found, lines.take(wanted - len(found)).records])
            if not data:
                break
    return found, lines.offset


def check_header(path: str, options: FileOptions, names: Sequence[str]) -> None:
    """BadCopyFormat (22P04) unless a csv file's first line names these columns in this order; a file of another format
    has no such line."""
    if format_of(path, options) == "csv":
        line = first_line(path, compression_of(path, options), options)
        match_header(header_names(line, options) if len(line) else [], names, options.null_string)


def header_names(line: pa.BinaryArray, options: FileOptions) -> list[str]:
    """The fields of a header line."""
    text = line[0].as_py().removeprefix(b"\xef\xbb\xbf") + b"\n" if len(line) else b"\n"
    parse = pv.ParseOptions(delimiter=options.csv().delimiter, quote_char=options.quote, newlines_in_values=True)
    return list(pv.read_csv(pa.BufferReader(text), parse_options=parse).column_names)


def _matched(names: list[str], schema: pa.Schema, path: str) -> list[str]:
    """The header's names, each as the declared column it means; UndefinedColumn (42703) for a declared one
    missing."""
    matched = [f"\0{i}" for i in range(len(names))]
    for name in schema.names:
        index = column_index(names, name)
        if index is None or matched[index] in schema.names:
            hint = did_you_mean(name, names) or "columns: " + ", ".join(names)
            raise UndefinedColumn(f'file "{path}" has no column "{name}"', hint=hint)
        matched[index] = name
    return matched
