"""Avro container files, made and read by the package fastavro."""

from __future__ import annotations

import builtins
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from sqlengine import errors
from sqlengine.warehouse import avro_columns, read
from tests.warehouse.conftest import described, tuples

SCHEMA: dict[str, Any] = {
    "type": "record", "name": "r", "fields": [
        {"name": "Id", "type": "long"},
        {"name": "name", "type": ["null", "string"], "default": None},
        {"name": "tags", "type": {"type": "array", "items": ["null", "string"]}},
        {"name": "props", "type": {"type": "map", "values": "int"}},
        {"name": "inner", "type": {"type": "record", "name": "i", "fields": [{"name": "x", "type": "double"}]}},
        {"name": "kind", "type": {"type": "enum", "name": "k", "symbols": ["A", "B"]}},
        {"name": "code", "type": {"type": "fixed", "name": "f", "size": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        {"name": "again", "type": ["null", "i"], "default": None},
    ],
}  # fmt: skip
COLUMNS = [
    ("id", "int"), ("name", "varchar(3)"), ("tags", "array<string>"), ("props", "map<string,bigint>"),
    ("inner", "struct<x:double,y:int>"), ("kind", "string"), ("code", "binary"), ("day", "date"), ("at", "timestamp"),
    ("price", "decimal(6,2)"), ("again", "struct<x:double>"), ("missing", "int"),
]  # fmt: skip
ROW = {
    "Id": 1, "name": "abcd", "tags": ["a", None], "props": {"k": 5}, "inner": {"x": 0.5}, "kind": "B", "code": b"xy",
    "day": dt.date(2024, 1, 1), "at": dt.datetime(2024, 1, 1, 10, tzinfo=dt.UTC), "price": Decimal("1.50"),
    "again": None,
}  # fmt: skip
EXPECTED = (
    1, "abc", ["a", None], [("k", 5)], {"x": 0.5, "y": None}, "B", b"xy", dt.date(2024, 1, 1),
    dt.datetime(2024, 1, 1, 10), Decimal("1.50"), None, None,
)  # fmt: skip


def write(path: Path, schema: Any, rows: list[dict[str, Any]], codec: str = "null") -> None:
    with path.open("wb") as out:
        fastavro.writer(out, schema, rows, codec=codec)


def rows_of(path: Path, columns: list[tuple[str, str]], wanted: list[str] | None = None, **more: Any) -> list[Any]:
    return tuples(list(read(str(path), described(path.parent, columns, file_format="avro", **more), wanted)))


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2"])
def test_all_types_are_read(tmp_path: Path, codec: str) -> None:
    write(tmp_path / "f", SCHEMA, [ROW, {**ROW, "name": None, "again": {"x": 2.0}}], codec)
    second = (1, None, *EXPECTED[2:10], {"x": 2.0}, None)
    assert rows_of(tmp_path / "f", COLUMNS) == [EXPECTED, second]
    assert rows_of(tmp_path / "f", COLUMNS, ["day", "id"]) == [(dt.date(2024, 1, 1), 1)] * 2


def test_many_rows_come_in_batches(tmp_path: Path) -> None:
    schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}]}
    write(tmp_path / "f", schema, [{"a": i} for i in range(25_000)])
    assert rows_of(tmp_path / "f", [("a", "int")]) == [(i,) for i in range(25_000)]


def test_a_declared_schema_gives_defaults_and_aliases(tmp_path: Path) -> None:
    old = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}, {"name": "old", "type": "string"}]}
    write(tmp_path / "f", old, [{"a": 1, "old": "x"}])
    new = {"type": "record", "name": "r", "fields": [
        {"name": "a", "type": "long"},
        {"name": "b", "type": "string", "aliases": ["old"]},
        {"name": "c", "type": "string", "default": "d"},
    ]}  # fmt: skip
    columns = [("a", "bigint"), ("b", "string"), ("c", "string")]
    literal = {"avro.schema.literal": json.dumps(new)}
    assert rows_of(tmp_path / "f", columns, properties=literal) == [(1, "x", "d")]
    assert rows_of(tmp_path / "f", columns) == [(1, None, None)]


@pytest.mark.parametrize(
    ("literal", "error"),
    [("{", errors.InvalidParameter), ('"int"', errors.InvalidParameter), ("[]", errors.InvalidParameter)],
)
def test_bad_schemas(tmp_path: Path, literal: str, error: type[errors.Error]) -> None:
    write(tmp_path / "f", SCHEMA, [ROW])
    with pytest.raises(error, match="avro.schema.literal"):
        rows_of(tmp_path / "f", COLUMNS, properties={"avro.schema.literal": literal})
    with pytest.raises(errors.NotSupportedError, match="url"):
        rows_of(tmp_path / "f", COLUMNS, properties={"avro.schema.url": "http://x"})


def test_columns_of_a_declared_schema() -> None:
    """The types that Hive's documentation of AvroSerDe gives them."""
    assert [(name, hive) for name, hive, _ in avro_columns(json.dumps(SCHEMA))] == [
        ("id", "bigint"), ("name", "string"), ("tags", "array<string>"), ("props", "map<string,int>"),
        ("inner", "struct<x:double>"), ("kind", "string"), ("code", "binary"), ("day", "date"), ("at", "timestamp"),
        ("price", "decimal(6,2)"), ("again", "struct<x:double>"),
    ]  # fmt: skip
    for bad in ("{", '{"type": "record", "fields": [{}]}', '{"type": "record", "fields": [{"name": "a", "type": 5}]}'):
        with pytest.raises(errors.InvalidParameter, match="avro.schema.literal"):
            avro_columns(bad)


def test_unions_of_types_and_damage_are_refused(tmp_path: Path) -> None:
    schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": ["int", "string"]}]}
    write(tmp_path / "f", schema, [{"a": 1}])
    with pytest.raises(errors.NotSupportedError, match="unions"):
        rows_of(tmp_path / "f", [("a", "int")])
    write(tmp_path / "g", SCHEMA, [ROW] * 100)
    data = (tmp_path / "g").read_bytes()
    (tmp_path / "g").write_bytes(data[:-40])
    with pytest.raises(errors.DataCorrupted, match="/g"):
        rows_of(tmp_path / "g", COLUMNS)


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "f", SCHEMA, [ROW])
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "fastavro":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(errors.NotSupportedError, match="fastavro") as caught:
        rows_of(tmp_path / "f", COLUMNS)
    assert "sqlengine-db[hive]" in (caught.value.hint or "")
