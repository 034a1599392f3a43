"""VARCHAR(n) and CHAR(n) where rows come by other ways than INSERT, and after restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine


def test_lengths_are_kept_with_the_database(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(3), c CHAR(2))")
        db.execute("CREATE STREAM s (a VARCHAR(2), b AS a || '!')")
        db.execute("ALTER TABLE t ALTER c TYPE CHAR(4)")
        db.execute("ALTER TABLE t RENAME a TO b")
        db.crash()
    with sqlengine.connect(tmp_path) as db:
        shown = [row[:2] for row in db.execute("DESCRIBE t").fetchall()]
        assert shown == [("id", "integer"), ("b", "character varying(3)"), ("c", "character(4)")]
        for text in ("INSERT INTO t VALUES (1, 'abcd', '')", "INSERT INTO s VALUES ('abc')"):
            with pytest.raises(sqlengine.Error) as refused:
                db.execute(text)
            assert refused.value.sqlstate == "22001"


def test_parameters_and_many_rows() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(3))")
        cursor = db.cursor()
        with pytest.raises(sqlengine.Error) as refused:
            cursor.executemany("INSERT INTO t VALUES (?, ?)", [(1, "a"), (2, "bcde")])
        assert refused.value.sqlstate == "22001"
        cursor.executemany("INSERT INTO t VALUES (?, ?)", [(1, "a  "), (2, "bcd ")])
        db.execute("INSERT INTO t VALUES ($1, $2)", [3, None])
        assert sorted(db.execute("SELECT * FROM t").fetchall()) == [(1, "a  "), (2, "bcd"), (3, None)]
        with pytest.raises(sqlengine.Error):
            db.execute("INSERT INTO t VALUES ($1, $2)", [4, "four"])


def test_copy_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,ab \n2,abcd\n")
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(3), c CHAR(3))")
        with pytest.raises(sqlengine.Error) as refused:
            db.execute(f"COPY t (id, a) FROM '{path}' (FORMAT csv, HEADER false)")
        assert refused.value.sqlstate == "22001"
        assert db.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
        db.execute(f"COPY t (id, c) FROM '{_written(tmp_path, '1,ab   ')}' (FORMAT csv, HEADER false)")
        assert db.execute("SELECT c || '.' FROM t").fetchall() == [("ab.",)]


def test_rows_of_a_connector_are_set_aside(tmp_path: Path) -> None:
    path = _written(tmp_path, '{"a": "abc", "b": 1}\n{"a": "abcd", "b": 2}\n{"a": 5, "b": "x"}\n{"a": "a   ", "b": 4}')
    with sqlengine.connect() as db:
        db.execute(
            "CREATE STREAM s (a VARCHAR(3), b INT, c VARCHAR(2) GENERATED ALWAYS AS (a) STORED) "
            f"WITH (connector = 'file', path = '{path}', format = 'json')"
        )
        assert sorted(db.execute("SELECT a, b, c FROM s").fetchall()) == [("a  ", 4, "a "), ("abc", 1, "ab")]
        found = db.execute("SELECT sqlstate, reason FROM system.errors WHERE object = 's'").fetchall()
        assert ("22001", 'column "a": value too long for type character varying(3)') in found
        assert len(found) == 2


def _written(folder: Path, text: str) -> Path:
    path = folder / "given"
    path.write_text(text + "\n")
    return path
