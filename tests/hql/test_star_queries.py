"""Ninety-nine queries of decision support in Hive's SQL are parsed, planned, and answered over empty tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sqlengine
from tests.hql.star_queries import queries, tables

QUERIES = queries()


@pytest.fixture(scope="module")
def database() -> Iterator[sqlengine.Database]:
    with sqlengine.connect(dialect="hive") as made:
        for name, columns in tables().items():
            made.execute(f"CREATE TABLE {name} ({columns})")
        yield made


def test_there_are_ninety_nine() -> None:
    assert len(QUERIES) == 99


@pytest.mark.parametrize("name", QUERIES)
def test_planned_and_answered(database: sqlengine.Database, name: str) -> None:
    plan = [row[0] for row in database.execute(f"EXPLAIN {QUERIES[name]}").fetchall()]
    assert plan[-1] == "answered once, by the operators of views"
    answer = database.execute(QUERIES[name]).to_arrow()
    assert answer.num_rows in (0, 1)  # an aggregate without groups has a row of nothing
