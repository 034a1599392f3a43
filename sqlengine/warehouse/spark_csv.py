"""CSV as Spark reads and writes it: typed columns, and nothing between two separators is NULL, while "" is empty text.

An escape counts inside quotes alone; a doubled quote there is a quote, as RFC 4180 has it. A field that nobody closes
goes on up to the end of its line. Fields that are missing are NULL, further ones are ignored (Spark's mode PERMISSIVE).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidParameter, did_you_mean
from sqlengine.formats.records import Spans
from sqlengine.warehouse.description import Column, TableDescription
from sqlengine.warehouse.open_csv import CsvFormat, CsvReader, csv_format, split_spark_line
from sqlengine.warehouse.text_values import parse
from sqlengine.warehouse.value_texts import to_texts

_SERDE_OPTIONS = {
    "sep": "separatorChar",
    "delimiter": "separatorChar",
    "quote": "quoteChar",
    "escape": "escapeChar",
    "nullvalue": "nullValue",
    "encoding": "serialization.encoding",
    "charset": "serialization.encoding",
}
_OTHERS = ("header", "inferschema", "path", "mode", "compression", "codec")
Properties = dict[str, str]


def csv_properties(options: Mapping[str, str]) -> tuple[Properties, Properties]:
    """(table properties, SerDe properties) of the options of Spark's csv source: header, sep or delimiter, quote,
    escape, nullValue, encoding or charset, compression; inferSchema and mode PERMISSIVE are known as well.
    InvalidParameter (22023) for others."""
    given = {name.lower(): value for name, value in options.items()}
    for name in given:
        if name not in _SERDE_OPTIONS and name not in _OTHERS:
            known = [*_SERDE_OPTIONS, *_OTHERS]
            hint = did_you_mean(name, known) or "there are: " + ", ".join(known)
            raise InvalidParameter(f'csv files have no option "{name}"', hint=hint)
    if given.get("mode", "permissive").lower() != "permissive":
        raise InvalidParameter(f'mode "{given["mode"]}" is not supported', hint="rows are read as in mode PERMISSIVE")
    serde = {_SERDE_OPTIONS[name]: value for name, value in given.items() if name in _SERDE_OPTIONS}
    table: Properties = {}
    if _is_on("header", given):
        table["skip.header.line.count"] = "1"
        serde["header"] = "true"
    codec = given.get("compression", given.get("codec", ""))
    if codec:
        table["output.compression"] = codec
    return table, serde


def _is_on(name: str, options: Mapping[str, str]) -> bool:
    value = options.get(name, "false").lower()
    if value not in ("true", "false"):
        raise InvalidParameter(f'option "{name}" is true or false, not "{options[name]}"')
    return value == "true"


def spark_format(description: TableDescription) -> CsvFormat:
    """Separator, quote and escape, and the text that is NULL; see `csv_format`."""
    plain = csv_format(description)
    return CsvFormat(plain.separator, plain.quote, plain.escape, description.option("nullValue", ""))


def typed_reader(description: TableDescription, places: Sequence[int]) -> Callable[[Spans], list[pa.Array]]:
    """What reads lines as the columns at these places."""
    reader = CsvReader(spark_format(description), len(description.columns))
    columns = [description.columns[place] for place in places]

    def read(lines: Spans) -> list[pa.Array]:
        return [_typed(t, c) for t, c in zip(reader.columns(lines, list(places)), columns, strict=True)]

    return read


def _typed(texts: pa.Array, column: Column) -> pa.Array:
    if column.type.name == "timestamp":  # Spark writes 2024-01-01T10:00:00.000Z
        texts = pc.replace_substring_regex(texts, r"^(\d{4}-\d\d-\d\d)T([0-9:.]+)Z?$", r"\1 \2")
    return parse(texts, column.type)


def split_line(line: str, description: TableDescription) -> list[str | None]:
    """The fields of one line."""
    return split_spark_line(line, spark_format(description))


def csv_lines(description: TableDescription) -> Callable[[pa.RecordBatch], pa.BinaryArray]:
    """What makes rows lines: quotes stand around what has a separator, a quote, an end of line or a blank at its end,
    and around nothing that is no NULL."""
    style = spark_format(description)
    null = style.null or ""

    def lines(batch: pa.RecordBatch) -> pa.BinaryArray:
        fields = [pc.coalesce(_field(to_texts(column), style), null) for column in batch.columns]
        return pc.binary_join_element_wise(*fields, style.separator).cast(pa.binary())

    return lines


def _field(texts: pa.StringArray, style: CsvFormat) -> pa.StringArray:
    trimmed = pc.utf8_trim_whitespace(texts)
    needs = pc.or_(pc.equal(texts, style.null or ""), pc.not_equal(trimmed, texts))
    for special in (style.separator, style.quote, "\n", "\r"):
        needs = pc.or_(needs, pc.match_substring(texts, special))
    if not pc.any(needs).as_py():
        return texts
    inner = texts
    for special in (style.escape, style.quote):
        inner = pc.replace_substring(inner, special, style.escape + special)
    return pc.if_else(needs, pc.binary_join_element_wise(style.quote, inner, style.quote, ""), texts)


def header_line(description: TableDescription) -> bytes:
    """The names of the columns as a line, nothing unless the files have one."""
    if not description.is_on("header"):
        return b""
    names = [pa.array([column.name]) for column in description.columns]
    batch = pa.RecordBatch.from_arrays(names, [column.name for column in description.columns])
    return bytes(csv_lines(description)(batch)[0].as_py()) + b"\n"
