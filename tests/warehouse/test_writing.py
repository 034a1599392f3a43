"""Rows written and found again: by our own reader, DuckDB, pyarrow and polars; partitions static, dynamic and mixed."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlengine import errors
from sqlengine.warehouse import (
    Overrides,
    TableDescription,
    find_partitions,
    read_table,
    write_directory,
    write_rows,
)
from tests.depth import rounds
from tests.warehouse.conftest import described, tuples

FORMATS = ["textfile", "parquet", "orc", "avro", "jsonfile"]
COLUMNS = [
    ("a", "int"), ("b", "string"), ("c", "double"), ("d", "decimal(7,2)"), ("e", "date"), ("f", "timestamp"),
    ("g", "boolean"), ("h", "binary"), ("i", "array<string>"), ("j", "map<string,array<int>>"),
    ("k", "struct<x:bigint,y:array<struct<z:string>>>"), ("l", "tinyint"), ("m", "float"),
]  # fmt: skip
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
SMALL = st.integers(-(2**31), 2**31 - 1)
MOMENTS = st.datetimes(dt.datetime(1678, 1, 1), dt.datetime(2261, 1, 1)).map(
    lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)
)
VALUES = {
    "a": SMALL, "b": TEXTS, "c": st.floats(allow_nan=False, allow_infinity=False),
    "d": st.decimals(-9999, 9999, places=2), "e": st.dates(dt.date(1, 1, 1)), "f": MOMENTS, "g": st.booleans(),
    "h": st.binary(min_size=1, max_size=5),
    # in text an array of one NULL is written as a NULL is
    "i": st.lists(st.one_of(st.none(), TEXTS.filter(bool)), min_size=1, max_size=3).filter(lambda v: v != [None]),
    "j": st.dictionaries(TEXTS.filter(bool), st.lists(SMALL, min_size=1, max_size=2), min_size=1, max_size=2).map(
        lambda d: list(d.items())),
    "k": st.fixed_dictionaries({"x": st.one_of(st.none(), SMALL), "y": st.lists(
        st.fixed_dictionaries({"z": TEXTS.filter(bool)}), min_size=1, max_size=2)}),
    "l": st.integers(-128, 127), "m": st.floats(width=32, allow_nan=False, allow_infinity=False),
}  # fmt: skip
ROWS = st.lists(st.tuples(*(st.one_of(st.none(), VALUES[name]) for name, _ in COLUMNS)), min_size=1, max_size=6)


def batch_of(table: TableDescription, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    schema = table.row_schema
    columns = zip(*rows, strict=True) if rows else [[] for _ in schema]
    return pa.RecordBatch.from_arrays(
        [pa.array(values, f.type) for values, f in zip(columns, schema, strict=True)], schema=schema
    )


def rows_of(table: TableDescription, **more: Any) -> list[tuple[Any, ...]]:
    return tuples(list(read_table(table, **more)))


def files_of(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


counter = itertools.count()


@pytest.mark.slow
@settings(max_examples=rounds(16, 40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, file_format=st.sampled_from(FORMATS))
def test_all_types_come_back_in_every_format(tmp_path: Path, rows: list[tuple[Any, ...]], file_format: str) -> None:
    more: dict[str, Any] = {"serde_properties": {"escape.delim": "\\"}} if file_format == "textfile" else {}
    table = described(tmp_path / f"t{next(counter)}", COLUMNS, file_format=file_format, **more)
    written = write_rows(table, [batch_of(table, rows)])
    assert (written.rows, written.files) == (len(rows), 1)
    assert rows_of(table) == rows


def test_text_files_are_hives(tmp_path: Path) -> None:
    """The bytes that LazySimpleSerDe.serialize gives: ^A, ^B, ^C, \\N; doubles as Java's, decimals with their scale."""
    columns = [("a", "int"), ("l", "array<int>"), ("m", "map<string,int>"), ("s", "struct<x:double,y:array<string>>"),
               ("c", "char(3)"), ("v", "varchar(2)"), ("d", "decimal(5,2)"), ("b", "boolean"), ("t", "timestamp"),
               ("x", "binary")]  # fmt: skip
    table = described(tmp_path / "t", columns)
    row = (1, [1, None], [("k", 1), ("j", None)], {"x": 1e20, "y": ["p", "q"]}, "a", "abc", Decimal("1.5"), True,
           dt.datetime(2024, 1, 1, 10), b"abc")  # fmt: skip
    write_rows(table, [batch_of(table, [row, (None,) * 10])])
    (name,) = files_of(tmp_path / "t")
    first = "1|1,\\N|k:1,j:\\N|1.0E20,p:q|a  |ab|1.50|true|2024-01-01 10:00:00|YWJj"
    marks = str.maketrans({"|": "\1", ",": "\2"})
    expected = first.translate(marks).replace("k:1", "k\3" + "1").replace("j:", "j\3").replace("p:q", "p\3q")
    assert (tmp_path / "t" / name).read_text() == expected + "\n" + "\1".join(["\\N"] * 10) + "\n"


