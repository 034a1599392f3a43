"""EXPLAIN ANALYZE: what running queries have done, and what a query would do over what is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

import sqlengine
from sqlengine import errors
from sqlengine.api.database import Database


@pytest.fixture
def db() -> Iterator[Database]:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute("CREATE MATERIALIZED VIEW sums AS SELECT k, sum(v) AS total FROM s GROUP BY k")
        db.execute("CREATE STREAM doubled AS SELECT k, 2 * v AS v FROM s")
        db.execute("INSERT INTO s VALUES (1, 1, '2024-01-01 00:00:00'), (2, 2, '2024-01-01 00:01:00')")
        db.execute("SELECT * FROM sums").fetchall()  # the rows below come in a later tick
        db.execute("INSERT INTO s VALUES (2, 3, '2024-01-01 00:02:00')")
        yield db


def plan(db: Database, text: str) -> list[str]:
    return [row[0] for row in db.execute(text).fetchall()]


def test_a_running_view(db: Database) -> None:
    lines = plan(db, "EXPLAIN ANALYZE sums")
    groups = next(line for line in lines if "GroupAggregate" in line)
    assert re.search(r"in 3, out 4, batches \d, state 2 rows \d+ bytes, watermark 2024-01-01 00:02:00 lag ", groups)
    assert re.search(r"\d+\.\d ms \d+%, [\d,]+ rows/s", groups)
    assert "Scan" in lines[-2] and lines[-1].startswith("ticks ")


@pytest.mark.parametrize("target", ["sums", "q1", "doubled"])
def test_by_name_and_by_id(db: Database, target: str) -> None:
    assert "rows in 3" in plan(db, f"EXPLAIN ANALYZE {target}")[-1]


def test_json_and_dot(db: Database) -> None:
    (told,) = plan(db, "EXPLAIN ANALYZE (format json) sums")
    ((node,),) = [top.values() for top in json.loads(told)]
    while node["Node Type"] != "GroupAggregate":
        (node,) = node["Plans"]
    figures = node["Figures"]
    assert (figures["rows_in"], figures["rows_out"], figures["state_rows"]) == (3, 4, 2)
    assert figures["watermark"] == "2024-01-01 00:02:00" and 0 < figures["busy_share"] <= 1
    assert any(
        "GroupAggregate" in line and "in 3, out 4" in line for line in plan(db, "EXPLAIN ANALYZE (format dot) sums")
    )


def test_json_has_the_form_of_postgresql(db: Database) -> None:
    result = db.execute("EXPLAIN (FORMAT JSON) SELECT a.k FROM s AS a JOIN s AS b ON a.k = b.k")
    ((told,),) = result.fetchall()
    ((key, node),) = [pair for top in json.loads(told) for pair in top.items()]
    assert key == "Plan" and result.columns == ["QUERY PLAN"] and str(result.schema.field(0).type).startswith("ext")
    counts = []
    waiting = [node]
    while waiting:
        node = waiting.pop()
        assert isinstance(node["Node Type"], str) and node.get("Plans") != []
        counts.append(len(node.get("Plans", [])))
        waiting += node.get("Plans", [])
    assert 2 in counts and counts.count(0) == 2


def test_a_query_that_does_not_run(db: Database) -> None:
    text = "EXPLAIN ANALYZE SELECT k, 6 / (v - 1) AS r, max(v) OVER (PARTITION BY k) FROM s"
    lines = plan(db, text)
    assert any("Scan s" in line and "in 3, out 3" in line for line in lines)
    assert lines[-3].endswith("errors 1")
    assert lines[-2:] == ["maintained incrementally", "ran once, over what was there"]
    assert [row[0] for row in db.execute("SELECT name FROM system.queries ORDER BY 1").fetchall()] == [
        "doubled$query",
        "sums",
    ]
    assert not [t for t in plan(db, "SELECT name FROM system.topics") if "explain" in t]


def test_what_does_not_run(db: Database) -> None:
    with pytest.raises(errors.WrongObjectType, match='"s" is a stream'):
        db.execute("EXPLAIN ANALYZE s")
    with pytest.raises(errors.UndefinedTable):
        db.execute("EXPLAIN ANALYZE nothing")
