"""The `csv` format: one line of delimited fields per record.

Fields are quoted as RFC 4180 says; an unquoted field equal to `null_string` is NULL.  A batch goes through
Arrow's CSV reader in one call.  So that a record with an open quote cannot swallow its neighbours
unnoticed, each is read behind a marker field that occurs nowhere in the data: as many rows as records, all
beginning with the marker, can only be the records themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from sqlengine.array_text import braces_to_json
from sqlengine.errors import InvalidParameter
from sqlengine.formats.base import Converted, Decoded, assemble, isolate, null_mask, snippet
from sqlengine.formats.json_syntax import malformed_mask
from sqlengine.formats.json_values import check_type, convert
from sqlengine.formats.options import option
from sqlengine.formats.records import as_binary, joined, spans_of, surrounded, valid_utf8
from sqlengine.formats.text import check_supported, convert_text, read_exactly
from sqlengine.types import JSON, to_sql

_MARKER_BYTE = b"\x1f"
_MARKER = "\x1fmarker"
_FEW = 20
_OPEN_QUOTE = "unterminated quoted field"

NO_QUOTE = ""
"""As `quote`: no character is special around fields."""


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How fields are written."""

    delimiter: str = option(",", "one character between fields (\\t for a tab)", aliases=("field_delimiter",))
    quote: str = option('"', "one character around fields that hold the delimiter", aliases=("quote_character",))
    null_string: str = option("", "what an unquoted field holds for NULL", aliases=("null_literal",))

    def __post_init__(self) -> None:
        object.__setattr__(self, "delimiter", self.delimiter.replace("\\t", "\t"))
        for name in ("delimiter", "quote"):
            if len(getattr(self, name).encode()) != 1 and (name, self.quote) != ("quote", NO_QUOTE):
                raise InvalidParameter(f'option "{name}" must be one single-byte character')


@dataclass(frozen=True, slots=True)
class _Rows:
    """What one reading gave: the table of the good rows, which input positions they are, and the ragged
    others."""

    table: pa.Table
    rows: np.ndarray
    ragged: list[tuple[int, str]] = field(default_factory=list)


