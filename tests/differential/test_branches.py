"""Subqueries in branches of CASE that are not taken: PostgreSQL does not ask them, in SELECT or in views."""

from __future__ import annotations

import pytest

import sqlengine
from tests.differential import small_tables

GRAPH = ("CREATE TABLE g (f INT, t INT)", "INSERT INTO g VALUES (1, 2), (1, 3), (2, 3), (1, 4), (4, 0), (5, 1)")
MANY = "(SELECT t FROM g AS h)"
OWN = "(SELECT t FROM g AS h WHERE h.f = g.f)"


@pytest.fixture(scope="module")
def db():
    with sqlengine.connect() as made:
        for statement in GRAPH:
            made.execute(statement)
        yield made


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (f"SELECT CASE WHEN f = 99 THEN {MANY} ELSE 7 END AS z FROM g", [7] * 6),
        (f"SELECT CASE WHEN f = 99 THEN {OWN} ELSE 7 END AS z FROM g", [7] * 6),
        (f"SELECT CASE f WHEN 1 THEN 0 WHEN 2 THEN 7 ELSE {OWN} + 1 END AS z FROM g", [0, 0, 0, 1, 2, 7]),
        (f"SELECT CASE WHEN f IN (1, 5) THEN NULL ELSE {OWN} END AS z FROM g", [0, 3, None, None, None, None]),
        (f"SELECT CASE WHEN f > 2 AND NOT t = 0 THEN {OWN} END AS z FROM g", [1, None, None, None, None, None]),
        ("SELECT CASE WHEN t = 0 THEN NULL ELSE (SELECT 12 / g.t) END AS z FROM g", [12, 3, 4, 4, 6, None]),
        ("SELECT CASE WHEN f IS NULL THEN (SELECT 1 UNION ALL SELECT t FROM g) ELSE 1 END AS z FROM g", [1] * 6),
        (f"SELECT CASE WHEN f < 0 THEN (WITH w AS {MANY} SELECT t FROM w) ELSE 1 END AS z FROM g", [1] * 6),
        (f"SELECT CASE WHEN f < 9 THEN CASE WHEN t > 9 THEN {MANY} ELSE 2 END ELSE {MANY} END AS z FROM g", [2] * 6),
        (f"SELECT CASE WHEN f = 99 THEN {MANY} ELSE count(*) END AS z FROM g GROUP BY f", [1, 1, 1, 3]),
        (
            f"SELECT CASE WHEN f = 99 THEN {MANY} ELSE t END AS f FROM (SELECT * FROM g) AS q",
            [0, 1, 2, 3, 3, 4],
        ),
    ],
)
def test_a_branch_that_is_not_taken_is_not_asked(db, query, values):
    found = [value for (value,) in small_tables.of_both(db, query)]
    assert sorted(found, key=str) == values


def test_a_condition_by_the_name_of_another_column_stays(db):
    rows = db.execute(
        "SELECT f + 1 AS g1, CASE WHEN g1 = 2 THEN (SELECT max(t) FROM g) ELSE 0 END AS z FROM g"
    ).fetchall()
    assert sorted(rows) == [(2, 4), (2, 4), (2, 4), (3, 0), (5, 0), (6, 0)]


@pytest.mark.parametrize("branch", [MANY, OWN])
def test_a_branch_that_is_taken_is(db, branch):
    with pytest.raises(sqlengine.Error) as caught:
        db.execute(f"SELECT CASE WHEN f = 1 THEN {branch} ELSE 0 END FROM g").fetchall()
    assert caught.value.sqlstate == "21000"
