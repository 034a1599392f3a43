"""Set operations, grouping sets, DISTINCT ON, full joins with USING: views equal their queries after every change."""

from __future__ import annotations

import pytest

import sqlengine
from tests.depth import rounds
from tests.differential import small_tables

QUERIES = (
    "SELECT k, v FROM a INTERSECT SELECT k, v FROM b",
    "SELECT k FROM a INTERSECT ALL SELECT v FROM b",
    "SELECT k, v FROM a EXCEPT SELECT k, v FROM b",
    "SELECT k FROM a EXCEPT ALL SELECT k FROM b",
    "(SELECT k FROM a EXCEPT ALL SELECT v FROM b) UNION ALL SELECT k FROM c",
    "SELECT k FROM a UNION SELECT v FROM b INTERSECT SELECT k FROM c",
    "SELECT k, count(*) AS n FROM (SELECT k, v FROM a EXCEPT SELECT k, v FROM b) AS q GROUP BY k",
    "SELECT id, k FROM a INTERSECT SELECT v, k FROM b ORDER BY k DESC, id LIMIT 2",
    # grouping sets
    "SELECT k, v, count(*) AS n, sum(id) AS s FROM a GROUP BY ROLLUP (k, v)",
    "SELECT k, v, count(*) AS n, grouping(k, v) AS g FROM a GROUP BY CUBE (k, v)",
    "SELECT k, v, max(id) AS m FROM a GROUP BY GROUPING SETS ((k), (v), ())",
    "SELECT k, v % 2 AS o, count(*) AS n FROM a GROUP BY k, ROLLUP (v % 2) HAVING count(*) > 1",
    "SELECT coalesce(k, -1) AS k, grouping(k) * 2 AS g FROM a GROUP BY ROLLUP (k)",
    "SELECT k, sum(v) AS s, rank() OVER (PARTITION BY grouping(k) ORDER BY sum(v), k) AS r FROM a GROUP BY ROLLUP (k)",
    "SELECT k, count(*) AS n FROM a GROUP BY GROUPING SETS ((k), (k))",
    "SELECT k, grouping(k) AS g FROM a GROUP BY k",
    "SELECT count(*) AS n FROM a GROUP BY GROUPING SETS (())",
    # DISTINCT ON
    "SELECT DISTINCT ON (k) k, v, id FROM a ORDER BY k, v DESC, id",
    "SELECT DISTINCT ON (k) id AS first FROM a ORDER BY k, id",
    "SELECT DISTINCT ON (v % 2, k) v % 2 AS odd, k, id FROM a ORDER BY odd, k, id DESC",
    "SELECT DISTINCT ON (1) k, id FROM a ORDER BY 1, 2",
    "SELECT DISTINCT ON (k) k, v FROM a ORDER BY k, id LIMIT 2",
    "SELECT DISTINCT ON (k) k, count(*) AS n, v FROM a GROUP BY k, v ORDER BY k, count(*) DESC, v",
    # full joins with merged columns
    "SELECT k, a.v AS x, b.v AS y, a.k AS l, b.k AS r FROM a FULL JOIN b USING (k)",
    "SELECT k, v, a.id AS x, b.id AS y FROM a FULL JOIN b USING (k, v)",
    "SELECT * FROM (SELECT k, id AS x FROM a) AS l NATURAL FULL JOIN (SELECT k, id AS y FROM b) AS r",
    "SELECT k, count(*) AS n FROM a FULL JOIN b USING (k) GROUP BY k",
    # the places of merged columns are the left side's
    "SELECT * FROM (SELECT v AS x, id, k FROM a) AS l NATURAL FULL JOIN (SELECT k, v AS y, id FROM b) AS r",
    "SELECT * FROM (SELECT v AS x, id, k FROM a) AS l FULL JOIN (SELECT k, v AS y, id FROM b) AS r USING (k, id)",
    "SELECT * FROM (SELECT v AS x, id, k FROM a) AS l NATURAL RIGHT JOIN (SELECT k, v AS y, id FROM b) AS r",
    "SELECT id, l.id AS i, r.id AS j, r.v AS w FROM a AS l RIGHT JOIN b AS r USING (k, id) WHERE k > 0",
    "SELECT l.* FROM a AS l RIGHT JOIN b AS r USING (k, id)",
    "SELECT * FROM a FULL JOIN (SELECT id, k, v AS x FROM b) AS q USING (k, id) FULL JOIN (SELECT k, id FROM c) AS r"
    " USING (id, k)",
)


@pytest.mark.parametrize("seed", range(rounds(1, 4)))
def test_a_view_equals_its_query_after_every_change(seed):
    small_tables.follow(QUERIES, seed, steps=rounds(8, 15))


@pytest.mark.parametrize("query", QUERIES)
def test_none_of_them_is_computed_again(query):
    small_tables.assert_incremental(query)


def test_equal_rows_of_streams_are_counted():
    queries = [f"SELECT k FROM s {op} SELECT k FROM t" for op in ("INTERSECT ALL", "EXCEPT ALL", "INTERSECT", "EXCEPT")]
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k INT); CREATE STREAM t (k INT)")
        for i, query in enumerate(queries):
            db.execute(f"CREATE MATERIALIZED VIEW v{i} AS {query}")
        for stream, rows in (
            ("s", "(1), (1), (2), (NULL)"),
            ("t", "(1), (NULL), (NULL)"),
            ("s", "(NULL), (NULL), (3)"),
        ):
            db.execute(f"INSERT INTO {stream} VALUES {rows}")
            small_tables.compare(db, queries)


def test_grouping_sets_over_windows():
    query = (
        "SELECT window_start, k, count(*) AS n FROM TUMBLE(e, ts, INTERVAL '10 seconds')"
        " GROUP BY ROLLUP (window_start, k)"
    )
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (k INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute(f"CREATE MATERIALIZED VIEW v0 AS {query}")
        assert "Recompute" not in str(db.execute("EXPLAIN v0").fetchall())
        for i in range(12):
            db.execute("INSERT INTO e VALUES (?, ?)", (i % 3, f"2024-01-01 00:00:{i * 4:02}"))
            small_tables.compare(db, [query])


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("SELECT k FROM a INTERSECT SELECT k, v FROM b", "42601"),
        ("SELECT k FROM a EXCEPT SELECT DATE '2024-01-01'", "42804"),
        ("SELECT DISTINCT ON (k) k, v FROM a ORDER BY v", "42P10"),
        ("SELECT grouping(v) FROM a GROUP BY ROLLUP (k)", "42803"),
        ("SELECT v FROM a GROUP BY ROLLUP (k)", "42803"),
        ("SELECT k FROM a FULL JOIN b USING (nothing)", "42703"),
        ("SELECT k FROM a UNION SELECT k FROM b ORDER BY k + 1 LIMIT 1", "42601"),
    ],
)
def test_mistakes_are_named(query, state):
    with sqlengine.connect() as db:
        small_tables.create(db)
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        assert caught.value.sqlstate == state
