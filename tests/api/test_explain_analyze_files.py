"""EXPLAIN ANALYZE of what our own operators answer once: queries of Hive's dialect, and queries over files."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import sqlengine
from sqlengine import errors
from sqlengine.api.database import Database


@pytest.fixture
def db() -> Iterator[Database]:
    with sqlengine.connect(dialect="hive") as db:
        db.execute("CREATE TABLE t (c STRING, n INT) PARTITIONED BY (p INT) STORED AS PARQUET")
        db.execute("INSERT INTO t VALUES ('a', 1, 1), ('b', 2, 1), ('b', 3, 2), ('c', NULL, 2)")
        db.execute("CREATE TABLE u (c STRING, n INT)")
        yield db


def plan(db: Database, text: str) -> list[str]:
    return [row[0] for row in db.execute(text).fetchall()]


@pytest.mark.parametrize("dialect", ["hive", "spark", "postgres"])
def test_each_operator_says_what_it_has_done(db: Database, dialect: str) -> None:
    db.execute(f"SET dialect = '{dialect}'")
    lines = plan(db, "EXPLAIN ANALYZE SELECT c, count(*) FROM t WHERE n > 1 GROUP BY c")
    figures = {re.match(r" *(\w+)", line)[1]: re.search(r"\(in (\d+), out (\d+), ", line) for line in lines[:-2]}  # type: ignore[index]
    assert {name: (int(f[1]), int(f[2])) for name, f in figures.items() if f} == {
        "Project": (2, 2), "GroupAggregate": (2, 1), "Filter": (4, 2), "Scan": (4, 4),
    }  # fmt: skip
    assert lines[-2:] == ["rows 1", "answered once, by the operators of views"]


def test_only_the_partitions_that_are_asked_for_are_read(db: Database) -> None:
    lines = plan(db, "EXPLAIN ANALYZE SELECT c FROM t WHERE p = 2")
    assert re.search(r"Scan t .*\(in 2, out 2, ", lines[-3]), lines
    assert lines[-2] == "rows 2"


def test_an_insert_is_run_up_to_its_rows_and_writes_none(db: Database) -> None:
    assert plan(db, "EXPLAIN ANALYZE INSERT INTO u SELECT c, n FROM t WHERE n > 1")[-2] == "rows 2"
    assert db.execute("SELECT count(*) FROM u").fetchall() == [(0,)]


def test_errors_of_rows_are_those_of_the_query(db: Database) -> None:
    with pytest.raises(errors.DataError, match="no"):
        db.execute("EXPLAIN ANALYZE SELECT raise_error('no') FROM t")


def test_what_follows_is_still_measured_as_a_query_that_follows(db: Database) -> None:
    db.execute("SET dialect = 'postgres'")
    db.execute("CREATE STREAM s (k INT)")
    assert plan(db, "EXPLAIN ANALYZE SELECT k FROM s")[-1] == "ran once, over what was there"
