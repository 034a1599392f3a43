"""Tables over files: what other programs see of them, what stays when things go wrong, what is read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import dataset

import sqlengine
from sqlengine import warehouse
from sqlengine.errors import DataCorrupted, InsufficientPrivilege, NotNullViolation, NotSupportedError
from sqlengine.session import Session
from tests.access.sessions import session_of


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlengine.Database]:
    opened = opened_at(tmp_path)
    yield opened
    opened.close()


def opened_at(tmp_path: Path) -> sqlengine.Database:
    return sqlengine.connect(str(tmp_path / "db"), dialect="hive")


def rows(session: Any, text: str) -> list[tuple[Any, ...]]:
    return sorted(session.execute(text).fetchall(), key=str)


def location(tmp_path: Path, table: str) -> Path:
    return tmp_path / "db" / "warehouse" / table


# ---------------------------------------------------------------- other programs


def test_duckdb_reads_what_was_inserted(db: sqlengine.Database, tmp_path: Path) -> None:
    db.execute("CREATE TABLE t (a INT, b STRING) PARTITIONED BY (ds STRING, hr INT) STORED AS PARQUET")
    db.execute("INSERT INTO t VALUES (1, 'x', '2024-01-01', 1), (2, 'y', '2024-01-02', 2), (3, NULL, 'a b', 2)")
    text = f"SELECT a, b, ds, hr FROM read_parquet('{location(tmp_path, 't')}/**/*.parquet', hive_partitioning = true)"
    theirs = duckdb.sql(text).fetchall()
    assert sorted(theirs) == rows(db, "SELECT * FROM t")


def test_files_of_others_are_found(db: sqlengine.Database, tmp_path: Path) -> None:
    db.execute("CREATE TABLE t (a INT) PARTITIONED BY (ds STRING) STORED AS PARQUET")
    duckdb.sql(
        f"COPY (SELECT 7::INT AS a, 'new' AS ds) TO '{location(tmp_path, 't')}' "
        "(FORMAT parquet, PARTITION_BY (ds), OVERWRITE_OR_IGNORE)"
    )
    assert rows(db, "SELECT * FROM t") == [(7, "new")]
    assert rows(db, "SHOW PARTITIONS t") == [("ds=new",)]


def test_external_tables_leave_their_files(db: sqlengine.Database, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int32())}), place / "one.parquet")
    db.execute(f"CREATE EXTERNAL TABLE t (a INT) STORED AS PARQUET LOCATION 'file://{place}'")
    assert rows(db, "SELECT a FROM t") == [(1,), (2,)]
    with pytest.raises(sqlengine.errors.WrongObjectType):
        db.execute("TRUNCATE TABLE t")
    db.execute("DROP TABLE t")
    assert (place / "one.parquet").exists()
    db.execute(f"CREATE TABLE t (a INT) STORED AS PARQUET LOCATION '{place}'; DROP TABLE t")
    assert not place.exists()


def test_dropped_partitions_of_external_tables_come_back(db: sqlengine.Database, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    db.execute(f"CREATE EXTERNAL TABLE t (a INT) PARTITIONED BY (ds STRING) LOCATION '{place}'")
    db.execute("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    db.execute("ALTER TABLE t DROP PARTITION (ds = 'x')")
    assert rows(db, "SELECT * FROM t") == [(2, "y")]
    assert (place / "ds=x").is_dir()
    db.execute("MSCK REPAIR TABLE t")
    assert rows(db, "SELECT * FROM t") == [(1, "x"), (2, "y")]


def test_temporary_tables_go_with_the_session(db: sqlengine.Database, tmp_path: Path) -> None:
    session = db.session()
    session.execute("CREATE TEMPORARY TABLE t (a INT)")
    session.execute("INSERT INTO t VALUES (1)")
    assert rows(session, "SELECT a FROM t") == [(1,)]
    session.close()
    assert not location(tmp_path, "t").exists()


@pytest.mark.parametrize("kind", ["PARQUET", "ORC"])
def test_tinyint_is_a_byte_in_files(db: sqlengine.Database, tmp_path: Path, kind: str) -> None:
    db.execute(
        f"CREATE TABLE t (y TINYINT) STORED AS {kind}; INSERT INTO t SELECT 300 UNION ALL SELECT cast(-128 AS tinyint)"
    )
    found = dataset.dataset(location(tmp_path, "t"), format=kind.lower()).to_table()
    assert found.schema.field("y").type == pa.int8()
    assert sorted(found.column("y").to_pylist()) == [-128, 44]


def test_rows_of_python_go_into_a_table_over_files(db: sqlengine.Database) -> None:
    db.execute("CREATE TABLE t (a INT, b STRING) PARTITIONED BY (p STRING)")
    assert db.insert("t", [(1, "x", "q"), (None, "y", None)]) == 2
    assert db.insert("t", pa.table({"p": ["r"], "a": ["7"]})) == 1
    assert db.insert("public.t", [{"b": "z", "p": "q"}]) == 1
    assert db.insert("t", []) == 0
    found = rows(db, "SELECT a, b, p FROM t")
    assert found == sorted([(1, "x", "q"), (None, "y", None), (7, None, "r"), (None, "z", "q")], key=str)
    for bad in ([{"nowhere": 1}], [(1, "x")]):
        with pytest.raises(sqlengine.Error):
            db.insert("t", bad)
    db.execute("BEGIN")
    with pytest.raises(NotSupportedError, match="within a transaction"):
        db.insert("t", [(1, "x", "q")])
    db.execute("ROLLBACK")
    assert rows(db, "SELECT a, b, p FROM t") == found


# ---------------------------------------------------------------- restarts, failures


def test_tables_are_there_after_a_restart(tmp_path: Path) -> None:
    opened = opened_at(tmp_path)
    opened.execute(
        "CREATE TABLE t (a TINYINT, v VARCHAR(3) DEFAULT 'd', m MAP<STRING, ARRAY<INT>>)"
        " PARTITIONED BY (p DECIMAL(4,1)) CLUSTERED BY (a) SORTED BY (v DESC, a) INTO 3 BUCKETS STORED AS ORC"
        " TBLPROPERTIES ('k' = 'v')"
    )
    opened.execute("INSERT INTO t SELECT 300, 'abcdef', map('k', array(1, 2)), 1.5")
    opened.execute(f"ALTER TABLE t ADD PARTITION (p = 2) LOCATION '{tmp_path / 'away'}'")
    opened.execute("ALTER TABLE t PARTITION (p = 2) SET FILEFORMAT TEXTFILE")
    opened.execute("INSERT INTO t PARTITION (p = 2) SELECT 1, 'b', map()")
    opened.execute("ALTER TABLE t SKEWED BY (a, v) ON ((1, 'x'), (2, 'y')) STORED AS DIRECTORIES")
    opened.execute("CREATE DATABASE d WITH DBPROPERTIES ('x' = 'y'); CREATE TABLE d.u AS SELECT a FROM t")
    said = [rows(opened, text) for text in TOLD]
    opened.close()
    opened = opened_at(tmp_path)
    assert [rows(opened, text) for text in TOLD] == said
    assert rows(opened, "SELECT a, v, m['k'] FROM t") == [(1, "b", None), (44, "abc", [1, 2])]
    assert [row[0] for row in opened.execute("SHOW CREATE TABLE t").fetchall()][6:15] == CLUSTERED
    told = {row[0]: row[1] for row in opened.execute("DESCRIBE FORMATTED t").fetchall()}
    assert told["Sort Columns:"] == "[Order(col:v, order:0), Order(col:a, order:1)]"
    assert (told["Skewed Columns:"], told["Skewed Values:"]) == ("[a, v]", "[[1, x], [2, y]]")
    opened.close()


CLUSTERED = [  # as show_create_table_alter.q.out and Hive's getSkewedInfo have them
    "CLUSTERED BY ( ", "  `a`) ", "SORTED BY ( ", "  v DESC, ", "  a ASC) ", "INTO 3 BUCKETS", "SKEWED BY (a,v)",
    "  ON (('1','x'),('2','y'))", "  STORED AS DIRECTORIES",
]  # fmt: skip
TOLD = (
    "DESCRIBE t", "SHOW CREATE TABLE t", "SELECT * FROM t", "SHOW PARTITIONS t", "SELECT * FROM d.u",
    "DESCRIBE DATABASE EXTENDED d", "SHOW TABLES IN d",
)  # fmt: skip


def test_what_show_create_says_makes_the_same_table(db: sqlengine.Database, tmp_path: Path) -> None:
    db.execute(
        r"CREATE TABLE t (a INT COMMENT 'it\'s', `odd name` STRING) COMMENT 'c'"
        r" PARTITIONED BY (ds STRING COMMENT 'day')"
        r" ROW FORMAT DELIMITED FIELDS TERMINATED BY '\001' ESCAPED BY '\\' NULL DEFINED AS ''"
        " CLUSTERED BY (a) SORTED BY (a DESC) INTO 2 BUCKETS SKEWED BY (a) ON (1, 2) STORED AS TEXTFILE"
        " TBLPROPERTIES ('skip.header.line.count' = '1')"
    )
    said = rows(db, "SHOW CREATE TABLE t")
    text = "\n".join(row[0] for row in db.execute("SHOW CREATE TABLE t").fetchall())
    described = rows(db, "DESCRIBE t")
    db.execute("DROP TABLE t")
    db.execute(text)
    assert rows(db, "SHOW CREATE TABLE t") == said
    assert rows(db, "DESCRIBE t") == described


def test_a_failing_overwrite_leaves_the_old_rows(db: sqlengine.Database, tmp_path: Path) -> None:
    db.execute("CREATE TABLE t (a INT NOT NULL)")
    db.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(NotNullViolation):
        db.execute(
            "INSERT OVERWRITE TABLE t SELECT CASE WHEN x < 2 THEN x END FROM (SELECT 1 AS x UNION ALL SELECT 2) q"
        )
    assert rows(db, "SELECT a FROM t") == [(1,)]
    assert [p.name for p in location(tmp_path, "t").iterdir() if p.name.startswith(".")] == []


KILLED = """
import os, sys, sqlengine
from sqlengine.warehouse import commit
def die(*_):
    os._exit(9)