def test_json_and_csv_files_are_read_by_others(tmp_path: Path) -> None:
    table = described(
        tmp_path / "j", [("a", "int"), ("b", "array<date>"), ("c", "map<string,double>")], file_format="jsonfile"
    )
    write_rows(table, [batch_of(table, [(1, [dt.date(2024, 1, 1)], [("k", 0.5)]), (None, None, None)])])
    (name,) = files_of(tmp_path / "j")
    lines = [json.loads(line) for line in (tmp_path / "j" / name).read_text().splitlines()]
    assert lines == [{"a": 1, "b": ["2024-01-01"], "c": {"k": 0.5}}, {"a": None, "b": None, "c": None}]
    for properties in ({}, {"escapeChar": "\\"}, {"escapeChar": '"', "quoteChar": '"'}):
        place = tmp_path / f"c{len(properties)}"
        csv = described(place, [("a", "string"), ("b", "string")],
                        serde_class="org.apache.hadoop.hive.serde2.OpenCSVSerde",
                        serde_properties=properties)  # fmt: skip
        rows = [("x,y", 'a "q" b'), ("", "z\\w" if properties == {} else "zw")]
        write_rows(csv, [batch_of(csv, rows)])
        (name,) = files_of(place)
        text = (place / name).read_text()
        assert text.startswith('"x,y",' + ('"a \\"q\\" b"' if len(properties) == 1 else '"a ""q"" b"'))
        if len(properties) != 1:
            with duckdb.connect() as db:
                found = db.execute(f"FROM read_csv('{place}/{name}', header = false, all_varchar = true)").fetchall()
            assert found == [("x,y", 'a "q" b'), (None, rows[1][1])] or found == rows


def test_avro_files_are_read_by_fastavro(tmp_path: Path) -> None:
    table = described(
        tmp_path / "t", [("a", "tinyint"), ("m", "map<varchar(3),int>"), ("d", "decimal(5,2)")], file_format="avro"
    )
    write_rows(table, [batch_of(table, [(1, [("k", 2)], Decimal("1.50")), (None, None, None)])])
    (name,) = files_of(tmp_path / "t")
    with (tmp_path / "t" / name).open("rb") as data:
        found = list(fastavro.reader(data))
    assert found == [{"a": 1, "m": {"k": 2}, "d": Decimal("1.50")}, {"a": None, "m": None, "d": None}]
    keys = described(tmp_path / "u", [("m", "map<int,int>")], file_format="avro")
    with pytest.raises(errors.DatatypeMismatch, match="keys of maps"):
        write_rows(keys, [batch_of(keys, [([(1, 2)],)])])


# ---------------------------------------------------------------- partitions

PARTITIONS = [("ds", "date"), ("hr", "int")]


def partitioned(path: Path, file_format: str = "parquet", **more: Any) -> TableDescription:
    return described(path, [("a", "int"), ("b", "string")], PARTITIONS, file_format=file_format, **more)


DAY, NEXT = dt.date(2024, 1, 1), dt.date(2024, 1, 2)


def some(table: TableDescription) -> pa.RecordBatch:
    return batch_of(
        table, [(1, "x", DAY, 1), (2, None, NEXT, 1), (3, "z", DAY, 1), (4, "w", None, 2), (5, "v", DAY, None)]
    )


@pytest.mark.parametrize("file_format", FORMATS)
def test_dynamic_partitions_go_to_their_directories(tmp_path: Path, file_format: str) -> None:
    table = partitioned(tmp_path / "t", file_format)
    written = write_rows(table, [some(table), some(table).slice(0, 1)])
    assert written.rows == 6 and sorted(written.partitions, key=str) == sorted(
        [("2024-01-01", "1"), ("2024-01-02", "1"), (None, "2"), ("2024-01-01", None)], key=str
    )
    assert {Path(name).parent.as_posix() for name in files_of(tmp_path / "t")} == {
        "ds=2024-01-01/hr=1", "ds=2024-01-02/hr=1", "ds=__HIVE_DEFAULT_PARTITION__/hr=2",
        "ds=2024-01-01/hr=__HIVE_DEFAULT_PARTITION__",
    }  # fmt: skip
    expected = sorted(tuples([some(table)]) + tuples([some(table).slice(0, 1)]), key=str)
    assert sorted(rows_of(table), key=str) == expected


