"""Descriptions of files that nobody has declared: columns as the files themselves tell them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from sqlengine.errors import DataCorrupted, NotSupportedError, UndefinedObject, did_you_mean
from sqlengine.hive_types import from_arrow
from sqlengine.warehouse.columnar import open_file
from sqlengine.warehouse.description import TableDescription, describe
from sqlengine.warehouse.layout import data_files, parse_partition_name
from sqlengine.warehouse.lines import read_chunks
from sqlengine.warehouse.spark_csv import csv_properties, split_line

_Columns = list[tuple[str, str, str]]
WHOLE_LINES = {"serialization.last.column.takes.rest": "true", "serialization.null.format": "\0"}
"""SerDe properties of text files of which a line is a value, whatever is in it."""
_SAMPLE_BYTES = 16 << 20
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?")


def partitions_below(directory: str) -> tuple[list[tuple[str, list[str]]], str | None]:
    """([(name, texts of its values)] of the partition columns that the directories below tell, a file of data)."""
    names: list[tuple[str, list[str]]] = []
    level = [directory]
    while level:
        files = [file.path for place in level for file in data_files(place)]
        if files:
            return names, files[0]
        below = [e for place in level for e in os.scandir(place) if e.is_dir() and e.name[0] not in "._"]
        found = [(entry.path, entry.name.partition("=")) for entry in sorted(below, key=lambda e: e.name)]
        kept = [(path, name, value) for path, (name, is_said, value) in found if is_said]
        if not kept or len({name for _, name, _ in kept}) > 1:
            return names, None
        name = kept[0][1]
        values = [parse_partition_name([name.lower()], f"{name}={value}") for _, _, value in kept]
        names.append((name.lower(), [str(v[0]) for v in values if v is not None and v[0] is not None]))
        level = [path for path, _, _ in kept]
    return names, None


def describe_files(
    kind: str,
    files: Sequence[str],
    location: str,
    partitions: Sequence[tuple[str, list[str]]] = (),
    options: Mapping[str, str] | None = None,
) -> TableDescription:
    """The description of files of a format: parquet, orc, csv, json, text; of csv, `options` are those of Spark's
    reader (see `csv_properties`).

    Raises UndefinedObject (42704) for another format, DataCorrupted (XX001) for files that are not of it.
    """
    given = {name.lower(): value for name, value in (options or {}).items()}
    makers = {"parquet": _parquet, "orc": _orc, "json": _json, "text": _text, "csv": _csv}
    if kind == "avro":
        raise NotSupportedError(
            "Avro files cannot be named in a query", hint="CREATE TABLE ... STORED AS AVRO reads them"
        )
    if kind not in makers:
        raise UndefinedObject(f'there is no file format "{kind}"', hint=did_you_mean(kind, makers))
    columns, described = makers[kind](files, given)
    taken = {name for name, _ in partitions}
    return describe(
        kind,
        [column for column in columns if column[0].lower() not in taken],
        location,
        partition_columns=[(name, partition_type(values), "") for name, values in partitions],
        **described,
    )


def partition_type(values: Sequence[str]) -> str:
    """The type of a partition column by its values, as Spark infers it: int, bigint, double, date or string."""
    return _narrowest(values) if values else "string"


def _narrowest(texts: Sequence[str]) -> str:
    if all(_WHOLE.fullmatch(text) for text in texts):
        return "int" if all(-(2**31) <= int(text) < 2**31 for text in texts) else "bigint"
    if all(_NUMBER.fullmatch(text) for text in texts):
        return "double"
    if all(_DATE.fullmatch(text) for text in texts):
        return "date"
    if all(_DATE.fullmatch(text) or _MOMENT.fullmatch(text) for text in texts):
        return "timestamp"
    return "boolean" if all(text.lower() in ("true", "false") for text in texts) else "string"


def _declared(schema: pa.Schema) -> _Columns:
    return [(field.name, str(from_arrow(field.type)), "") for field in schema]


def _parquet(files: Sequence[str], options: Mapping[str, str]) -> tuple[_Columns, dict[str, Any]]:
    import pyarrow.parquet as pq  # takes 40 ms, and few statements need it

    with open_file(files[0], "Parquet", pq.ParquetFile) as file:
        return _declared(file.schema_arrow), {"file_format": "parquet"}


def _orc(files: Sequence[str], options: Mapping[str, str]) -> tuple[_Columns, dict[str, Any]]:
    import pyarrow.orc as orc  # for ORC only

    return _declared(open_file(files[0], "ORC", orc.ORCFile).schema), {"file_format": "orc"}


def _text(files: Sequence[str], options: Mapping[str, str]) -> tuple[_Columns, dict[str, Any]]:
    """A column `value`, the whole line, in which nothing separates and nothing is NULL."""
    return [("value", "string", "")], {"file_format": "textfile", "serde_properties": WHOLE_LINES}


def _json(files: Sequence[str], options: Mapping[str, str]) -> tuple[_Columns, dict[str, Any]]:
    """Objects, one a line; the columns are those of the first megabytes of each file, in the order of their names."""
    import pyarrow.json as json  # for JSON only

    schemas = []
    for path in files:
        sample = next((chunk.data for chunk in read_chunks(path)), b"")[:_SAMPLE_BYTES]
        sample = sample[: sample.rfind(b"\n") + 1] or sample
        if not sample.strip():
            continue
        try:
            schemas.append(json.read_json(pa.BufferReader(sample)).schema)
        except pa.ArrowInvalid as error:
            raise DataCorrupted(f'file "{path}" is no JSON, an object a line: {error}') from None
    if not schemas:
        raise DataCorrupted(f'file "{files[0]}" is empty: it has no columns')
    known = [pa.schema([_known(field) for field in schema]) for schema in schemas]
    merged = pa.unify_schemas(known, promote_options="permissive")
    return _declared(pa.schema(sorted(merged, key=lambda f: f.name))), {"file_format": "jsonfile"}


def _known(field: pa.Field) -> pa.Field:
    """A column of which only NULLs are known is one of texts, as in Spark; moments are texts, too."""
    if pa.types.is_null(field.type) or pa.types.is_timestamp(field.type):
        return field.with_type(pa.string())
    return field


def _csv(files: Sequence[str], options: Mapping[str, str]) -> tuple[_Columns, dict[str, Any]]:
    properties, serde_properties = csv_properties(options)
    width_of = describe("csv", [("c", "string", "")], "", file_format="csv", serde_properties=serde_properties)
    rows = []
    for chunk in islice(read_chunks(files[0]), 1):
        lines = chunk.data[:_SAMPLE_BYTES].decode("utf-8", "replace").splitlines()
        rows = [split_line(line, width_of) for line in lines[:1000]]
    if not rows:
        raise DataCorrupted(f'file "{files[0]}" is empty: it has no columns')
    has_header = "skip.header.line.count" in properties
    names = [str(name or f"_c{i}") if has_header else f"_c{i}" for i, name in enumerate(rows[0])]
    kinds = ["string"] * len(names)
    if options.get("inferschema", "false").lower() == "true":
        values = [[row[i] for row in rows[has_header:] if i < len(row) and row[i]] for i in range(len(names))]
        kinds = [_narrowest([str(v) for v in column]) if column else "string" for column in values]
    columns = [(name, kind, "") for name, kind in zip(names, kinds, strict=True)]
    return columns, {"file_format": "csv", "serde_properties": serde_properties, "properties": properties}
