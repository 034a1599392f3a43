"""Directories of partitions: names as Hive's FileUtils makes them, and what DuckDB and pyarrow have written."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlengine import errors
from sqlengine.warehouse import (
    Overrides,
    Partition,
    TableDescription,
    data_files,
    describe,
    find_partitions,
    matching,
    parse_partition_name,
    partition_at,
    partition_name,
    prune,
    table_location,
    typed_values,
)


def table(path: Path, *partitions: tuple[str, str]) -> TableDescription:
    return describe(
        "t", [("a", "int", "")], str(path), partition_columns=[(name, kind, "") for name, kind in partitions]
    )


def test_places_of_tables() -> None:
    assert table_location("/w", "default", "T") == "/w/t"
    assert table_location("/w", "Sales", "a:b") == "/w/sales.db/a%3Ab"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("2024-01-01", "p=2024-01-01"),
        ("2024-01-01 10:00:00", "p=2024-01-01 10%3A00%3A00"),
        ("a/b=c%d", "p=a%2Fb%3Dc%25d"),
        ("\"#'*?\\{[]^\x7f\x01\n", "p=%22%23%27%2A%3F%5C%7B%5B%5D%5E%7F%01%0A"),
        ("é ü}", "p=é ü}"),
        (None, "p=__HIVE_DEFAULT_PARTITION__"),
        ("..", "p=.."),
    ],
)
def test_names_are_escaped_as_hive_does(value: str | None, name: str) -> None:
    """The characters are FileUtils.charToEscape's."""
    assert partition_name(["p"], (value,)) == name
    assert parse_partition_name(["p"], name) == (value,)


@given(st.lists(st.one_of(st.none(), st.text(min_size=1)), min_size=1, max_size=3))
def test_names_lead_back_to_values(values: list[str | None]) -> None:
    columns = [f"c{i}" for i in range(len(values))]
    name = partition_name(columns, tuple(values))
    assert parse_partition_name(columns, name) == tuple(values)
    assert name.count("/") == len(values) - 1


@pytest.mark.parametrize("name", ["a=1/b=2", "b=1", "a", "a1", "a=1/"])
def test_other_directories_are_no_partitions(name: str) -> None:
    assert parse_partition_name(["a"], name) is None


def test_partitions_are_listed_with_their_types(tmp_path: Path) -> None:
    for name in ("ds=2024-01-01/hr=11", "DS=2024-01-01/hr=09", "ds=__HIVE_DEFAULT_PARTITION__/hr=x", "ds=bad", ".hive",
                 "_tmp", "other=1/hr=1", "ds=2024-01-02/hr=1/deeper"):  # fmt: skip
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ds=2024-01-03").write_text("a file is no partition")
    described = table(tmp_path, ("ds", "date"), ("hr", "int"))
    found = find_partitions(described)
    assert [p.values for p in found] == [
        ("2024-01-01", "09"), ("2024-01-01", "11"), ("2024-01-02", "1"), (None, "x"),
    ]  # fmt: skip
    assert typed_values(described, found).to_pylist() == [
        {"ds": dt.date(2024, 1, 1), "hr": 9},
        {"ds": dt.date(2024, 1, 1), "hr": 11},
        {"ds": dt.date(2024, 1, 2), "hr": 1},
        {"ds": None, "hr": None},
    ]
    kept = prune(described, found, lambda rows: pc.greater(rows["hr"], 5))
    assert [p.values[1] for p in kept] == ["09", "11"]
    assert matching(found, {0: "2024-01-01"}) == found[:2]
    with pytest.raises(errors.DatatypeMismatch):
        prune(described, found, lambda rows: rows["hr"])
    assert partition_at(described, ("2024-01-01", "09")).location == f"{tmp_path}/DS=2024-01-01/hr=09"
    assert partition_at(described, ("2025-01-01", "1")).location == f"{tmp_path}/ds=2025-01-01/hr=1"
    with pytest.raises(errors.InvalidParameter, match="2 values, not 1"):
        partition_at(described, ("x",))


def test_overrides_move_and_hide_partitions(tmp_path: Path) -> None:
    for name in ("p=1", "p=2"):
        (tmp_path / name).mkdir()
    described = table(tmp_path, ("p", "int"))
    overrides = Overrides({("3",): "/elsewhere", ("2",): "/moved"}, frozenset([("1",)]))
    assert find_partitions(described, overrides) == [Partition(("2",), "/moved"), Partition(("3",), "/elsewhere")]
    assert partition_at(described, ("3",), overrides).location == "/elsewhere"


def test_a_table_without_partitions_is_one_and_a_missing_one_has_none(tmp_path: Path) -> None:
    assert find_partitions(table(tmp_path / "none")) == [Partition((), f"{tmp_path}/none")]
    assert find_partitions(table(tmp_path / "none", ("p", "int"))) == []
    assert data_files(str(tmp_path / "none")) == []


def test_hidden_files_and_folders_below_are_no_data(tmp_path: Path) -> None:
    for name in ("b", "a", "_SUCCESS", ".a.crc"):
        (tmp_path / name).write_text("xy")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c").write_text("z")
    assert [Path(f.path).name for f in data_files(str(tmp_path))] == ["a", "b"]
    found = data_files(str(tmp_path), has_subdirectories=True)
    assert [(Path(f.path).name, f.size) for f in found] == [("a", 2), ("b", 2), ("c", 1)]
    assert found[0].inode == (tmp_path / "a").stat().st_ino and found[0].mtime_ns == (tmp_path / "a").stat().st_mtime_ns


VALUES = ["plain", "with space", "a/b", "k=v", "50%", "ü:é", None]


def test_partitions_of_duckdb_are_found(tmp_path: Path) -> None:
    rows = pa.table({"a": list(range(len(VALUES))), "p": VALUES, "n": [1, 1, 2, 2, 3, 3, 4]})
    path = tmp_path / "t"
    with duckdb.connect() as db:
        db.register("rows", rows)
        db.execute(f"COPY rows TO '{path}' (FORMAT parquet, PARTITION_BY (n, p))")
    found = find_partitions(table(path, ("n", "int"), ("p", "string")))
    expected = sorted(zip(map(str, rows["n"].to_pylist()), VALUES, strict=True), key=str)
    assert sorted((p.values for p in found), key=str) == expected


def test_partitions_of_pyarrow_are_found(tmp_path: Path) -> None:
    rows = pa.table({"a": list(range(len(VALUES))), "p": VALUES})
    path = tmp_path / "t"
    flavour = ds.partitioning(pa.schema([("p", pa.string())]), flavor="hive")
    ds.write_dataset(rows, path, format="parquet", partitioning=flavour)
    found = find_partitions(table(path, ("p", "string")))
    assert sorted((p.values[0] for p in found), key=str) == sorted(VALUES, key=str)
