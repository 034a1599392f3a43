"""What columns a file has: its own schema, or what the types of its first rows have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.json as pj

from sqlengine.connectors.columns import fitting_names
from sqlengine.connectors.file.bytes_in import ByteStream
from sqlengine.connectors.file.columnar_reader import open_parts
from sqlengine.connectors.file.json_array import ArrayLines, is_array
from sqlengine.connectors.file.lines import LineBuffer
from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.paths import compression_of, format_of
from sqlengine.errors import BadCopyFormat
from sqlengine.formats.base import isolate
from sqlengine.formats.json_syntax import object_shaped
from sqlengine.formats.records import joined, spans_of, surrounded, valid_utf8
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ, common_type, storage_type

SAMPLE_ROWS = 1_000


def infer_schema(path: str, options: FileOptions, sample_rows: int = SAMPLE_ROWS) -> pa.Schema:
    """The columns of one file, in the engine's types, under names a table can have; see own_schema."""
    found = own_schema(path, options, sample_rows)
    is_clear = len(set(found.names)) == len(found.names) and all(name.strip() for name in found.names)
    if is_clear or format_of(path, options) == "json":
        return found
    return pa.schema([f.with_name(name) for f, name in zip(found, fitting_names(found.names), strict=True)])


def own_schema(path: str, options: FileOptions, sample_rows: int = SAMPLE_ROWS) -> pa.Schema:
    """The columns of one file, in the engine's types, under the names they have there; text formats are judged by
    their first `sample_rows` rows.

    Values of several types make a text column.  Raises FileUnavailable (58P01), DataCorrupted (XX001),
    BadCopyFormat (22P04) for text in which no row can be read.
    """
    kind = format_of(path, options)
    if kind in ("parquet", "arrow"):
        parts = open_parts(path, kind)
        parts.close()
        return _typed(parts.schema)
    lines = _sample(path, options, sample_rows + 1)
    found = _of_json(lines) if kind == "json" else _of_csv(lines, options)
    if found is None:
        raise BadCopyFormat(f'no columns can be found in file "{path}"', hint=f"its format is taken to be {kind}")
    return _typed(found)


def _typed(found: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(f.name, engine_type(f.type)) for f in found])


def _sample(path: str, options: FileOptions, rows: int) -> pa.BinaryArray:
    is_csv = format_of(path, options) == "csv"
    lines, array = LineBuffer(0, options.quote if is_csv else ""), None
    found: list[pa.BinaryArray] = []
    rows += options.skip_lines if is_csv else 0
    with contextlib.closing(ByteStream(path, compression_of(path, options), 0, options.rewriting())) as stream:
        while sum(map(len, found)) < rows:
            data = stream.read(1 << 20)
            if not is_csv and not lines.read and is_array(data):
                array = ArrayLines()
            lines.feed(array.feed(data) if array is not None else data) if data else lines.finish()
            found.append(lines.take(rows - sum(map(len, found))).records)
            if not data:
                break
    whole = pa.concat_arrays(found) if found else pa.array([], pa.binary())
    return whole.slice(options.skip_lines) if is_csv else whole


def _of_json(lines: pa.BinaryArray) -> pa.Schema | None:
    lines = spans_of(lines).trimmed().array()
    lines = lines.filter(pa.array(object_shaped(lines) & valid_utf8(lines)))
    pieces = isolate(len(lines), lambda low, high: _json_schema(lines.slice(low, high - low)))
    return _merged([schema for _, _, schema in pieces if schema is not None])


def _json_schema(lines: pa.BinaryArray) -> pa.Schema | None:
    buffer = joined(lines)
    try:
        reading = pj.ReadOptions(use_threads=False, block_size=max(64, buffer.size + 1))
        return pj.read_json(pa.BufferReader(buffer), read_options=reading).schema
    except pa.ArrowInvalid:
        return None


def _of_csv(lines: pa.BinaryArray, options: FileOptions) -> pa.Schema | None:
    if not len(lines):
        return None
    buffer = joined(surrounded(lines, b"", b"\n"), b"")  # a header alone needs its line end
    csv = options.csv()
    reading = pv.ReadOptions(
        use_threads=False, block_size=max(64, buffer.size + 1), autogenerate_column_names=not options.header
    )
    parsing = pv.ParseOptions(
        delimiter=csv.delimiter, quote_char=csv.quote, newlines_in_values=True, invalid_row_handler=lambda _: "skip"
    )
    converting = pv.ConvertOptions(
        null_values=[csv.null_string], strings_can_be_null=True, quoted_strings_can_be_null=False,
        true_values=["true", "TRUE", "True"], false_values=["false", "FALSE", "False"],
    )  # fmt: skip
    try:
        return pv.read_csv(pa.BufferReader(buffer), reading, parsing, converting).schema
    except pa.ArrowInvalid:
        return None


def _merged(schemas: Iterable[pa.Schema]) -> pa.Schema | None:
    """All columns of all; of two types the common one, else text."""
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            types[field.name] = _met(types.get(field.name, field.type), field.type)
    return pa.schema(list(types.items())) if types else None


def _met(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(left) and pa.types.is_struct(right):
        merged = _merged([pa.schema(list(left)), pa.schema(list(right))])
        return pa.struct(list(merged)) if merged is not None else left
    if pa.types.is_list(left) and pa.types.is_list(right):
        return pa.list_(_met(left.value_type, right.value_type))
    return common_type(left, right) or pa.string()


def engine_type(dtype: pa.DataType) -> pa.DataType:
    """The type of the engine's table that holds a file's values: microseconds, plain text, signed
    integers."""
    if pa.types.is_dictionary(dtype):
        return engine_type(dtype.value_type)
    if pa.types.is_timestamp(dtype):
        return TIMESTAMPTZ if dtype.tz else TIMESTAMP
    if pa.types.is_time(dtype):
        return pa.time64("us")
    if pa.types.is_date(dtype):
        return pa.date32()
    if pa.types.is_struct(dtype):
        return pa.struct([pa.field(f.name, engine_type(f.type)) for f in dtype])
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype) or pa.types.is_fixed_size_list(dtype):
        return pa.list_(engine_type(dtype.value_type))
    if pa.types.is_map(dtype):
        return pa.map_(engine_type(dtype.key_type), engine_type(dtype.item_type))
    return _SIMPLE.get(str(storage_type(dtype)), dtype)


_SIMPLE = {
    "null": pa.string(), "large_string": pa.string(), "string_view": pa.string(), "large_binary": pa.binary(),
    "binary_view": pa.binary(), "int8": pa.int16(), "uint8": pa.int16(), "uint16": pa.int32(), "uint32": pa.int64(),
    "uint64": pa.decimal128(20, 0), "halffloat": pa.float32(),
}  # fmt: skip