def test_partitions_are_read_by_others(tmp_path: Path) -> None:
    table = partitioned(tmp_path / "t")
    write_rows(table, [some(table).slice(0, 3)])
    with duckdb.connect() as db:
        found = db.execute(
            f"SELECT a, b, ds, hr FROM read_parquet('{tmp_path}/t/*/*/*.parquet', hive_partitioning = true) ORDER BY a"
        ).fetchall()
    assert found == [(1, "x", DAY, 1), (2, None, NEXT, 1), (3, "z", DAY, 1)]
    flavour = ds.partitioning(pa.schema([("ds", pa.date32()), ("hr", pa.int32())]), flavor="hive")
    seen = ds.dataset(tmp_path / "t", format="parquet", partitioning=flavour).to_table().sort_by("a")
    assert tuples(seen.select(["a", "b", "ds", "hr"]).to_batches()) == found


def test_static_and_mixed_partitions(tmp_path: Path) -> None:
    table = partitioned(tmp_path / "t")
    rows = batch_of(table, [(1, "x", DAY, 1), (2, "y", DAY, 2)])
    plain, mixed = rows.select(["a", "b"]), rows.select(["a", "b", "hr"])
    assert write_rows(table, [plain], static={"DS": "2024-01-01", "hr": "07"}).partitions == (("2024-01-01", "7"),)
    written = write_rows(table, [mixed], static={"ds": "2024-01-02"})
    assert set(written.partitions) == {("2024-01-02", "1"), ("2024-01-02", "2")}
    assert write_rows(table, [plain], static={"ds": None, "hr": ""}).partitions == ((None, None),)
    assert [p.values for p in find_partitions(table)] == [
        ("2024-01-01", "7"), ("2024-01-02", "1"), ("2024-01-02", "2"), (None, None),
    ]  # fmt: skip


def test_overwrite_replaces_only_what_it_touches(tmp_path: Path) -> None:
    table = partitioned(tmp_path / "t")
    write_rows(table, [some(table)])
    fresh = batch_of(table, [(9, "n", DAY, 1)])
    assert write_rows(table, [fresh], mode="overwrite").partitions == (("2024-01-01", "1"),)
    assert sorted(rows_of(table), key=str) == sorted(
        [(9, "n", DAY, 1), *tuples([some(table)])[1:2], *tuples([some(table)])[3:]], key=str
    )
    nothing = fresh.slice(0, 0)
    write_rows(table, [nothing], mode="overwrite")
    assert len(rows_of(table)) == 4, "no rows, no dynamic partition"
    write_rows(table, [nothing.select(["a", "b"])], mode="overwrite", static={"ds": "2024-01-01", "hr": "1"})
    write_rows(table, [], mode="overwrite", static={"ds": "2024-01-02", "hr": "1"})
    assert sorted(r[0] for r in rows_of(table)) == [4, 5], "a stated partition is emptied"
    assert ("2024-01-01", "1") in [p.values for p in find_partitions(table)], "it is still there"


def test_if_not_exists_leaves_a_partition_alone(tmp_path: Path) -> None:
    table = partitioned(tmp_path / "t")
    rows = batch_of(table, [(1, "x", DAY, 1)]).select(["a", "b"])
    stated = {"ds": "2024-01-01", "hr": "1"}
    assert not write_rows(table, [rows], mode="overwrite", static=stated, if_not_exists=True).was_there
    again = write_rows(table, [rows, rows], mode="overwrite", static=stated, if_not_exists=True)
    assert again.was_there and again.rows == 0 and rows_of(table) == [(1, "x", DAY, 1)]
    with pytest.raises(errors.InvalidDefinition, match="IF NOT EXISTS"):
        write_rows(table, [rows], static={"ds": "2024-01-01"}, if_not_exists=True)


