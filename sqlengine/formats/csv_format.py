"""The `csv` format: one line of delimited fields per record.

Fields are quoted as RFC 4180 says; an unquoted field equal to `null_string` is NULL.  A batch goes through
Arrow's CSV reader in one call.  So that a record with an open quote cannot swallow its neighbours
unnoticed, each is read behind a marker field that occurs nowhere in the data: as many rows as records, all
beginning with the marker, can only be the records themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from sqlengine.array_text import braces_to_json
from sqlengine.errors import InvalidParameter, UndefinedColumn, did_you_mean
from sqlengine.formats.base import (
    Converted,
    Decoded,
    Reason,
    assemble,
    isolate,
    not_utf8,
    null_mask,
    true_mask,
    wrong_count,
    wrong_value,
)
from sqlengine.formats.json_syntax import malformed_mask
from sqlengine.formats.json_values import check_type, convert
from sqlengine.formats.options import option
from sqlengine.formats.records import as_binary, joined, spans_of, surrounded, valid_utf8
from sqlengine.formats.text import check_supported, convert_text, read_exactly
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import is_json

_MARKER_BYTE = b"\x1f"
_MARKER = "\x1fmarker"
_MARKED = "\x1fmarked"
"""Behind a column's name: of the column that says where it takes its default."""
_FEW = 20

NO_QUOTE = ""
"""As `quote`: no character is special around fields."""


FORCE_NULL_HELP = "columns in which a quoted field that holds null_string is NULL as well: a, b or *"
FORCE_NOT_NULL_HELP = "columns in which an unquoted field that holds null_string is that text: a, b or *"


def listed_columns(text: str, names: Sequence[str]) -> list[str]:
    """The columns a list names, `a, b` or a list in JSON; `*`: all of `names`.  UndefinedColumn (42703)."""
    if text.strip() == "*" or text == '["*"]':
        return list(names)
    found = column_list(text)
    for name in found:
        if name not in names:
            raise UndefinedColumn(f'column "{name}" does not exist', hint=did_you_mean(name, names))
    return found


def column_list(text: str) -> list[str]:
    """The names in a list, `a, b` or a list in JSON."""
    found = json.loads(text) if text.startswith("[") else [part.strip() for part in text.split(",") if part.strip()]
    return list(map(str, found))


