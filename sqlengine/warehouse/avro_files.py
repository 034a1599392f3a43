"""Avro container files as rows and back, by the package fastavro (the extra `hive`).

Rows go one by one through Python here, as Avro's do everywhere but in compiled languages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from sqlengine.errors import DataCorrupted, DatatypeMismatch, InvalidParameter, NotSupportedError
from sqlengine.hive_types import LTZ, HiveType, from_arrow
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ
from sqlengine.warehouse.casting import as_hive
from sqlengine.warehouse.columnar import open_file
from sqlengine.warehouse.description import Column, ColumnText, TableDescription

ROWS = 10_000
Schema = Any
"""An Avro schema: a name, a list for a union, or a dictionary."""

_SIMPLE: dict[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
_LOGICAL: dict[str, pa.DataType] = {
    "date": pa.date32(),
    "timestamp-millis": TIMESTAMPTZ,
    "timestamp-micros": TIMESTAMPTZ,
    "local-timestamp-millis": TIMESTAMP,
    "local-timestamp-micros": TIMESTAMP,
    "time-millis": pa.time64("us"),
    "time-micros": pa.time64("us"),
    "uuid": pa.string(),
}


def avro() -> Any:
    """The package; NotSupportedError (0A000) when it is not there."""
    try:
        # an optional package, needed for Avro only
        import fastavro
    except ImportError:
        raise NotSupportedError(
            "Avro files need the package fastavro", hint="pip install 'sqlengine-db[hive]'"
        ) from None
    return fastavro


def declared_schema(description: TableDescription) -> Schema | None:
    """The property avro.schema.literal; None without one. Raises as `avro_columns`, and NotSupportedError (0A000) for
    avro.schema.url."""
    if description.option("avro.schema.url"):
        raise NotSupportedError('the property "avro.schema.url" is not supported', hint="avro.schema.literal is")
    text = description.option("avro.schema.literal").strip()
    return None if not text or text.lower() == "none" else _schema(text)


def _schema(text: str) -> Schema:
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise InvalidParameter(f'"avro.schema.literal" is not JSON: {error}') from None
    if not isinstance(schema, dict) or schema.get("type") != "record" or not isinstance(schema.get("fields"), list):
        raise InvalidParameter('"avro.schema.literal" must be a schema of records', hint='{"type": "record", ...}')
    return schema


def avro_columns(literal: str) -> list[ColumnText]:
    """The columns of a table that declares its schema by avro.schema.literal instead: (name, Hive type text, comment).

    InvalidParameter (22023) when the text is no schema of records, NotSupportedError (0A000) for types Hive has not.
    """
    known: dict[str, pa.DataType] = {}
    try:
        return [
            (field["name"].lower(), str(_hive_of(field["type"], known)), field.get("doc", ""))
            for field in _schema(literal)["fields"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidParameter(f'"avro.schema.literal" is no Avro schema: {error}') from None


def _hive_of(schema: Schema, known: dict[str, pa.DataType]) -> HiveType:
    """As Hive's SchemaToTypeInfo: moments are timestamps without a zone."""
    found = from_arrow(arrow_of(schema, known))
    return HiveType("timestamp") if found.name == LTZ else found


def arrow_of(schema: Schema, known: dict[str, pa.DataType]) -> pa.DataType:
    """The Arrow type of an Avro schema; `known`: named types met before. NotSupportedError (0A000) for unions of more
    than NULL and one type, and for records that contain themselves."""
    if isinstance(schema, list):
        kinds = [kind for kind in schema if kind != "null"]
        if len(kinds) != 1:
            raise NotSupportedError("unions of several types are not supported in Avro files")
        return arrow_of(kinds[0], known)
    if isinstance(schema, str):
        if schema in _SIMPLE:
            return _SIMPLE[schema]
        if schema not in known:
            raise NotSupportedError(f'Avro type "{schema}" is not known here, or contains itself')
        return known[schema]
    kind = schema["type"]
    logical = schema.get("logicalType")
    if logical == "decimal" and kind in ("bytes", "fixed"):
        return pa.decimal128(schema["precision"], schema.get("scale", 0))
    if logical in _LOGICAL:
        return _LOGICAL[logical]
    made = _complex(kind, schema, known)
    if "name" in schema:
        known[schema["name"]] = made
    return made


def _complex(kind: Schema, schema: Schema, known: dict[str, pa.DataType]) -> pa.DataType:
    if kind in ("record", "error"):
        return pa.struct([pa.field(f["name"], arrow_of(f["type"], known)) for f in schema["fields"]])
    if kind == "array":
        return pa.list_(arrow_of(schema["items"], known))
    if kind == "map":
        return pa.map_(pa.string(), arrow_of(schema["values"], known))
    if kind == "enum":
        return pa.string()
    return pa.binary() if kind == "fixed" else arrow_of(kind, known)