def test_a_table_without_partitions_is_replaced_whole(tmp_path: Path) -> None:
    table = described(tmp_path / "t", [("a", "int")], file_format="parquet")
    (tmp_path / "t" / "sub").mkdir(parents=True)
    (tmp_path / "t" / "sub" / "old").write_text("x")
    (tmp_path / "t" / "_SUCCESS").write_text("")
    write_rows(table, [batch_of(table, [(1,), (2,)])], mode="overwrite")
    assert rows_of(table) == [(1,), (2,)]
    write_rows(table, [batch_of(table, [(3,)])])
    assert sorted(rows_of(table)) == [(1,), (2,), (3,)]
    write_rows(table, [], mode="overwrite")
    assert rows_of(table) == [] and files_of(tmp_path / "t") == ["_SUCCESS"]


def test_partitions_with_places_of_their_own(tmp_path: Path) -> None:
    table = partitioned(tmp_path / "t")
    overrides = Overrides({("2024-01-01", "1"): str(tmp_path / "else where")})
    write_rows(table, [some(table)], overrides=overrides)
    assert [Path(name).suffix for name in files_of(tmp_path / "else where")] == [".parquet"]
    assert sorted(rows_of(table, overrides=overrides), key=str) == sorted(tuples([some(table)]), key=str)
    write_rows(table, [batch_of(table, [(9, "n", DAY, 1)])], mode="overwrite", overrides=overrides)
    assert len(rows_of(table, overrides=overrides)) == 4


def test_values_become_the_tables_types(tmp_path: Path) -> None:
    table = described(tmp_path / "t", [("a", "tinyint"), ("c", "char(3)"), ("v", "varchar(2)")], [("p", "int")])
    rows = pa.record_batch(
        {"x": [1, 300, None], "y": ["a", "abcdef", None], "z": [12345, 1, None], "q": ["07", "7", "x"]}
    )
    assert write_rows(table, [rows]).partitions == (("7",), (None,))
    assert rows_of(table) == [(1, "a  ", "12", 7), (None, "abc", "1", 7), (None, None, None, None)]


def test_many_rows_are_rolled_into_files_of_bounded_size(tmp_path: Path) -> None:
    table = described(tmp_path / "t", [("a", "bigint"), ("b", "double")], [("p", "int")], file_format="parquet")
    rng = np.random.default_rng(1)
    made = [
        pa.record_batch({"a": np.arange(i, i + 5000), "b": rng.random(5000), "p": np.arange(5000) % 3})
        for i in range(0, 50_000, 5000)
    ]
    written = write_rows(table, made, file_bytes=100_000, held_bytes=100_000)
    assert written.rows == 50_000 and written.files >= 6 and len(written.partitions) == 3
    sizes = [p.stat().st_size for p in (tmp_path / "t").rglob("*.parquet")]
    assert len(sizes) == written.files and max(sizes) < 250_000
    found = pa.Table.from_batches(list(read_table(table))).sort_by("a")
    assert found["a"].to_pylist() == list(range(50_000))
    assert found["p"].to_pylist() == [i % 5000 % 3 for i in range(50_000)]


def test_more_partitions_than_files_may_be_open(tmp_path: Path) -> None:
    table = described(tmp_path / "t", [("a", "int")], [("p", "int")], file_format="textfile")
    made = [pa.record_batch({"a": np.arange(200), "p": np.arange(200)}) for _ in range(2)]
    written = write_rows(table, made, held_bytes=1)
    assert written.rows == 400 and len(written.partitions) == 200
    assert sorted(rows_of(table)) == sorted((i, i) for i in range(200) for _ in range(2))


@pytest.mark.parametrize(
    ("file_format", "compression", "suffix"),
    [("textfile", "gzip", ".txt.gz"), ("textfile", "bzip2", ".txt.bz2"), ("textfile", "zstd", ".txt.zst"),
     ("jsonfile", "gzip", ".json.gz"), ("parquet", "zstd", ".parquet"), ("orc", "snappy", ".orc"),
     ("avro", "bzip2", ".avro")],
)  # fmt: skip
def test_files_are_compressed(tmp_path: Path, file_format: str, compression: str, suffix: str) -> None:
    name = {"parquet": "parquet.compression", "orc": "orc.compress", "avro": "avro.output.codec"}.get(
        file_format, "output.compression"
    )
    rows = [(i % 3, "text" * 20) for i in range(1000)]
    sizes = {}
    for how in (compression, "none"):
        place = tmp_path / how
        table = described(
            place, [("a", "int"), ("b", "string")], file_format=file_format, properties={name: how.upper()}
        )
        write_rows(table, [batch_of(table, rows)])
        assert rows_of(table) == rows
        (path,) = files_of(place)
        sizes[how] = (place / path).stat().st_size
        assert path.endswith(suffix if how == compression else Path(suffix).stem or suffix) or how == "none"
    assert sizes[compression] < sizes["none"]
    table = described(tmp_path / "x", [("a", "int")], file_format=file_format, properties={name: "zip7"})
    with pytest.raises(errors.InvalidParameter, match="zip7"):
        write_rows(table, [])
    assert not (tmp_path / "x").exists() or files_of(tmp_path / "x") == []