setattr({where}, {name!r}, die)
db = sqlengine.connect({path!r}, dialect="hive")
db.execute("INSERT OVERWRITE TABLE t SELECT 2")
"""


@pytest.mark.parametrize(
    ("where", "name", "expected"),
    [("commit.Commit", "finish", [(1,)]), ("commit", "_apply", [(2,)])],
    ids=["before it is decided", "after it is decided"],
)
def test_a_killed_overwrite_happens_wholly_or_not_at_all(
    tmp_path: Path, where: str, name: str, expected: list[tuple[int]]
) -> None:
    opened = opened_at(tmp_path)
    opened.execute("CREATE TABLE t (a INT)")
    opened.execute("INSERT INTO t VALUES (1)")
    opened.close()
    text = KILLED.format(where=where, name=name, path=str(tmp_path / "db"))
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, timeout=120, check=False)
    assert ended.returncode == 9, ended.stderr.decode()
    opened = opened_at(tmp_path)
    assert rows(opened, "SELECT a FROM t") == expected
    opened.close()


# ---------------------------------------------------------------- what is read


def test_only_partitions_that_matter_are_read(db: sqlengine.Database, tmp_path: Path) -> None:
    db.execute("CREATE TABLE t (a INT) PARTITIONED BY (ds STRING) STORED AS PARQUET")
    db.execute("INSERT INTO t VALUES (1, 'good'), (2, 'bad')")
    (damaged,) = (location(tmp_path, "t") / "ds=bad").glob("*.parquet")
    damaged.write_bytes(b"not a Parquet file")
    other = db.session()
    other.execute("SET dialect = 'postgres'")
    for session in (db, other):
        assert rows(session, "SELECT a FROM t WHERE ds = 'good' AND a > 0") == [(1,)]
        assert rows(session, "SELECT count(*) FROM t WHERE ds LIKE 'go%'") == [(1,)]
        with pytest.raises(DataCorrupted):
            session.execute("SELECT a FROM t WHERE a = 1").fetchall()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The columns of every read of a table."""
    found: list[list[str]] = []
    read = warehouse.read_table

    def noted(description: Any, columns: Any = None, **options: Any) -> Any:
        found.append(list(columns))
        return read(description, columns, **options)

    monkeypatch.setattr(warehouse, "read_table", noted)
    return found