class CsvDecoder:
    """Decodes lines into rows of `schema`.

    `columns` names the line's fields in order (the file's header; by default the schema's own names);
    fields that are not in the schema are ignored, columns that are not in the line are NULL.
    """

    def __init__(self, schema: pa.Schema, options: CsvOptions, columns: Sequence[str] | None = None) -> None:
        for f in schema:
            _check(f.type)
        self.schema = schema
        self.options = options
        self.columns = list(columns) if columns is not None else list(schema.names)
        self._present = [f for f in schema if f.name in self.columns]
        self._all_text = pa.schema([(f.name, pa.string()) for f in self._present])
        self._typed = pa.schema([(f.name, f.type if _read_directly(f.type) else pa.string()) for f in self._present])

    def decode(self, values: pa.Array) -> Decoded:
        """See formats.base.Decoder."""
        records = as_binary(values)
        good = valid_utf8(records) & ~null_mask(records)
        bad = [(int(i), _unreadable(records[int(i)])) for i in np.flatnonzero(~good)]
        rows = np.arange(len(records))
        if bad:
            rows = np.flatnonzero(good)
            records = records.take(pa.array(rows))
        if not len(rows):
            return Decoded(_empty(self.schema), rows, bad)
        fast = self._read(records, self._typed)
        if fast is not None and not fast.ragged and (columns := self._own(fast.table)) is not None:
            return self._finish(fast.table, columns, rows, bad)
        return self._decode_slowly(records, rows, bad)

    def _decode_slowly(self, records: pa.BinaryArray, rows: np.ndarray, bad: list[tuple[int, str]]) -> Decoded:
        """All fields as text first; records that cannot be split into fields are searched for."""
        tables, kept = [], []
        for at in self._shares(records):
            share = records.take(pa.array(at))
            for low, _, part in isolate(len(at), self._reading(share)):
                if part is None:
                    bad.append((int(rows[at[low]]), self._why(share.slice(low, 1))))
                    continue
                tables.append(part.table)
                kept.append(at[part.rows + low])
                bad += [(int(rows[at[low + i]]), why) for i, why in part.ragged]
        found = np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)
        order = np.argsort(found)
        table = pa.concat_tables(tables).take(pa.array(order)) if tables else self._all_text.empty_table()
        columns = [self._convert(table, f) for f in self.schema]
        return self._finish(table, columns, rows[found[order]], sorted(bad))

    def _reading(self, records: pa.BinaryArray) -> Callable[[int, int], _Rows | None]:
        return lambda low, high: self._read(records.slice(low, high - low), self._all_text)

    def _shares(self, records: pa.BinaryArray) -> list[np.ndarray]:
        """Positions to be read together: a record with an odd number of quotes may swallow its neighbours,
        so where these are few, each is read by itself."""
        if self.options.quote == NO_QUOTE:
            return [np.arange(len(records))]
        quotes = pc.count_substring(records, self.options.quote.encode()).to_numpy(zero_copy_only=False)
        odd = np.flatnonzero(quotes % 2)
        if len(odd) > len(records) // _FEW:
            return [np.arange(len(records))]
        return [np.flatnonzero(quotes % 2 == 0), *(odd[i : i + 1] for i in range(len(odd)))]

    def _read(self, records: pa.BinaryArray, schema: pa.Schema) -> _Rows | None:
        """The records as a table of `schema`, or None when they do not line up with rows or do not
        convert."""
        delimiter = self.options.delimiter.encode()
        marker = _marker(records)
        # every line ends with a newline: else Arrow takes an empty last field for quoted if the one before is
        buffer = joined(surrounded(records, marker + delimiter, b"\n"), b"")
        ragged: dict[int, str] = {}
        expected, begin = len(self.columns), marker.decode()

        def note(row: pv.InvalidRow) -> str:
            ragged[row.number - 1] = f"expected {expected} fields, got {row.actual_columns - 1}"
            return "skip" if row.text.startswith(begin) else "error"

        try:
            table = pv.read_csv(pa.BufferReader(buffer), *self._settings(schema, buffer.size, note))
        except pa.ArrowInvalid:
            return None
        if table.num_rows + len(ragged) != len(records):
            return None
        if table.num_rows and not pc.all(pc.equal(table.column(_MARKER), begin), skip_nulls=False).as_py():
            return None
        kept = np.delete(np.arange(len(records)), list(ragged)) if ragged else np.arange(len(records))
        return _Rows(table.drop_columns([_MARKER]), kept, list(ragged.items()))

    def _settings(
        self, schema: pa.Schema, size: int, note: object
    ) -> tuple[pv.ReadOptions, pv.ParseOptions, pv.ConvertOptions]:
        options = self.options
        return (
            pv.ReadOptions(use_threads=False, block_size=max(size + 1, 64), column_names=[_MARKER, *self.columns]),
            pv.ParseOptions(
                delimiter=options.delimiter,
                quote_char=options.quote or False,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            pv.ConvertOptions(
                column_types={_MARKER: pa.string(), **{f.name: f.type for f in schema}},
                include_columns=[_MARKER, *schema.names],
                check_utf8=False,
                null_values=[options.null_string],
                true_values=["true"],
                false_values=["false"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _why(self, record: pa.BinaryArray) -> str:
        """Why one record alone is not one row."""
        quotes = record[0].as_py().count(self.options.quote.encode()) if self.options.quote else 0
        return _OPEN_QUOTE if quotes % 2 else "more than one line in a record"

    def _own(self, table: pa.Table) -> list[Converted] | None:
        """The columns of a typed reading; None where Arrow took what text.py refuses."""
        columns = []
        for f in self.schema:
            if f.name in self.columns and _read_directly(f.type):
                values = _one(table.column(f.name))
                if not read_exactly(values):
                    return None
                columns.append(Converted(values, np.zeros(len(values), dtype=bool)))
            else:
                columns.append(self._convert(table, f))
        return columns

    def _convert(self, table: pa.Table, f: pa.Field) -> Converted:
        if f.name not in self.columns:
            return Converted(pa.nulls(table.num_rows, f.type), np.zeros(table.num_rows, dtype=bool))
        return field_values(_one(table.column(f.name)), f.type)

    def _finish(
        self, table: pa.Table, columns: list[Converted], rows: np.ndarray, bad: list[tuple[int, str]]
    ) -> Decoded:
        def show(column: int, i: int) -> str:
            f = self.schema.field(column)
            value = table.column(f.name)[i].as_py()
            return f'column "{f.name}": invalid value for type {to_sql(f.type)}: {snippet(str(value))}'

        return assemble(self.schema, columns, rows, bad, show)


def field_values(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    """Fields' texts as values of any of our types; arrays also in braces."""
    if pa.types.is_list(dtype):
        text = braces_to_json(text)
    if dtype == JSON or pa.types.is_nested(dtype):
        return _from_json(text, dtype)
    return convert_text(text, dtype)


def _check(dtype: pa.DataType) -> None:
    if dtype == JSON or pa.types.is_nested(dtype):
        check_type(dtype)
    else:
        check_supported(dtype)


def _read_directly(dtype: pa.DataType) -> bool:
    """Types that Arrow's CSV reader converts exactly as text.py does (or refuses)."""
    kinds = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal128,
        pa.types.is_string,
    )
    return any(is_kind(dtype) for is_kind in kinds)


def _from_json(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    """A field that holds JSON text: of a JSON or nested column."""
    trimmed = spans_of(as_binary(text)).trimmed().array()
    nulls = null_mask(text)
    bad = malformed_mask(surrounded(trimmed, b'{"v":', b"}")) & ~nulls
    bad |= (spans_of(trimmed).end == spans_of(trimmed).start) & ~nulls
    usable = pc.if_else(pa.array(bad | nulls), pa.scalar(None, pa.binary()), trimmed)
    result = convert(usable, dtype)
    return Converted(result.values, result.bad | bad)


def _marker(records: pa.BinaryArray) -> bytes:
    """A text that occurs in no record."""
    data = spans_of(records).data.tobytes()
    marker = _MARKER_BYTE
    while marker in data:
        marker += _MARKER_BYTE
    return marker


def _unreadable(record: pa.Scalar) -> str:
    return "invalid byte sequence for encoding UTF8" if record.is_valid else "empty record"


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)