def test_a_directory_is_overwritten(tmp_path: Path) -> None:
    style = described(
        "", [("a", "int"), ("b", "array<string>")], serde_properties={"field.delim": "|", "collection.delim": ","}
    )
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("x")
    rows = pa.record_batch({"a": [1, None], "b": [["p", "q"], None]})
    written = write_directory(str(tmp_path / "out"), [rows], style)
    assert written.rows == 2
    (name,) = files_of(tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == "1|p,q\n\\N|\\N\n"
    with pytest.raises(errors.InvalidDefinition, match="no partitions"):
        write_directory(str(tmp_path / "out"), [rows], partitioned(tmp_path))


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"static": {"nope": "1"}}, errors.UndefinedColumn, "nope"),
        ({"static": {"hr": "1"}}, errors.InvalidDefinition, "come before"),
        ({"static": {"ds": "2024-13-01", "hr": "1"}}, errors.InvalidText, "2024-13-01"),
        ({"static": {"ds": "2024-01-01", "hr": "x"}}, errors.InvalidText, '"x"'),
        ({"static": {"ds": "2024-01-01"}}, errors.DatatypeMismatch, "takes 3 columns"),
        ({"mode": "replace"}, errors.InvalidParameter, "replace"),
    ],
)
def test_bad_statements_leave_nothing(
    tmp_path: Path, more: dict[str, Any], error: type[errors.Error], says: str
) -> None:
    table = partitioned(tmp_path / "t")
    with pytest.raises(error, match=says):
        write_rows(table, [some(table)], **more)
    assert not (tmp_path / "t").exists() or files_of(tmp_path / "t") == []


def test_rows_that_fail_in_the_middle_leave_the_old(tmp_path: Path) -> None:
    table = partitioned(tmp_path / "t")
    write_rows(table, [some(table)])
    before = files_of(tmp_path / "t")

    def broken() -> Any:
        yield some(table)
        raise errors.DivisionByZero("division by zero")

    with pytest.raises(errors.DivisionByZero):
        write_rows(table, broken(), mode="overwrite", held_bytes=1)
    assert files_of(tmp_path / "t") == before
    assert sorted(p.name for p in (tmp_path / "t").iterdir() if p.name.startswith(".")) == []


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    old = described(tmp_path / "o", [("a", "struct<t:timestamp>")], file_format="orc")
    with pytest.raises(errors.OutOfRange, match="1677"):
        write_rows(old, [batch_of(old, [({"t": dt.datetime(1, 1, 1)},)])])
    regex = described(tmp_path / "r", [("a", "string")], serde_class="org.apache.hadoop.hive.serde2.RegexSerDe",
                      serde_properties={"input.regex": "(.*)"})  # fmt: skip
    with pytest.raises(errors.NotSupportedError, match="RegexSerDe"):
        write_rows(regex, [batch_of(regex, [("x",)])])


def test_readers_keep_what_they_have_listed(tmp_path: Path) -> None:
    table = partitioned(tmp_path / "t")
    write_rows(table, [batch_of(table, [(i, "x", DAY, i) for i in range(4)])])
    reading = read_table(table)
    first = next(reading)
    write_rows(table, [batch_of(table, [(9, "n", DAY, i) for i in range(4)])], mode="overwrite")
    assert [row[0] for row in rows_of(table)] == [9] * 4, "who begins now sees the new rows"
    assert [row[0] for row in tuples([first, *reading])] == [0, 1, 2, 3], "who had begun the old ones"
    assert [p.name for p in (tmp_path / "t").iterdir()] == ["ds=2024-01-01"], "and then they go"
    abandoned = read_table(table)
    next(abandoned)
    write_rows(table, [batch_of(table, [(8, "n", DAY, 0)])], mode="overwrite")
    abandoned.close()
    assert [p.name for p in (tmp_path / "t").iterdir()] == ["ds=2024-01-01"]
