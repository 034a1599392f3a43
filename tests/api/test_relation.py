"""Relations answer as DuckDB's relation API does over the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

import sqlengine
from sqlengine.api.database import Database

ROWS = pa.table({"k": [1, 2, 1, 3, None], "v": [10.0, 20.0, 30.0, None, 50.0], "s": ["a", "b", "ä", "日本", None]})


@pytest.fixture
def db() -> Iterator[Database]:
    with sqlengine.connect() as database:
        database.execute("CREATE STREAM t (k BIGINT, v DOUBLE PRECISION, s TEXT)")
        database.insert("t", ROWS)
        yield database


def test_building_blocks_agree_with_duckdb(db: Database) -> None:
    with duckdb.connect() as other:
        other.register("t", ROWS)
        theirs = other.table("t")
        ours = db.sql("t")
        pairs = [
            (ours.filter("v > 10"), theirs.filter("v > 10")),
            (ours.select("k + 1 AS n", "s"), theirs.project("k + 1 AS n, s")),
            (ours.aggregate("sum(v) AS total", by="k"), theirs.aggregate("k, sum(v) AS total", "k")),
            (ours.order("v DESC NULLS LAST").limit(2), theirs.order("v DESC NULLS LAST").limit(2)),
            (ours.select("k").distinct(), theirs.project("k").distinct()),
            (ours.union(ours), theirs.union(theirs)),
            (ours.join(db.sql("SELECT 1 AS k, 'x' AS tag"), "l.k = r.k").select("v", "tag"),
             other.sql("SELECT v, 'x' AS tag FROM t WHERE k = 1")),
        ]  # fmt: skip
        for mine, yours in pairs:
            assert sorted(map(repr, mine.fetchall())) == sorted(map(repr, yours.fetchall())), mine.sql


def test_frames_and_capsules(db: Database) -> None:
    relation = db.sql("SELECT k, v FROM t WHERE k IS NOT NULL ORDER BY v")
    assert pa.table(relation).column_names == ["k", "v"]
    assert list(relation.to_pandas()["k"]) == [1, 2, 1, 3]
    assert relation.to_polars().shape == (4, 2)
    assert relation.columns == ["k", "v"]
    assert len(relation) == 4


def test_looking(db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    relation = db.sql("SELECT s, v FROM t WHERE s = 'a' OR s IS NULL ORDER BY v")
    relation.show()
    assert capsys.readouterr().out.splitlines() == ["s     v", "----  --", "a     10", "NULL  50"]
    assert "<td>NULL</td>" in relation._repr_html_()


def test_a_relation_can_be_kept(db: Database) -> None:
    db.sql("t").aggregate("count(*) AS n", by="k").materialize("per_k")
    db.insert("t", [(1, 0.0, "z")])
    assert sorted(db.sql("per_k").fetchall(), key=repr) == [(1, 3), (2, 1), (3, 1), (None, 1)]
    db.sql("t").filter("k = 1").create_view("ones")
    assert len(db.sql("ones")) == 3
    assert "GroupAggregate" in db.sql("t").aggregate("count(*)", by="k").explain()


def test_rows_in_every_form_arrive(db: Database) -> None:
    frame = ROWS.to_pandas()
    for rows in (ROWS, ROWS.to_batches()[0], frame, db.sql("t").to_polars().head(5), ROWS.to_pylist()):
        before = len(db.sql("t"))
        assert db.insert("t", rows) == 5
        assert len(db.sql("t")) == before + 5
    assert db.insert("t", []) == 0
    with pytest.raises(sqlengine.Error):
        db.insert("t", [(1, 2)] + [(1,)])
    with pytest.raises(sqlengine.Error):
        db.insert("t", [(1, "not a number", "s")])
    with pytest.raises(sqlengine.ProgrammingError):
        db.insert("nowhere", [(1,)])


def test_unknown_join_is_refused(db: Database) -> None:
    with pytest.raises(sqlengine.Error, match="unknown join"):
        db.sql("t").join(db.sql("t"), how="sideways")
