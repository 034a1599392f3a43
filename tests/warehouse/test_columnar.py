"""Parquet and ORC files that are older than their table, or of others: DuckDB, pyarrow and polars."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from sqlengine import errors
from sqlengine.warehouse import parse_type, read
from sqlengine.warehouse.casting import as_hive
from tests.warehouse.conftest import described, tuples

FORMATS = ["parquet", "orc"]


def write(table: pa.Table, path: Path, file_format: str) -> None:
    if file_format == "parquet":
        pq.write_table(table, path)
    else:
        orc.write_table(table, path)


def rows_of(path: Path, columns: list[tuple[str, str]], wanted: list[str] | None = None, **more: Any) -> list[Any]:
    return tuples(list(read(str(path), described(path.parent, columns, **more), wanted)))


@pytest.mark.parametrize("file_format", FORMATS)
def test_columns_are_found_by_name_and_missing_ones_are_null(tmp_path: Path, file_format: str) -> None:
    made = pa.table({"B": ["x", None], "a": pa.array([1, 2], pa.int32()), "extra": [0.5, 0.5]})
    write(made, tmp_path / "f", file_format)
    columns = [("a", "bigint"), ("new", "array<int>"), ("b", "string")]
    assert rows_of(tmp_path / "f", columns, file_format=file_format) == [(1, None, "x"), (2, None, None)]
    assert rows_of(tmp_path / "f", columns, ["b", "a"], file_format=file_format) == [("x", 1), (None, 2)]
    assert rows_of(tmp_path / "f", columns, ["new"], file_format=file_format) == [(None,), (None,)]
    offset = rows_of(tmp_path / "f", columns, ["block__offset__inside__file", "a"], file_format=file_format)
    assert offset == [(0, 1), (1, 2)]
    batches = list(read(str(tmp_path / "f"), described(tmp_path, columns, file_format=file_format), []))
    assert sum(batch.num_rows for batch in batches) == 2


def test_old_orc_files_are_found_by_position(tmp_path: Path) -> None:
    orc.write_table(pa.table({"_col0": [1, 2], "_col1": ["x", "y"]}), tmp_path / "f")
    columns = [("a", "int"), ("b", "string"), ("c", "int")]
    assert rows_of(tmp_path / "f", columns, file_format="orc") == [(1, "x", None), (2, "y", None)]
    orc.write_table(pa.table({"b": [1], "a": [2]}), tmp_path / "g")
    forced = {"orc.force.positional.evolution": "true"}
    assert rows_of(tmp_path / "g", [("a", "int"), ("b", "int")], file_format="orc") == [(2, 1)]
    assert rows_of(tmp_path / "g", [("a", "int"), ("b", "int")], file_format="orc", properties=forced) == [(1, 2)]


def test_parquet_columns_by_position(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1], "y": [2]}), tmp_path / "f")
    access = {"parquet.column.index.access": "true"}
    found = rows_of(tmp_path / "f", [("a", "int"), ("b", "int")], file_format="parquet", serde_properties=access)
    assert found == [(1, 2)]


@pytest.mark.parametrize("file_format", FORMATS)
def test_nested_values(tmp_path: Path, file_format: str) -> None:
    kind = pa.struct([("X", pa.int32()), ("gone", pa.string())])
    made = pa.table({
        "l": pa.array([[1, None], None, []], pa.list_(pa.int32())),
        "m": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int32())),
        "s": pa.array([{"X": 1, "gone": "g"}, None, {"X": None, "gone": None}], kind),
    })  # fmt: skip
    write(made, tmp_path / "f", file_format)
    columns = [("l", "array<bigint>"), ("m", "map<string,string>"), ("s", "struct<x:bigint,added:string>")]
    assert rows_of(tmp_path / "f", columns, file_format=file_format) == [
        ([1, None], [("k", "1")], {"x": 1, "added": None}),
        (None, None, None),
        ([], [], {"x": None, "added": None}),
    ]


@pytest.mark.parametrize(
    ("values", "arrow", "hive", "expected"),
    [
        ([1, None], pa.int8(), "bigint", [1, None]),
        ([300, 127, -129, None], pa.int32(), "tinyint", [None, 127, None, None]),
        ([2**63 - 1, 2**31], pa.int64(), "int", [None, None]),
        ([2**64 - 1, 5], pa.uint64(), "bigint", [None, 5]),
        ([1.9, -1.9, 1e20, float("nan"), None], pa.float64(), "int", [1, -1, None, None, None]),
        ([Decimal("12.75"), Decimal("-99999999.99")], pa.decimal128(10, 2), "smallint", [12, None]),
        ([Decimal("12.75"), Decimal("-999.99")], pa.decimal128(10, 2), "decimal(4,1)", [Decimal("12.8"), None]),
        ([1, 1000], pa.int32(), "decimal(4,1)", [Decimal("1.0"), None]),
        ([0.1, 1e7], pa.float64(), "decimal(10,2)", [Decimal("0.10"), Decimal("10000000.00")]),
        ([1, 2], pa.int32(), "double", [1.0, 2.0]),
        ([0.5], pa.float64(), "float", [0.5]),
        ([0, 2, None], pa.int32(), "boolean", [False, True, None]),
        ([True, None], pa.bool_(), "int", [1, None]),
        ([1, None], pa.int32(), "string", ["1", None]),
        ([1e20, 1.0], pa.float64(), "string", ["1.0E20", "1.0"]),
        ([True], pa.bool_(), "varchar(2)", ["tr"]),
        (["12", "x", " 1", None], pa.string(), "int", [12, None, None, None]),
        (["abc", "a"], pa.large_string(), "char(2)", ["ab", "a "]),
        ([b"\xff", b"a"], pa.binary(), "string", ["\ufffd", "a"]),
        (["YQ=="], pa.string(), "binary", [b"YQ=="]),
        ([dt.date(2024, 1, 2), None], pa.date32(), "timestamp", [dt.datetime(2024, 1, 2), None]),
        ([dt.datetime(2024, 1, 2, 3), dt.datetime(1969, 12, 31, 23)], pa.timestamp("ns"), "date",
         [dt.date(2024, 1, 2), dt.date(1969, 12, 31)]),
        ([dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC)], pa.timestamp("ms", "Asia/Tokyo"), "timestamp",
         [dt.datetime(2024, 1, 2, 3)]),
        ([dt.datetime(2024, 1, 2, 3)], pa.timestamp("s"), "timestamp with local time zone",
         [dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC)]),
        ([None, None], pa.null(), "int", [None, None]),
        (["a", "b", "a"], pa.dictionary(pa.int8(), pa.string()), "string", ["a", "b", "a"]),
        ([[1, 2]], pa.list_(pa.int8(), 2), "array<int>", [[1, 2]]),
        ([[1], None], pa.large_list(pa.int8()), "array<string>", [["1"], None]),
    ],
)  # fmt: skip
def test_values_become_the_tables_types(values: list[Any], arrow: pa.DataType, hive: str, expected: list[Any]) -> None:
    made = pa.array(values, arrow)
    found = as_hive(made, parse_type(hive))
    assert (found.type, found.to_pylist()) == (parse_type(hive).arrow, expected)
    assert as_hive(pa.concat_arrays([made, made]).slice(len(values)), parse_type(hive)).to_pylist() == expected


@pytest.mark.parametrize(
    ("arrow", "hive"),
    [(pa.int32(), "array<int>"), (pa.list_(pa.int32()), "int"), (pa.int32(), "date"), (pa.date32(), "int"),
     (pa.float64(), "binary"), (pa.struct([("a", pa.int32())]), "map<string,int>")],
)  # fmt: skip
def test_types_that_cannot_be_one_another(tmp_path: Path, arrow: pa.DataType, hive: str) -> None:
    pq.write_table(pa.table({"a": pa.nulls(1, arrow)}), tmp_path / "f")
    with pytest.raises(errors.DatatypeMismatch, match='column "a" of file .*/f"'):
        rows_of(tmp_path / "f", [("a", hive)], file_format="parquet")


@pytest.mark.parametrize("file_format", [*FORMATS, "avro"])
def test_files_of_another_kind_say_so(tmp_path: Path, file_format: str) -> None:
    (tmp_path / "f").write_bytes(b"these are no columns, and long enough to be looked into for them")
    with pytest.raises(errors.DataCorrupted, match="/f"):
        rows_of(tmp_path / "f", [("a", "int")], file_format=file_format)
    with pytest.raises(errors.FileUnavailable, match="gone"):
        rows_of(tmp_path / "gone", [("a", "int")], file_format=file_format)


def test_parquet_of_duckdb_and_polars(tmp_path: Path) -> None:
    path = tmp_path / "duck"
    with duckdb.connect() as db:
        db.execute(
            f"COPY (SELECT 1::TINYINT a, 'x' b, [1, 2] c, {{'k': 1.5}} d, MAP {{'m': DATE '2024-01-01'}} e, "
            f"TIMESTAMP '2024-01-01 10:00:00.123456' f, 12.5::DECIMAL(5,2) g) TO '{path}' (FORMAT parquet)"
        )
    columns = [("a", "int"), ("b", "string"), ("c", "array<bigint>"), ("d", "struct<k:double>"),
               ("e", "map<string,date>"), ("f", "timestamp"), ("g", "decimal(5,2)")]  # fmt: skip
    assert rows_of(path, columns, file_format="parquet") == [
        (1, "x", [1, 2], {"k": 1.5}, [("m", dt.date(2024, 1, 1))], dt.datetime(2024, 1, 1, 10, 0, 0, 123456),
         Decimal("12.50")),
    ]  # fmt: skip
    pl.DataFrame({"b": ["y", None], "a": [1, None], "c": [[1], None]}).write_parquet(tmp_path / "polars")
    assert rows_of(tmp_path / "polars", columns[:3], file_format="parquet") == [(1, "y", [1]), (None, None, None)]


def test_timestamps_as_int96(tmp_path: Path) -> None:
    """As Hive and older Sparks write them."""
    moments = [dt.datetime(2024, 1, 1, 10, 0, 0, 123456), dt.datetime(1900, 1, 1), None]
    pq.write_table(
        pa.table({"t": pa.array(moments, pa.timestamp("us"))}), tmp_path / "f", use_deprecated_int96_timestamps=True
    )
    assert rows_of(tmp_path / "f", [("t", "timestamp")], file_format="parquet") == [(m,) for m in moments]
