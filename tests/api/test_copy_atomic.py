"""COPY FROM writes all rows of its files or none, and they are seen together, however many there are."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest

import sqlengine
from sqlengine.statements import copy, spool


@pytest.fixture(params=[spool.MEMORY_BYTES, 1 << 12], ids=["in memory", "in a file"])
def small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read a few rows at a time."""
    monkeypatch.setattr(copy, "READ_ROWS", 100)
    monkeypatch.setattr(spool.Spool.__init__, "__defaults__", (request.param,))


def written(path: Path, lines: list[str]) -> Path:
    """A CSV file with a header."""
    path.write_text("\n".join(["k,v", *lines]) + "\n", encoding="utf-8")
    return path


def count(db: sqlengine.Database, table: str = "t") -> int:
    row = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.usefixtures("small_pieces")
def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    rows = [f"{n},{n}" for n in range(5000)]
    good = written(tmp_path / "good.csv", rows)
    bad = written(tmp_path / "bad.csv", [*rows, "17,x"])
    twice = written(tmp_path / "twice.csv", [*rows, "17,1"])
    with sqlengine.connect(tmp_path / "db") as db:
        db.execute("CREATE STREAM s (k BIGINT, v BIGINT) WITH (partitions = 3, on_error = 'fail')")
        db.execute("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT CHECK (v < 6000)) WITH (partitions = 3)")
        db.execute("CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n, sum(v) AS total FROM t")
        with pytest.raises(sqlengine.Error):
            db.execute(f"COPY s FROM '{bad}'")
        assert count(db, "s") == 0
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(f"COPY t FROM '{twice}'")
        assert (caught.value.sqlstate, caught.value.detail) == ("23505", "key (k)=(17) already exists")
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(f"COPY t FROM '{written(tmp_path / 'large.csv', [*rows, '9000,9000'])}'")
        assert caught.value.sqlstate == "23514" and count(db) == 0
        assert db.execute(f"COPY t FROM '{good}'").row_count == 5000
        assert db.execute(f"COPY s FROM '{good}'").row_count == 5000
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(f"COPY t FROM '{good}'")
        assert caught.value.sqlstate == "23505"
        assert db.execute("SELECT n, total FROM m").fetchone() == (5000, sum(range(5000)))
        assert db.execute("SELECT count(*), count(DISTINCT k) FROM s").fetchone() == (5000, 5000)
    with sqlengine.connect(tmp_path / "db") as db:
        assert db.execute("SELECT n, total FROM m").fetchone() == (5000, sum(range(5000)))


@pytest.mark.usefixtures("small_pieces")
def test_rows_of_a_copy_are_seen_together_and_others_do_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another session writes and reads while the file is read: it sees its own row, and none of the file."""
    path = written(tmp_path / "rows.csv", [f"{n},{n}" for n in range(1000)])
    reached, go_on = threading.Event(), threading.Event()
    real = copy._rows

    def slow(*arguments: object) -> object:
        rows = real(*arguments)  # type: ignore[arg-type]
        reached.set()
        go_on.wait(30)
        return rows

    monkeypatch.setattr(copy, "_rows", slow)
    with sqlengine.connect(tmp_path / "db") as db:
        db.execute("CREATE STREAM s (k BIGINT, v BIGINT)")
        thread = threading.Thread(target=lambda: db.session().execute(f"COPY s FROM '{path}'"))
        thread.start()
        assert reached.wait(30)
        db.execute("INSERT INTO s VALUES (-1, -1)")
        assert db.execute("SELECT k FROM s").fetchall() == [(-1,)]
        go_on.set()
        thread.join()
        assert count(db, "s") == 1001


def test_a_temporary_file_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "rows.csv", [f"{n},{n}" for n in range(1000)])
    monkeypatch.setattr(spool.Spool.__init__, "__defaults__", (100,))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k BIGINT, v BIGINT)")
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(f"COPY s FROM '{path}'")
        assert caught.value.sqlstate == "53100" and caught.value.hint and count(db, "s") == 0
