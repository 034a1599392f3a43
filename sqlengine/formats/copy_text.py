"""PostgreSQL's `text` format of COPY: a line a row, fields apart by a tab, NULL as \\N, special characters behind a
backslash.

The grammar is that of PostgreSQL's manual, COPY, "Text Format".  Lines without escapes, which are almost all, are read
as plain delimited fields, the others one by one.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidParameter
from sqlengine.formats.base import (
    Converted,
    Decoded,
    Positions,
    assemble,
    batch_of,
    not_utf8,
    true_mask,
    wrong_count,
    wrong_value,
)
from sqlengine.formats.csv_format import NO_QUOTE, CsvDecoder, CsvOptions, Defaults, field_values
from sqlengine.formats.records import as_binary
from sqlengine.pgtext import PLAIN, to_text_array
from sqlengine.quick_dataclass import dataclass
from sqlengine.text_style import TextStyle

_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_WRITTEN = (("\\", "\\\\"), ("\b", "\\b"), ("\f", "\\f"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\v", "\\v"))


@dataclass(frozen=True, slots=True)
class CopyTextOptions:
    """`null_string`: what stands for NULL."""

    delimiter: str = "\t"
    null_string: str = "\\N"

    def __post_init__(self) -> None:
        if len(self.delimiter.encode()) != 1 or self.delimiter in "\\\r\n.abcdefghijklmnopqrstuvwxyz0123456789":
            raise InvalidParameter(f'COPY delimiter cannot be "{self.delimiter}"')
        if "\n" in self.null_string or "\r" in self.null_string:
            raise InvalidParameter("COPY null representation cannot use newline or carriage return")


class CopyTextDecoder:
    """Decodes lines (without their ends) into rows of a schema; see formats.base.Decoder."""

    def __init__(self, schema: pa.Schema, options: CopyTextOptions, defaults: Defaults | None = None) -> None:
        self._schema = schema
        self._options = options
        self._defaults = defaults
        plain = CsvOptions(options.delimiter, NO_QUOTE, options.null_string)
        self._plain = CsvDecoder(schema, plain, defaults=defaults)

    def decode(self, values: pa.Array) -> Decoded:
        """Rows of lines."""
        lines = as_binary(values)
        escaped = true_mask(pc.match_substring_regex(lines, rb"\\([^N]|$)"))
        if not escaped.any():
            return self._plain.decode(lines)
        at = (np.flatnonzero(~escaped), np.flatnonzero(escaped))
        plain = self._plain.decode(lines.filter(pa.array(~escaped)))
        return _merged(self._schema, at, (plain, self._decode_escaped(lines.filter(pa.array(escaped)).to_pylist())))

    def _decode_escaped(self, lines: list[bytes]) -> Decoded:
        width, null = len(self._schema), self._options.null_string.encode()
        marker = self._defaults.marker.encode() if self._defaults is not None else None
        rows, kept, marked = [], [], []
        bad: list[tuple[int, str]] = []
        for at, line in enumerate(lines):
            fields = _fields(line, self._options.delimiter.encode())
            if len(fields) != width:
                bad.append((at, wrong_count(self._schema.names, len(fields))))
                continue
            try:
                rows.append(_unescaped([null if f == marker else f for f in fields], null))
                marked.append([f == marker for f in fields])
                kept.append(at)
            except UnicodeDecodeError:
                bad.append((at, not_utf8(line)))
        texts = [pa.array([row[c] for row in rows], pa.string()) for c in range(width)]
        columns = [self._typed(text, c, np.array([m[c] for m in marked], bool)) for c, text in enumerate(texts)]

        def show(column: int, i: int) -> str:
            f = self._schema.field(column)
            value = texts[column][i].as_py()
            return wrong_value(f.name, f.type, self._options.null_string if value is None else value)

        return assemble(self._schema, columns, np.array(kept, np.int64), bad, show)

    def _typed(self, text: pa.StringArray, at: int, marked: np.ndarray) -> Converted:
        f = self._schema.field(at)
        made = field_values(text, f.type)
        return made if self._defaults is None else self._defaults.filled(f.name, made, marked)


def _fields(line: bytes, delimiter: bytes) -> list[bytes]:
    """The fields of a line; a delimiter behind a backslash is part of one."""
    found: list[bytes] = []
    is_open = False
    for part in line.split(delimiter):
        if is_open:
            found[-1] += delimiter + part
        else:
            found.append(part)
        is_open = (len(part) - len(part.rstrip(b"\\"))) % 2 == 1
    return found


def _unescaped(fields: list[bytes], null: bytes) -> list[str | None]:
    return [None if f == null else _ESCAPE.sub(_meaning, f).decode() for f in fields]


def text_fields(line: bytes, delimiter: str, null_string: str) -> list[str | None]:
    """The fields of one line, None for NULL; UnicodeDecodeError where one is not UTF-8."""
    return _unescaped(_fields(line, delimiter.encode()), null_string.encode())


def _meaning(escape: re.Match[bytes]) -> bytes:
    text = escape[1]
    if text[:1] == b"x" and len(text) > 1:
        return bytes([int(text[1:], 16)])
    if text[:1].isdigit() and text[:1] < b"8":
        return bytes([int(text, 8) & 0xFF])
    return _LETTERS.get(text, text)


def _merged(schema: pa.Schema, at: tuple[Positions, Positions], parts: tuple[Decoded, Decoded]) -> Decoded:
    """What two decoders made of the lines at these places, as one."""
    rows = np.concatenate([places[part.rows] for places, part in zip(at, parts, strict=True)])
    order = np.argsort(rows)
    table = pa.Table.from_batches([part.batch for part in parts], schema).take(pa.array(order))
    bad = sorted((int(places[i]), why) for places, part in zip(at, parts, strict=True) for i, why in part.bad)
    arrays = [pa.concat_arrays(c.chunks) if c.num_chunks else pa.array([], c.type) for c in table.columns]
    return Decoded(batch_of(schema, arrays, len(rows)), rows[order], bad)


class CopyTextEncoder:
    """One line, with its end, per row; see formats.base.Encoder."""

    def __init__(self, options: CopyTextOptions, style: TextStyle = PLAIN) -> None:
        self._options = options
        self._style = style

    def encode(self, batch: pa.RecordBatch) -> pa.BinaryArray:
        """Lines of rows."""
        fields = [self._field(to_text_array(column, self._style)) for column in batch.columns]
        if not fields:
            return pa.array(["\n"] * batch.num_rows).cast(pa.binary())
        lines = pc.binary_join_element_wise(*fields, self._options.delimiter)
        return pc.binary_join_element_wise(lines, "", "\n").cast(pa.binary())

    def _field(self, text: pa.StringArray) -> pa.StringArray:
        special = "[\\\\\b\f\n\r\t\v" + re.escape(self._options.delimiter) + "]"
        if true_mask(pc.match_substring_regex(text, special)).any():
            for character, written in _WRITTEN:
                text = pc.replace_substring(text, character, written)
            if self._options.delimiter not in dict(_WRITTEN):
                text = pc.replace_substring(text, self._options.delimiter, "\\" + self._options.delimiter)
        return text.fill_null(self._options.null_string)