@dataclass(frozen=True, slots=True)
class Defaults:
    """COPY's DEFAULT: `marker` is what an unquoted field holds for the column's default; `values`: so many of a
    column's, by its name."""

    marker: str
    values: Callable[[str, int], pa.Array]

    def filled(self, name: str, column: Converted, where: np.ndarray) -> Converted:
        """The column with defaults at these places."""
        at = np.flatnonzero(where)
        if not len(at):
            return column
        order = np.arange(len(where))
        order[at] = len(where) + np.arange(len(at))
        both = pa.concat_arrays([column.values, self.values(name, len(at))])
        return Converted(both.take(pa.array(order)), column.bad & ~where)


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How fields are written."""

    delimiter: str = option(",", "one character between fields (\\t for a tab)", aliases=("field_delimiter",))
    quote: str = option('"', "one character around fields that hold the delimiter", aliases=("quote_character",))
    null_string: str = option("", "what an unquoted field holds for NULL", aliases=("null_literal",))
    force_null: str = option("", FORCE_NULL_HELP)
    force_not_null: str = option("", FORCE_NOT_NULL_HELP)

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

    def __init__(
        self,
        schema: pa.Schema,
        options: CsvOptions,
        columns: Sequence[str] | None = None,
        defaults: Defaults | None = None,
    ) -> None:
        for f in schema:
            _check(f.type)
        self.schema = schema
        self.options = options
        self._defaults = defaults
        self._force_null = frozenset(listed_columns(options.force_null, schema.names))
        self._force_not_null = frozenset(listed_columns(options.force_not_null, schema.names))
        self.columns = list(columns) if columns is not None else list(schema.names)
        self._present = [f for f in schema if f.name in self.columns]
        self._all_text = pa.schema([(f.name, pa.string()) for f in self._present])
        self._typed = pa.schema([(f.name, f.type if self._is_direct(f) else pa.string()) for f in self._present])

    def _is_direct(self, f: pa.Field) -> bool:
        """Whether Arrow makes the column's values itself."""
        is_forced = f.name in self._force_null or f.name in self._force_not_null
        return _read_directly(f.type) and not is_forced and self._defaults is None

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
        begin = marker.decode()

        def note(row: pv.InvalidRow) -> str:
            is_open = bool(self.options.quote) and row.text.count(self.options.quote) % 2 == 1
            ragged[row.number - 1] = _open_quote() if is_open else wrong_count(self.columns, row.actual_columns - 1)
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
        table = table.drop_columns([_MARKER])
        if self._defaults is not None:
            again = pv.read_csv(
                pa.BufferReader(buffer), *self._settings(schema, buffer.size, note, [self._defaults.marker])
            )
            table = _with_marked(table, again)
        return _Rows(table, kept, list(ragged.items()))

    def _settings(
        self, schema: pa.Schema, size: int, note: object, nulls: Sequence[str] = ()
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
                null_values=[*nulls] or [options.null_string],
                true_values=["true"],
                false_values=["false"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _why(self, record: pa.BinaryArray) -> str:
        """Why one record alone is not one row."""
        quotes = record[0].as_py().count(self.options.quote.encode()) if self.options.quote else 0
        return _open_quote() if quotes % 2 else "more than one line in a record"

    def _own(self, table: pa.Table) -> list[Converted] | None:
        """The columns of a typed reading; None where Arrow took what text.py refuses."""
        columns = []
        for f in self.schema:
            if f.name in self.columns and self._is_direct(f):
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
        if self._defaults is None:
            return field_values(self._forced(_one(table.column(f.name)), f.name), f.type)
        marked = _one(table.column(f.name + _MARKED))
        text = pc.if_else(marked, None, _one(table.column(f.name)))
        made = field_values(self._forced(text, f.name), f.type)
        return self._defaults.filled(f.name, made, true_mask(marked))

    def _forced(self, text: pa.StringArray, name: str) -> pa.StringArray:
        """The column's texts as FORCE_NULL and FORCE_NOT_NULL have them; what was quoted is not NULL so far."""
        null = self.options.null_string
        if name in self._force_null:
            text, unquoted = pc.if_else(pc.equal(text, null), None, text), text.is_null()
            return pc.if_else(unquoted, null, text) if name in self._force_not_null else text
        return text.fill_null(null) if name in self._force_not_null else text

    def _finish(
        self, table: pa.Table, columns: list[Converted], rows: np.ndarray, bad: list[tuple[int, str]]
    ) -> Decoded:
        def show(column: int, i: int) -> str:
            f = self.schema.field(column)
            value = table.column(f.name)[i].as_py()
            return wrong_value(f.name, f.type, self.options.null_string if value is None else str(value))

        return assemble(self.schema, columns, rows, bad, show)


def _open_quote() -> Reason:
    return Reason("unterminated quoted field", "22P04", "unterminated CSV quoted field")


def _with_marked(table: pa.Table, again: pa.Table) -> pa.Table:
    """A reading with a column beside each that says where it holds the marker: NULL in the second reading, in which
    the marker alone, where it is not quoted, is NULL."""
    for name in table.column_names:
        table = table.append_column(name + _MARKED, pc.is_null(again.column(name)))
    return table


def field_values(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    """Fields' texts as values of any of our types; arrays also in braces."""
    if pa.types.is_list(dtype):
        text = braces_to_json(text)
    if is_json(dtype) or pa.types.is_nested(dtype):
        return _from_json(text, dtype)
    return convert_text(text, dtype)


def _check(dtype: pa.DataType) -> None:
    if is_json(dtype) or pa.types.is_nested(dtype):
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
    return not_utf8(record.as_py()) if record.is_valid else "empty record"


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)
