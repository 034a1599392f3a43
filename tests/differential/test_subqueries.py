"""Subqueries of every kind in views: planned without recomputation, and equal to the query after every change."""

from __future__ import annotations

import pytest

import sqlengine
from tests.depth import rounds
from tests.differential import small_tables

QUERIES = (
    # conditions
    "SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k)",
    "SELECT a.id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.v <> a.v)",
    "SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.v > a.v + 1)",
    "SELECT a.id FROM a WHERE EXISTS (SELECT count(*) FROM b WHERE b.k = a.k)",
    "SELECT a.id FROM a WHERE a.k IN (SELECT k FROM b)",
    "SELECT a.id FROM a WHERE a.k NOT IN (SELECT k FROM b)",
    "SELECT a.id FROM a WHERE a.k NOT IN (SELECT k FROM b WHERE b.v = a.v)",
    "SELECT a.id FROM a WHERE a.k NOT IN (SELECT k FROM b WHERE k IS NOT NULL AND v > 2)",
    "SELECT a.id FROM a WHERE (a.k, a.v) IN (SELECT k, v FROM b)",
    "SELECT a.id FROM a WHERE a.v = ANY (SELECT v FROM b WHERE b.k = a.k)",
    "SELECT * FROM a WHERE k IN (SELECT k FROM b UNION SELECT v FROM c)",
    "SELECT a.id FROM a WHERE EXISTS (SELECT k FROM b WHERE b.k = a.k GROUP BY k HAVING count(*) > 1)",
    "SELECT a.id FROM a WHERE a.k IN (SELECT k FROM b GROUP BY k HAVING sum(v) > 2)",
    "SELECT a.id FROM a WHERE a.k = 1 OR EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.v > 1)",
    # values
    "SELECT a.id, a.k IN (SELECT k FROM b WHERE b.v = a.v) AS f FROM a",
    "SELECT a.id, NOT (a.k IN (SELECT k FROM b)) AS f, EXISTS (SELECT 1 FROM b WHERE b.v = a.v) AS g FROM a",
    "SELECT a.id FROM a WHERE a.v > (SELECT avg(v) FROM b)",
    "SELECT a.id FROM a WHERE a.v >= (SELECT max(v) FROM b WHERE b.k = a.k)",
    "SELECT a.id, (SELECT count(*) FROM b WHERE b.k = a.k) AS n,"
    " (SELECT count(*) + sum(v) FROM b WHERE b.k = a.k) AS m FROM a",
    "SELECT a.id, (SELECT max(v) FROM b) AS n, (SELECT b.v FROM b WHERE b.id = a.id) AS w FROM a",
    "SELECT a.id, (SELECT v FROM b ORDER BY v DESC NULLS LAST, id LIMIT 1) AS w FROM a",
    # in the condition of a join
    "SELECT a.id, b.id AS b FROM a FULL JOIN b ON a.k = b.k AND a.v > (SELECT avg(v) FROM c)",
    "SELECT a.id, b.id AS b FROM a FULL JOIN b ON a.k = b.k AND EXISTS (SELECT 1 FROM c WHERE c.k = b.v)",
    "SELECT a.*, b.id AS b FROM a FULL JOIN b ON a.k = b.k AND (a.v NOT IN (SELECT v FROM c)"
    " OR b.v = (SELECT max(v) FROM c))",
    "SELECT a.id, x.k FROM a LEFT JOIN (SELECT b.k FROM b JOIN c ON b.k = c.k) AS x ON a.k = x.k AND x.k IN (SELECT v"
    " FROM c WHERE c.id = a.id)",
    # around and inside aggregates
    "SELECT k, sum(v) AS s FROM a GROUP BY k HAVING sum(v) > (SELECT avg(v) FROM b)",
    "SELECT k, sum(v) AS s, (SELECT count(*) FROM b) AS c FROM a GROUP BY k",
    "SELECT k, sum(CASE WHEN EXISTS (SELECT 1 FROM b WHERE b.k = a.k) THEN 1 ELSE 0 END) AS s FROM a GROUP BY k",
    # nested, and beside joins
    "SELECT a.id FROM a WHERE EXISTS"
    " (SELECT 1 FROM b WHERE b.k = a.k AND NOT EXISTS (SELECT 1 FROM c WHERE c.k = b.v))",
    "SELECT a.id FROM a, b WHERE a.k = b.k AND b.v = (SELECT min(b2.v) FROM b b2 WHERE b2.k = a.k)",
    "SELECT id FROM (SELECT * FROM a WHERE EXISTS (SELECT 1 FROM c WHERE c.k = a.k)) AS x WHERE v IN (SELECT v FROM b)",
)


@pytest.mark.parametrize("seed", range(rounds(1, 4)))
def test_a_view_with_subqueries_equals_its_query_after_every_change(seed):
    small_tables.follow(QUERIES, seed, steps=rounds(8, 15))


@pytest.mark.parametrize("query", QUERIES)
def test_none_of_them_is_computed_again(query):
    small_tables.assert_incremental(query)


def test_a_scalar_subquery_with_several_rows_sets_the_row_aside():
    with sqlengine.connect() as db:
        small_tables.create(db)
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT a.id, (SELECT b.v FROM b WHERE b.k = a.k) AS w FROM a")
        db.execute("INSERT INTO a VALUES (1, 1, 0), (2, 2, 0); INSERT INTO b VALUES (1, 1, 5), (2, 2, 6), (3, 2, 7)")
        assert (1, 5) in db.execute("SELECT * FROM v").fetchall()
        assert (2, 6) not in db.execute("SELECT * FROM v").fetchall()


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("SELECT id FROM a WHERE k IN (SELECT k, v FROM b)", "42601"),
        ("SELECT id, (SELECT k, v FROM b) FROM a", "42601"),
        ("SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.nothing)", "42703"),
        ("SELECT id FROM a WHERE k IN (SELECT k FROM nowhere)", "42P01"),
    ],
)
def test_mistakes_are_named(query, state):
    with sqlengine.connect() as db:
        small_tables.create(db)
        with pytest.raises(sqlengine.ProgrammingError) as caught:
            db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        assert caught.value.sqlstate == state


def test_a_subquery_correlated_in_any_place_is_maintained():
    query = "SELECT a.id, (SELECT max(b.v + a.v) FROM b WHERE b.k > a.k) AS m FROM a"
    with sqlengine.connect() as db:
        small_tables.create(db)
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        assert "Recompute" not in str(db.execute("EXPLAIN v").fetchall())
        db.execute("INSERT INTO a VALUES (1, 1, 10), (2, 5, 0); INSERT INTO b VALUES (1, 2, 3), (2, 3, 4)")
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == sorted(db.execute(query).fetchall())
