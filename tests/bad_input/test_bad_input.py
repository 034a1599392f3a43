"""Bad input: a clear error with its SQLSTATE, nothing good lost, and the next statement works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlengine
from sqlengine.api.database import Database
from storage.facade import Storage
from storage.faults import FaultyEnv

WATERMARKED = "CREATE STREAM s (id BIGINT, ts TIMESTAMP, WATERMARK FOR {0} AS {1})"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with sqlengine.connect(str(tmp_path / "data")) as database:
        yield database


def refused(db: Database, sql: str, sqlstate: str) -> sqlengine.Error:
    """The statement fails with that code, and the next one works."""
    with pytest.raises(sqlengine.Error) as caught:
        db.execute(sql)
    assert caught.value.sqlstate == sqlstate, caught.value.message
    first = caught.value.message.split()[0]
    assert not first[0].isupper() or first.isupper(), "lower case, but for keywords"
    assert not caught.value.message.endswith(".")
    assert db.execute("SELECT 1").fetchall() == [(1,)]
    return caught.value


@pytest.mark.parametrize(
    ("column", "expression", "sqlstate"),
    [
        ("nope", "ts", "42703"),
        ("ts", "nope - INTERVAL '1 second'", "42703"),
        ("id", "id", "42804"),
        ("ts", "id + 1", "42804"),
        ("ts", "TIMESTAMP '2024-01-01'", "42P17"),
    ],
)
def test_bad_watermarks(db: Database, column: str, expression: str, sqlstate: str) -> None:
    refused(db, WATERMARKED.format(column, expression), sqlstate)
    assert db.execute("SHOW STREAMS").fetchall() == []
    assert db.execute("SHOW TOPICS").fetchall() == [], "nothing half made stays"


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("INSERT INTO t VALUES ('x', 1)", "22P02"),
        ("INSERT INTO t (id, nope) VALUES (1, 2)", "42703"),
        ("INSERT INTO t VALUES (1, 2, 3)", "42601"),
        ("INSERT INTO t VALUES (NULL, 1)", "23502"),
        ("INSERT INTO t VALUES (99999999999999999999999, 1)", "22003"),
        ("SELECT nope FROM t", "42703"),
        ("SELECT 1 / 0", "22012"),
        ("CREATE MATERIALIZED VIEW v AS SELECT id, nope FROM t", "42703"),
        ("CREATE MATERIALIZED VIEW v AS SELECT id + 'a' FROM nowhere", "42P01"),
        ("CREATE TABLE u (a NUMBRE)", "42704"),
        ("COPY t FROM '/nowhere/at/all.csv'", "58P01"),
        ("CREATE STREAM f (a INT) WITH (connector = 'file', path = '/nowhere/at/all.json')", "58P01"),
        ("CREATE STREAM f (a INT) WITH (connector = 'flie')", "22023"),
        ("SELECT " + "(" * 10_000 + "1" + ")" * 10_000, "54001"),
        ("SELECT '" + "x" * 2_000_000 + "'", "54001"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_statements(db: Database, sql: str, sqlstate: str) -> None:
    db.execute("CREATE TABLE t (id BIGINT NOT NULL, v BIGINT)")
    db.execute("INSERT INTO t VALUES (1, 10)")
    refused(db, sql, sqlstate)
    assert db.execute("SELECT * FROM t").fetchall() == [(1, 10)], "what was good is still there"


def test_malformed_json_records_are_set_aside(db: Database) -> None:
    db.execute("CREATE STREAM j (a BIGINT, b TEXT) WITH (format = 'json')")
    db.execute("CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n, sum(a) AS a FROM j")
    db.execute("CREATE STREAM raw (value TEXT) WITH (topic = 'j', format = 'raw')")
    db.insert("raw", [('{"a": 1, "b": "x"}',), ("{broken",), ('{"a": "many", "b": "y"}',), ('{"a": 4}',)])
    assert db.execute("SELECT * FROM total").fetchall() == [(2, 5)]
    assert db.execute("SELECT * FROM j ORDER BY a").fetchall() == [(1, "x"), (4, None)]
    errors = db.execute("SHOW ERRORS FOR j").fetchall()
    assert [(row[4], row[5]) for row in errors] == [(1, "{broken"), (2, '{"a": "many", "b": "y"}')]


def test_malformed_csv_lines_are_set_aside(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("a,b\n1,x\nmany,y\n3\n4,z\n")
    db.execute("CREATE STREAM c (a BIGINT, b TEXT)")
    result = db.execute(f"COPY c FROM '{path}' (HEADER true)")
    assert result.tag == "COPY 2"
    assert result.notices, "the user is told"
    assert db.execute("SELECT * FROM c ORDER BY a").fetchall() == [(1, "x"), (4, "z")]
    assert len(db.execute("SHOW ERRORS FOR c").fetchall()) == 2


def test_a_failing_row_does_not_stop_a_view(db: Database) -> None:
    db.execute("CREATE STREAM s (a BIGINT, b BIGINT)")
    db.execute("CREATE MATERIALIZED VIEW ratio AS SELECT a / b AS r FROM s")
    db.execute("INSERT INTO s VALUES (6, 2), (1, 0), (9, 3)")
    assert sorted(db.execute("SELECT r FROM ratio").fetchall()) == [(3,), (3,)]
    ((status, errors),) = [(q[2], q[7]) for q in db.execute("SHOW QUERIES").fetchall() if q[1] == "ratio"]
    assert (status, errors) == ("running", 1)
    assert [row[2] for row in db.execute("SHOW ERRORS FOR ratio").fetchall()] == ["22012"]


def test_a_second_process_is_told_who_has_the_directory(db: Database) -> None:
    code = (
        "import sqlengine, sys\n"
        "try:\n    sqlengine.connect(sys.argv[1])\n"
        "except sqlengine.Error as error:\n    print(error.sqlstate, error.message)\n"
    )
    said = subprocess.run([sys.executable, "-c", code, db.path], capture_output=True, text=True, check=True).stdout
    assert said.startswith("55006 ")
    assert str(os.getpid()) in said


def test_a_corrupted_byte_stops_one_topic_only(tmp_path: Path) -> None:
    path = str(tmp_path / "data")
    with sqlengine.connect(path) as db:
        for name in ("hurt", "whole"):
            db.execute(f"CREATE STREAM {name} (v BIGINT)")
            db.insert(name, [(i,) for i in range(1000)])
    (segment,) = [p for p in Path(path).rglob("*") if p.is_file() and "hurt" in str(p) and p.stat().st_size > 8000]
    damaged = bytearray(segment.read_bytes())
    damaged[4000] ^= 0x10
    segment.write_bytes(damaged)
    with sqlengine.connect(path) as db:
        refused(db, "SELECT sum(v) FROM hurt", "XX001")
        assert db.execute("SELECT sum(v) FROM whole").fetchall() == [(499500,)]


def test_a_full_disk_refuses_writes_and_recovers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "trash").mkdir()
    faulty = FaultyEnv(str(tmp_path / "trash"))
    plain_open = Storage.open
    monkeypatch.setattr(Storage, "open", lambda path, replicas=None: plain_open(path, env=faulty, replicas=replicas))
    with sqlengine.connect(str(tmp_path / "data")) as db:
        db.execute("CREATE STREAM s (v BIGINT)")
        db.execute("CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s")
        db.insert("s", [(1,)])
        faulty.space = 0
        with pytest.raises(sqlengine.Error) as caught:
            db.insert("s", [(2,)])
        assert caught.value.sqlstate == "53100"
        assert db.execute("SELECT n FROM n").fetchall() == [(1,)], "reads go on"
        faulty.space = None
        db.insert("s", [(3,)])
        assert db.execute("SELECT v FROM s ORDER BY v").fetchall() == [(1,), (3,)]
        assert db.execute("SELECT n FROM n").fetchall() == [(2,)]
