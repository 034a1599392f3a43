"""Spark's spellings that are about files: tables and views USING a format, files by their paths, SHOW and DESCRIBE.

What csv files mean is Spark's CSV data source ("sep", "quote", "escape", "header", "inferSchema", "nullValue"; an empty
field is NULL, "" is the empty text), checked where they agree against DuckDB and pyarrow. DESCRIBE and SHOW TABLES are
as Spark's SQL Reference prints them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

import sqlengine
from sqlengine.errors import InsufficientPrivilege
from tests.access.sessions import session_of

PEOPLE = pa.table({"Id": pa.array([1, 2], pa.int64()), "name": ["a", "b"]})


@pytest.fixture(scope="module")
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect(dialect="spark") as made:
        yield made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("Files")
    pq.write_table(PEOPLE, place / "A.parquet")
    orc.write_table(PEOPLE, place / "a.orc")
    for day, rows in (("2024-01-01", PEOPLE), ("2024-01-02", PEOPLE.slice(1))):
        (place / "parts" / f"ds={day}").mkdir(parents=True)
        pq.write_table(rows, place / "parts" / f"ds={day}" / "x.parquet")
    (place / "a.csv").write_text(
        'id,name,x\n1,"a, b",\n2,"say ""hi""",""\n3,back\\slash,"q \\" q"\n4\n5,five,6,7\n6,"open, \n'
    )
    (place / "a.json").write_text('{"a": 1, "b": {"c": [1,2]}}\n{"a": null, "z": "2024-01-01T00:00:00"}\n')
    (place / "a.txt").write_text("one\\N\tx\ntwo\n")
    return place


def rows(db: Any, text: str) -> list[tuple[Any, ...]]:
    return list(db.execute(text).fetchall())


def test_files_by_path(db: sqlengine.Database, files: Path) -> None:
    for name in ("parquet.`{}/A.parquet`", "orc.`{}/a.orc`", "parquet.`{}/*.parquet`", "PARQUET.`file://{}/A.parquet`"):
        assert rows(db, f"SELECT * FROM {name.format(files)} ORDER BY id") == [(1, "a"), (2, "b")]
    parts = duckdb.sql(
        f"SELECT id, ds FROM read_parquet('{files}/parts/*/*.parquet', hive_partitioning = true)"
    ).fetchall()
    assert sorted(rows(db, f"SELECT id, ds FROM parquet.`{files}/parts`")) == sorted(parts)
    joined = (
        f"SELECT t.name FROM orc.`{files}/a.orc` t JOIN parquet.`{files}/A.parquet` AS p ON t.id = p.id WHERE p.id > 1"
    )
    assert rows(db, joined) == [("b",)]
    assert rows(db, f"SELECT a, b.c[1], z FROM json.`{files}/a.json` ORDER BY a DESC") == [
        (1, 2, None), (None, None, "2024-01-01T00:00:00")
    ]  # fmt: skip
    assert rows(db, f"SELECT * FROM text.`{files}/a.txt`") == [("one\\N\tx",), ("two",)]
    plain = rows(db, f"SELECT _c0, _c1, _c2 FROM csv.`{files}/a.csv`")
    assert plain == [
        ("id", "name", "x"), ("1", "a, b", None), ("2", 'say "hi"', ""), ("3", "back\\slash", 'q " q'),
        ("4", None, None),
        ("5", "five", "6"), ("6", "open, ", None),
    ]  # fmt: skip
    db.execute(f"CREATE TABLE kept USING parquet AS SELECT * FROM parquet.`{files}/A.parquet`")
    assert rows(db, "SELECT count(*) FROM kept") == [(2,)]
    assert "Scan" in rows(db, f"EXPLAIN SELECT id FROM parquet.`{files}/A.parquet`")[0][0]


def test_views_of_files(db: sqlengine.Database, files: Path) -> None:
    options = f"OPTIONS (path '{files}/a.csv', header 'true', inferSchema = true)"
    db.execute(f"CREATE TEMPORARY VIEW v USING csv {options}")
    assert rows(db, "SELECT id, name, x FROM v WHERE id < 4 ORDER BY id") == [
        (1, "a, b", None), (2, 'say "hi"', ""), (3, "back\\slash", 'q " q')
    ]  # fmt: skip
    assert rows(db, "DESCRIBE v") == [("id", "int", None), ("name", "string", None), ("x", "string", None)]
    assert ("default", "v", True) in rows(db, "SHOW TABLES LIKE 'v'")
    for text, state in (
        (f"CREATE TEMPORARY VIEW v USING csv {options}", "42P07"),
        ("INSERT INTO v VALUES (1, '', '')", "42809"),
    ):
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(text)
        assert caught.value.sqlstate == state, text
    db.execute(f"CREATE OR REPLACE TEMP VIEW v USING parquet OPTIONS (path '{files}/parts')")
    assert rows(db, "SELECT count(*), count(DISTINCT ds) FROM v") == [(3, 2)]
    db.execute("DROP VIEW v")
    assert (files / "parts" / "ds=2024-01-01" / "x.parquet").exists()