def test_only_columns_that_matter_are_read(db: sqlengine.Database, reads: list[list[str]]) -> None:
    db.execute("CREATE TABLE t (a INT, b STRING, c DOUBLE)")
    db.execute("INSERT INTO t VALUES (1, 'x', 1.5)")
    assert rows(db, "SELECT c FROM t WHERE a = 1") == [(1.5,)]
    other = db.session()
    other.execute("SET dialect = 'postgres'")
    assert rows(other, "SELECT c FROM (SELECT * FROM t) AS q WHERE a = 1") == [(1.5,)]
    assert [sorted(columns) for columns in reads] == [["a", "c"], ["a", "c"]]


def test_several_inserts_read_their_source_once(db: sqlengine.Database, reads: list[list[str]]) -> None:
    db.execute("CREATE TABLE t (a INT, b STRING); CREATE TABLE x (a INT); CREATE TABLE y (b STRING)")
    db.execute("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    reads.clear()
    db.execute("FROM t INSERT INTO x SELECT a WHERE a > 1 INSERT OVERWRITE TABLE y SELECT b")
    assert len(reads) == 1
    assert rows(db, "SELECT a FROM x") == [(2,)]
    assert rows(db, "SELECT b FROM y") == [("x",), ("y",)]


def test_virtual_columns_tell_files_and_places(db: sqlengine.Database, tmp_path: Path) -> None:
    db.execute("CREATE TABLE t (a STRING)")
    (location(tmp_path, "t") / "f.txt").write_text("one\nthree\n")
    text = "SELECT a, BLOCK__OFFSET__INSIDE__FILE, INPUT__FILE__NAME FROM t"
    name = f"file:{location(tmp_path, 't')}/f.txt"
    assert rows(db, text) == [("one", 0, name), ("three", 4, name)]
    assert db.execute("SELECT * FROM t").columns == ["a"]


# ---------------------------------------------------------------- files in and out


def test_load_data_moves_or_copies(db: sqlengine.Database, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    db.execute("CREATE TABLE t (a INT, b STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','")
    source.write_text("1,x\n2\nbad,y,more\n")
    db.execute(f"LOAD DATA LOCAL INPATH '{source}' INTO TABLE t")
    assert source.exists()
    # LanguageManual: missing fields and unreadable numbers are NULL, further fields are left out
    assert rows(db, "SELECT * FROM t") == [(1, "x"), (2, None), (None, "y")]
    source.write_text("9,z\n")
    db.execute(f"LOAD DATA INPATH '{source}' OVERWRITE INTO TABLE t")
    assert not source.exists()
    assert rows(db, "SELECT * FROM t") == [(9, "z")]
    with pytest.raises(sqlengine.errors.FileUnavailable):
        db.execute(f"LOAD DATA INPATH '{source}' INTO TABLE t")


def test_directories_are_written_as_hive_writes_them(db: sqlengine.Database, tmp_path: Path) -> None:
    out = tmp_path / "out"
    db.execute(f"INSERT OVERWRITE LOCAL DIRECTORY '{out}' SELECT 1, NULL, array(1, 2)")
    (file,) = [path for path in out.iterdir() if not path.name.startswith(".")]
    # LanguageManual DML: columns separated by ^A, items by ^B, NULL is \N
    assert file.read_bytes() == b"1\x01\\N\x011\x022\n"
    db.execute(
        f"INSERT OVERWRITE DIRECTORY '{out}' ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' STORED AS TEXTFILE "
        "SELECT 7, 'x'"
    )
    (file,) = [path for path in out.iterdir() if not path.name.startswith(".")]
    assert file.read_text() == "7,x\n"


def test_export_and_import(db: sqlengine.Database, tmp_path: Path) -> None:
    db.execute("CREATE TABLE t (a INT) PARTITIONED BY (ds STRING) STORED AS PARQUET")
    db.execute("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    db.execute(f"EXPORT TABLE t TO '{tmp_path / 'all'}'")
    db.execute(f"IMPORT TABLE u FROM '{tmp_path / 'all'}'")
    assert rows(db, "SELECT * FROM u") == [(1, "x"), (2, "y")]
    db.execute(f"EXPORT TABLE t PARTITION (ds = 'y') TO '{tmp_path / 'one'}'; DROP TABLE t")
    db.execute(f"IMPORT FROM '{tmp_path / 'one'}'")
    assert rows(db, "SELECT * FROM t") == [(2, "y")]


# ---------------------------------------------------------------- views over files


def test_a_view_follows_own_statements_and_files_of_others(tmp_path: Path) -> None:
    opened = opened_at(tmp_path)
    opened.execute("CREATE TABLE t (a INT) PARTITIONED BY (ds STRING) STORED AS PARQUET")
    opened.execute("INSERT INTO t VALUES (1, 'x'), (2, 'x')")
    opened.execute("CREATE MATERIALIZED VIEW v AS SELECT ds, sum(a) AS s FROM t GROUP BY ds")
    check_view(opened, [("x", 3)])
    opened.execute("INSERT INTO t VALUES (5, 'y')")
    check_view(opened, [("x", 3), ("y", 5)])
    opened.execute("INSERT OVERWRITE TABLE t PARTITION (ds = 'x') SELECT 10")
    check_view(opened, [("x", 10), ("y", 5)])
    duckdb.sql(
        f"COPY (SELECT 7::INT AS a, 'z' AS ds) TO '{location(tmp_path, 't')}' "
        "(FORMAT parquet, PARTITION_BY (ds), OVERWRITE_OR_IGNORE)"
    )
    check_view(opened, [("x", 10), ("y", 5), ("z", 7)])
    opened.execute("ALTER TABLE t DROP PARTITION (ds = 'y')")
    opened.close()
    for file in (location(tmp_path, "t") / "ds=z").iterdir():
        file.unlink()
    opened = opened_at(tmp_path)
    check_view(opened, [("x", 10)])
    with pytest.raises(sqlengine.errors.DependentObjects):
        opened.execute("DROP TABLE t")
    with pytest.raises(sqlengine.errors.DependentObjects):
        opened.execute("ALTER TABLE t ADD COLUMNS (b INT)")
    opened.execute("DROP MATERIALIZED VIEW v; DROP TABLE t")
    assert rows(opened, "SELECT name FROM system.topics") == []
    opened.close()


def check_view(opened: sqlengine.Database, expected: list[tuple[str, int]]) -> None:
    """The view has these rows, and is what its query says."""
    assert rows(opened, "SELECT * FROM v") == expected
    assert rows(opened, "SELECT ds, sum(a) AS s FROM t GROUP BY ds") == expected


# ---------------------------------------------------------------- who may


@pytest.fixture
def user(db: sqlengine.Database) -> Session:
    db.execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    db.execute("CREATE ROLE user1 LOGIN; GRANT CREATE ON SCHEMA public TO user1")
    made = session_of(db, "user1")
    made.execute("SET dialect = 'hive'")
    return made


@pytest.mark.parametrize(
    "text",
    [
        "LOAD DATA INPATH '/x' INTO TABLE mine",
        "CREATE TABLE other (a INT) LOCATION '/x'",
        "INSERT OVERWRITE DIRECTORY '/x' SELECT 1",
        "EXPORT TABLE mine TO '/x'",
        "IMPORT TABLE mine FROM '/x'",
        "ALTER TABLE mine SET LOCATION '/x'",
        "ALTER TABLE t ADD COLUMNS (b INT)",
        "DROP TABLE t",
        "INSERT INTO t VALUES (2)",
        "SELECT a FROM t",
        "CREATE TABLE copy AS SELECT a FROM t",
        "CREATE FUNCTION f AS 'python:os.getcwd'",
    ],
)
def test_who_has_not_the_right_is_refused(user: Session, text: str) -> None:
    user.execute("CREATE TABLE mine (a INT)")
    with pytest.raises(InsufficientPrivilege):
        user.execute(text)


def test_whose_table_it_is_may_change_it(user: Session, db: sqlengine.Database) -> None:
    user.execute("CREATE TABLE mine (a INT); INSERT INTO mine VALUES (1); ALTER TABLE mine ADD COLUMNS (b INT)")
    assert rows(user, "SELECT * FROM mine") == [(1, None)]
    db.execute("SET dialect = 'postgres'; GRANT SELECT, INSERT ON TABLE t TO user1")
    user.execute("INSERT INTO t VALUES (2)")
    assert rows(user, "SELECT a FROM t") == [(1,), (2,)]
    with pytest.raises(InsufficientPrivilege):
        user.execute("INSERT OVERWRITE TABLE t SELECT 3")


# ---------------------------------------------------------------- sessions


def test_environment_is_for_local_sessions(db: sqlengine.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLENGINE_TEST_DAY", "2024-01-01")
    assert rows(db, "SELECT '${env:SQLENGINE_TEST_DAY}'") == [("2024-01-01",)]
    session = db.session()
    session.settings.is_remote = True
    session.context.backend.activity = lambda: ()
    with pytest.raises(InsufficientPrivilege):
        session.execute("SELECT '${env:SQLENGINE_TEST_DAY}'")
    with pytest.raises(InsufficientPrivilege):
        session.execute("ADD FILE x.py")


def doubled(x: int) -> int:
    """A function for the test below."""
    return 2 * x


def test_a_python_function_is_made_by_its_name(db: sqlengine.Database) -> None:
    db.execute("CREATE TEMPORARY FUNCTION twice AS 'python:tests.hql.statements.test_files.doubled'")
    session = db.session()
    session.execute("SET dialect = 'postgres'")
    assert rows(session, "SELECT twice(21)") == [(42,)]
    with pytest.raises(NotSupportedError):
        db.execute("CREATE FUNCTION f AS 'org.example.Udf'")
    with pytest.raises(sqlengine.errors.UndefinedObject):
        db.execute("CREATE FUNCTION f AS 'python:tests.nowhere.f'")


# ---------------------------------------------------------------- what is told of tables


def test_what_was_counted_of_a_partition_is_told(db: sqlengine.Database) -> None:
    db.execute("CREATE TABLE t (a INT) PARTITIONED BY (ds STRING)")
    db.execute("INSERT INTO t VALUES (1, 'a/b'), (2, 'a/b'), (3, 'c')")
    db.execute("ANALYZE TABLE t PARTITION (ds = 'a/b') COMPUTE STATISTICS")
    told = [(line[1], line[2]) for line in db.execute("DESCRIBE FORMATTED t PARTITION (ds = 'a/b')").fetchall()]
    assert ("numRows", "2") in told and ("numFiles", "1") in told
    others = db.execute("DESCRIBE FORMATTED t PARTITION (ds = 'c')").fetchall()
    assert not [line for line in others if line[1] == "numRows"]


def test_views_over_a_table_that_was_dropped_outlive_a_restart(tmp_path: Path) -> None:
    with opened_at(tmp_path) as first:
        first.execute("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a + 1 AS b FROM t")
        assert ("Original Query:", "SELECT a + 1 AS b FROM t", None) in first.execute("DESCRIBE EXTENDED v").fetchall()
        done = first.execute("DROP TABLE t")
        assert [str(notice) for notice in done.notices] == ['view "v" stays, and needs a table "t" to be read']
    with opened_at(tmp_path) as again:
        with pytest.raises(sqlengine.errors.UndefinedTable):
            again.execute("SELECT * FROM v")
        again.execute("CREATE TABLE t AS SELECT 4 AS a")
        assert rows(again, "SELECT * FROM v") == [(5,)]


def test_buckets_are_kept_and_a_notice_says_that_rows_are_not_placed_by_them(db: sqlengine.Database) -> None:
    done = db.execute("CREATE TABLE bucketed (a INT, b STRING) CLUSTERED BY (a) SORTED BY (b DESC) INTO 4 BUCKETS")
    assert [str(notice) for notice in done.notices] == [
        "rows are not placed by CLUSTERED BY: it is kept, and files are written as without it"
    ]
    assert "INTO 4 BUCKETS" in [line for (line,) in db.execute("SHOW CREATE TABLE bucketed").fetchall()]
    db.execute("INSERT INTO bucketed VALUES (1, 'x'), (2, 'y')")
    assert db.execute("SELECT a FROM bucketed ORDER BY a").fetchall() == [(1,), (2,)]
    assert not db.execute("CREATE TABLE plain (a INT)").notices
