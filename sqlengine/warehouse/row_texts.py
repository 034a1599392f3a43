"""Rows as lines of text, a batch at a time: LazySimpleSerDe's, OpenCSVSerde's and JsonSerDe's."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import NotSupportedError
from sqlengine.formats.records import joined
from sqlengine.formats.render import json_objects
from sqlengine.pgtext import list_parts
from sqlengine.warehouse.description import RowFormat, TableDescription
from sqlengine.warehouse.serdes import CSV, JSON, OPEN_CSV, REGEX
from sqlengine.warehouse.spark_csv import csv_lines
from sqlengine.warehouse.value_texts import to_texts

Lines = Callable[[pa.RecordBatch], pa.BinaryArray]


def line_writer(description: TableDescription) -> Lines:
    """What makes a batch lines, without their ends; NotSupportedError (0A000) for RegexSerDe, which only reads."""
    if description.serde == REGEX:
        raise NotSupportedError("RegexSerDe cannot write", hint="write to a table of another SerDe")
    if description.serde == OPEN_CSV:
        return _csv_lines(description)
    if description.serde == CSV:
        return csv_lines(description)
    if description.serde == JSON:
        return _json_lines
    row_format = description.row_format
    return lambda batch: delimited_lines(batch, row_format)


def as_bytes(lines: pa.BinaryArray, encoding: str = "utf-8") -> bytes:
    """Lines with a newline behind each."""
    if not len(lines):
        return b""
    data = joined(lines).to_pybytes() + b"\n"
    return data if encoding.lower().replace("-", "") == "utf8" else data.decode("utf-8", "replace").encode(encoding)


def delimited_lines(batch: pa.RecordBatch, row_format: RowFormat) -> pa.BinaryArray:
    """Fields between separators."""
    fields = [_filled(_delimited(column, row_format, 1), row_format) for column in batch.columns]
    return pc.binary_join_element_wise(*fields, pa.scalar(row_format.separators[0], pa.binary()))


def _filled(texts: pa.BinaryArray, row_format: RowFormat) -> pa.BinaryArray:
    return pc.coalesce(texts, pa.scalar(row_format.null, pa.binary())) if texts.null_count else texts


def _delimited(values: pa.Array, row_format: RowFormat, level: int) -> pa.BinaryArray:
    """Each value's text, NULL for NULL."""
    dtype = values.type
    if pa.types.is_struct(dtype):
        parts = [
            _filled(_delimited(values.field(i), row_format, level + 1), row_format) for i in range(dtype.num_fields)
        ]
        made = pc.binary_join_element_wise(*parts, pa.scalar(row_format.separator(level), pa.binary()))
        return pc.if_else(values.is_valid(), made, pa.scalar(None, pa.binary()))
    if pa.types.is_map(dtype):
        _, entries = list_parts(values)
        between = pa.scalar(row_format.separator(level + 1), pa.binary())
        keys, items = (_filled(_delimited(part, row_format, level + 2), row_format) for part in entries.flatten())
        return _joined(values, pc.binary_join_element_wise(keys, items, between), row_format.separator(level))
    if pa.types.is_list(dtype):
        _, items = list_parts(values)
        return _joined(
            values, _filled(_delimited(items, row_format, level + 1), row_format), row_format.separator(level)
        )
    texts = to_texts(values).cast(pa.binary())
    return _escaped(texts, row_format) if row_format.escape and pa.types.is_string(dtype) else texts


def _joined(values: pa.Array, items: pa.BinaryArray, separator: bytes) -> pa.BinaryArray:
    offsets, _ = list_parts(values)
    mask = pa.concat_arrays([values.is_null()]) if values.null_count else None
    return pc.binary_join(pa.ListArray.from_arrays(offsets.cast(pa.int32()), items, mask=mask), separator)


def _escaped(texts: pa.BinaryArray, row_format: RowFormat) -> pa.BinaryArray:
    """Separators and the escape itself behind an escape; newlines and returns as an escaped n and r."""
    escape = row_format.escape
    special = [(escape, escape + escape)]
    special += [(one, escape + one) for one in row_format.separators if one not in (escape, b"\n", b"\r")]
    for plain, written in [*special, (b"\n", escape + b"n"), (b"\r", escape + b"r")]:
        if pc.any(pc.match_substring(texts, plain)).as_py():
            texts = pc.replace_substring(texts, plain, written)
    return texts


def _csv_lines(description: TableDescription) -> Lines:
    """As opencsv's CSVWriter: every field in quotes, NULL as nothing; quotes and escapes behind an escape, which is
    a quote unless stated."""
    separator = (description.option("separatorChar") or ",")[0]
    quote = (description.option("quoteChar") or '"')[0]
    escape = (description.option("escapeChar") or '"')[0]

    def lines(batch: pa.RecordBatch) -> pa.BinaryArray:
        fields = []
        for column in batch.columns:
            text = to_texts(column)
            for special in dict.fromkeys((escape, quote)):
                text = pc.replace_substring(text, special, escape + special)
            fields.append(pc.coalesce(pc.binary_join_element_wise(quote, text, quote, ""), ""))
        return pc.binary_join_element_wise(*fields, separator).cast(pa.binary())

    return lines


def _json_lines(batch: pa.RecordBatch) -> pa.BinaryArray:
    columns = [_plain(column) for column in batch.columns]
    return json_objects(batch.schema.names, columns, batch.num_rows).cast(pa.binary())


def _plain(values: pa.Array) -> pa.Array:
    """Moments and binary values as Hive's texts of them, wherever they are."""
    dtype = values.type
    mask = pa.concat_arrays([values.is_null()]) if values.null_count else None
    if pa.types.is_list(dtype):
        offsets, items = list_parts(values)
        return pa.ListArray.from_arrays(offsets.cast(pa.int32()), _plain(items), mask=mask)
    if pa.types.is_map(dtype):
        offsets, entries = list_parts(values)
        keys, items = entries.flatten()
        return pa.MapArray.from_arrays(offsets.cast(pa.int32()), to_texts(keys), _plain(items), mask=mask)
    if pa.types.is_struct(dtype):
        children = [_plain(values.field(i)) for i in range(dtype.num_fields)]
        return pa.StructArray.from_arrays(children, names=[f.name for f in dtype], mask=mask)
    if pa.types.is_temporal(dtype) or pa.types.is_binary(dtype):
        return to_texts(values)
    return values