def test_tables_using_a_format(db: sqlengine.Database, files: Path, tmp_path: Path) -> None:
    db.execute(
        "CREATE TABLE student (id INT, name STRING, at TIMESTAMP, age INT) USING CSV PARTITIONED BY (age) COMMENT 'all'"
    )
    db.execute("""INSERT INTO student VALUES (1, 'a "q", \\\\b', TIMESTAMP '2024-02-29 12:00:00.5', 10),
        (2, NULL, NULL, 11), (3, '', NULL, 11), (4, ' x', NULL, NULL)""")
    expected = [(1, 'a "q", \\b', 10), (2, None, 11), (3, "", 11), (4, " x", None)]
    assert rows(db, "SELECT id, name, age FROM student ORDER BY id") == expected
    assert rows(db, "SELECT year(at), second(at) FROM student WHERE id = 1") == [(2024, 0)]
    assert rows(db, "DESCRIBE student") == [
        ("id", "int", None), ("name", "string", None), ("at", "timestamp", None), ("age", "int", None),
        ("# Partition Information", "", ""), ("# col_name", "data_type", "comment"), ("age", "int", None),
    ]  # fmt: skip
    for kind in ("parquet", "orc", "json", "csv"):
        place = tmp_path / kind
        header = "OPTIONS (header true, sep ';')" if kind == "csv" else ""
        db.execute(
            f"CREATE TABLE t_{kind} USING {kind} {header} LOCATION '{place}'"
            " AS SELECT id, name FROM student WHERE id > 1"
        )
        (file,) = [path for path in place.iterdir() if path.name[0] not in "._"]
        db.execute(f"DROP TABLE t_{kind}")
        assert file.exists()  # with a LOCATION a table is not managed
        reader = {"parquet": "read_parquet('{}')", "json": "read_json('{}', columns = {{id: 'INT', name: 'VARCHAR'}})",
                  "csv": "read_csv('{}', delim = ';', header = true, escape = '\\')"}.get(kind)  # fmt: skip
        theirs = (
            duckdb.sql(f"SELECT id, name FROM {reader.format(file)}").fetchall()
            if reader
            else orc.read_table(file).to_pylist()
        )
        theirs = [tuple(row.values()) if isinstance(row, dict) else row for row in theirs]
        blank = [(i, n or None) for i, n in theirs] if kind == "csv" else theirs  # DuckDB reads "" as NULL there
        ours = [(i, (n or None) if kind == "csv" else n) for i, n, _ in expected[1:]]
        assert sorted(blank) == ours, kind
        again = f"CREATE TABLE t_{kind} USING {kind} {header} LOCATION '{place}'"
        db.execute(again)
        assert [tuple(map(str, row)) for row in rows(db, f"SELECT id, name FROM t_{kind} ORDER BY id")] == [
            (str(i), str(n)) for i, n, _ in expected[1:]
        ]


def test_texts_that_are_wrong(db: sqlengine.Database, files: Path) -> None:
    for text, state in (
        ("SELECT * FROM parquet.`/no/such/file`", "58P01"),
        (f"SELECT * FROM parquet.`{files}/a.csv`", "XX001"),
        (f"SELECT * FROM orc.`{files}/a.csv`", "XX001"),
        (f"SELECT * FROM json.`{files}/a.csv`", "XX001"),
        (f"SELECT * FROM avro.`{files}/a.csv`", "0A000"),
        (f"SELECT nope FROM parquet.`{files}/A.parquet`", "42703"),
        (f"CREATE VIEW w AS SELECT * FROM parquet.`{files}/A.parquet`", "0A000"),
        (f"CREATE MATERIALIZED VIEW w AS SELECT * FROM parquet.`{files}/A.parquet`", "0A000"),
        ("CREATE TABLE w (a INT) USING delta", "0A000"),
        ("CREATE TABLE w (a INT) USING csv OPTIONS (headr true)", "22023"),
        ("CREATE TABLE w (a INT) USING csv OPTIONS (header maybe)", "42601"),
        ("CREATE TABLE w (a INT) USING csv OPTIONS (header 'maybe')", "22023"),
        ("CREATE TABLE w (a INT) USING csv OPTIONS (mode 'FAILFAST')", "22023"),
        ("CREATE TABLE w (a INT) USING parquet OPTIONS (sep ';')", "22023"),
        ("CREATE TABLE w (a INT) USING csv STORED AS orc", "42P17"),
        ("CREATE TABLE w USING csv", "42P17"),
        ("CREATE TABLE w (a INT) OPTIONS (header true)", "42601"),
        ("CREATE TABLE w (a ARRAY<INT>) USING csv", "42804"),
        (f"CREATE TABLE w USING csv OPTIONS (path '{files}/*.csv')", "0A000"),
        (f"CREATE TABLE w USING csv OPTIONS (path '{files}') LOCATION '{files}'", "42P17"),
        (f"CREATE VIEW w USING csv OPTIONS (path '{files}/a.csv')", "42601"),
    ):
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(text)
        assert caught.value.sqlstate == state, (text, caught.value)
    db.execute(
        "SET dialect = postgres; CREATE ROLE guest LOGIN; GRANT CREATE ON SCHEMA public TO guest; SET dialect = spark"
    )
    db.execute("CREATE TABLE of_another (a INT) USING parquet")
    guest = session_of(db, "guest")
    guest.execute("SET dialect = spark")
    for text in (
        f"SELECT * FROM parquet.`{files}/A.parquet`",
        f"CREATE TEMPORARY VIEW g USING csv OPTIONS (path '{files}/a.csv')",
        f"CREATE TABLE g USING parquet LOCATION '{files}/parts'",
        "CACHE TABLE of_another",
    ):
        with pytest.raises(InsufficientPrivilege):
            guest.execute(text)
    db.execute("SET dialect = postgres; GRANT pg_read_server_files TO guest; SET dialect = spark")
    assert rows(guest, f"SELECT count(*) FROM parquet.`{files}/A.parquet`") == [(2,)]