def read_avro(
    path: str, description: TableDescription, wanted: Sequence[Column]
) -> Iterator[tuple[int, list[pa.Array]]]:
    """(number of rows, the wanted columns), some thousand rows at a time. A declared schema is what the file's is
    resolved to (its defaults and aliases count); otherwise fields are found by name, whatever their case."""
    package = avro()
    reader_schema = declared_schema(description)
    with open_file(path, "Avro", pa.OSFile) as raw:
        try:
            reader = package.reader(_Bytes(raw), reader_schema)
            known: dict[str, pa.DataType] = {}
            fields = (reader_schema or reader.writer_schema)["fields"]
            types = {field["name"]: arrow_of(field["type"], known) for field in fields}
            names = {name.lower(): name for name in reversed(types)}
            for rows in _some(reader):
                yield len(rows), [_column(path, rows, names.get(c.name), types, c) for c in wanted]
        except (ValueError, EOFError, OSError, KeyError, TypeError, package.read.SchemaResolutionError) as error:
            raise DataCorrupted(f'file "{path}" cannot be read as Avro: {error}') from None


class _Bytes:
    """A file whose damage asks for no negative lengths."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, size: int = -1) -> bytes:
        """As many bytes as there are of `size`."""
        if size < 0:
            raise ValueError("a length is damaged")
        data: bytes = self._raw.read(size)
        return data


def _some(reader: Iterable[Any]) -> Iterator[list[Any]]:
    rows: list[Any] = []
    for row in reader:
        rows.append(row)
        if len(rows) == ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _column(path: str, rows: list[Any], name: str | None, types: dict[str, pa.DataType], column: Column) -> pa.Array:
    if name is None:
        return pa.nulls(len(rows), column.type.arrow)
    try:
        return as_hive(pa.array([row[name] for row in rows], types[name]), column.type)
    except DatatypeMismatch as error:
        raise DatatypeMismatch(f'column "{column.name}" of file "{path}": {error.message}') from None


# ---------------------------------------------------------------- writing


def avro_schema(columns: Sequence[Column], name: str) -> Schema:
    """The schema that Hive's AvroSerDe gives a table of these columns; every field may be NULL. DatatypeMismatch
    (42804) for a map whose keys are no texts."""
    return {
        "type": "record",
        "name": "".join(c if c.isascii() and c.isalnum() else "_" for c in f"t_{name}"),
        "fields": [
            {"name": column.name, "type": ["null", _avro_type(column.type, f"r{place}")], "default": None}
            for place, column in enumerate(columns)
        ],
    }


def _avro_type(hive: HiveType, path: str) -> Schema:
    if hive.name == "array":
        return {"type": "array", "items": ["null", _avro_type(hive.children[0], path + "_e")]}
    if hive.name == "map":
        if hive.children[0].name not in ("string", "char", "varchar"):
            raise DatatypeMismatch(f"keys of maps in Avro files are texts, not {hive.children[0]}")
        return {"type": "map", "values": ["null", _avro_type(hive.children[1], path + "_v")]}
    if hive.name == "struct":
        fields = [
            {"name": name, "type": ["null", _avro_type(child, f"{path}_{i}")], "default": None}
            for i, (name, child) in enumerate(hive.fields)
        ]
        return {"type": "record", "name": path, "fields": fields}
    if hive.name == "decimal":
        precision, scale = hive.arguments
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    if hive.name in ("char", "varchar"):
        return {"type": "string", "logicalType": hive.name, "maxLength": hive.arguments[0]}
    return _WRITTEN[hive.name]


_WRITTEN: dict[str, Schema] = {
    "boolean": "boolean", "tinyint": "int", "smallint": "int", "int": "int", "bigint": "long", "float": "float",
    "double": "double", "string": "string", "binary": "bytes", "date": {"type": "int", "logicalType": "date"},
    "timestamp": {"type": "long", "logicalType": "timestamp-millis"},
    LTZ: {"type": "long", "logicalType": "timestamp-millis"},
}  # fmt: skip


def records(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as fastavro writes them: maps as dictionaries, moments in UTC."""
    columns = [_python(batch.column(i)) for i in range(batch.num_columns)]
    return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _python(values: pa.Array) -> list[Any]:
    dtype = values.type
    if pa.types.is_timestamp(dtype):
        return values.cast(pa.timestamp("us")).cast(TIMESTAMPTZ).to_pylist()
    if pa.types.is_list(dtype):
        return [None if v is None else _python(v) for v in _parts(values, values.values)]
    if pa.types.is_map(dtype):
        keys, items = _parts(values, values.keys), _parts(values, values.items)
        return [
            None if k is None else dict(zip(_python(k), _python(i), strict=True))
            for k, i in zip(keys, items, strict=True)
        ]
    if pa.types.is_struct(dtype):
        names = [dtype.field(i).name for i in range(dtype.num_fields)]
        rows = zip(*(_python(values.field(i)) for i in range(dtype.num_fields)), strict=True)
        nulls = values.is_null().to_pylist()
        return [None if n else dict(zip(names, row, strict=True)) for n, row in zip(nulls, rows, strict=True)]
    return list(values.to_pylist())


def _parts(values: pa.Array, children: pa.Array) -> Iterator[pa.Array | None]:
    """Each value's items."""
    offsets = values.offsets.to_pylist()
    for i, is_null in enumerate(values.is_null().to_pylist()):
        yield None if is_null else children.slice(offsets[i], offsets[i + 1] - offsets[i])
