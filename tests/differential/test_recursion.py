"""WITH RECURSIVE in views: maintained by iteration inside a tick, equal to the query after every change."""

from __future__ import annotations

import random

import pytest

import sqlengine
from sqlengine.operators import sub_flow
from tests.depth import rounds
from tests.differential import small_tables

REACH = "SELECT k, v FROM a WHERE k IS NOT NULL UNION SELECT r.k, a.v FROM r JOIN a ON r.v = a.k"
QUERIES = (
    # closure of a graph with cycles, both ways round
    f"WITH RECURSIVE r AS ({REACH}) SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT a.k, r.v FROM a JOIN r ON a.v = r.k) SELECT * FROM r",
    # the start in one table, the edges in another, and filters on both
    "WITH RECURSIVE r(n) AS (SELECT v FROM b WHERE k = 1 UNION SELECT a.v FROM r, a WHERE a.k = r.n AND a.id <> 2)"
    " SELECT * FROM r",
    # UNION ALL with a depth, paths and shortest paths
    "WITH RECURSIVE r(f, t, d) AS (SELECT k, v, 1 FROM a UNION ALL SELECT f, a.v, d + 1 FROM r JOIN a ON t = a.k"
    " WHERE d < 4) SELECT f, t, min(d) AS d, count(*) AS n FROM r GROUP BY f, t",
    "WITH RECURSIVE r(f, path) AS (SELECT k, CAST(id AS TEXT) FROM a UNION ALL"
    " SELECT r.f, path || '/' || b.id FROM r JOIN b ON r.f = b.k WHERE length(path) < 6) SELECT * FROM r",
    "WITH RECURSIVE r(f, path) AS (SELECT k, ARRAY[id] FROM a UNION ALL"
    " SELECT r.f, path || b.id FROM r JOIN b ON r.f = b.k WHERE cardinality(path) < 3 AND NOT b.id = ANY (path)),"
    " s AS (SELECT path || path AS twice, path FROM r) SELECT 0 || twice AS p, path || twice AS q FROM s",
    # UNION with a depth
    "WITH RECURSIVE r(n, d) AS (SELECT v, 0 FROM b UNION SELECT a.v, d + 1 FROM r JOIN a ON n = a.k WHERE d < 3)"
    " SELECT * FROM r",
    # two branches that recur, and a start of two
    "WITH RECURSIVE r AS ((SELECT k, v FROM a UNION SELECT k, v FROM b) UNION"
    " (SELECT r.k, a.v FROM r JOIN a ON r.v = a.k UNION ALL SELECT r.k, b.v FROM r JOIN b ON r.v = b.k))"
    " SELECT * FROM r",
    # a step that is distinct by itself
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT DISTINCT r.k, a.v FROM r JOIN a ON r.v = a.k)"
    " SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION (SELECT r.k, a.v FROM r JOIN a ON r.v = a.k UNION"
    " SELECT x.k, b.v FROM (SELECT k, v FROM r WHERE k > 0 GROUP BY k, v) AS x JOIN b ON x.v = b.k)) SELECT * FROM r",
    # conditions by other tables: semi, anti and outer joins in the step
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT r.k, a.v FROM r JOIN a ON r.v = a.k"
    " WHERE r.k IN (SELECT v FROM b)) SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT r.k, a.v FROM r JOIN a ON r.v = a.k"
    " WHERE NOT EXISTS (SELECT 1 FROM c WHERE c.k = a.k)) SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT r.k, b.v FROM r LEFT JOIN b ON r.v = b.k) SELECT * FROM r",
    # the step reads an aggregate of other tables
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT r.k, s.m FROM r JOIN"
    " (SELECT k, max(v) AS m FROM b GROUP BY k) AS s ON r.v = s.k) SELECT * FROM r",
    # read twice, joined and aggregated; a recursion over a recursion
    f"WITH RECURSIVE r AS ({REACH}) SELECT x.k, count(*) AS n FROM r AS x JOIN r AS y ON x.v = y.k GROUP BY x.k",
    f"WITH RECURSIVE r AS ({REACH}), q AS (SELECT k, v FROM b UNION SELECT q.k, r.v FROM q JOIN r ON q.v = r.k)"
    " SELECT * FROM q",
    # the step joins its rows with themselves: closures by squaring, of two kinds of edges, over other tables, in EXISTS
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT x.k, y.v FROM r AS x JOIN r AS y ON x.v = y.k)"
    " SELECT * FROM r",
    "WITH RECURSIVE r(f, t, w) AS (SELECT k, v, id % 2 FROM a UNION (SELECT x.f, y.t, x.w FROM r AS x, r AS y"
    " WHERE x.t = y.f AND x.w <> y.w UNION SELECT x.f, b.v, 0 FROM r AS x JOIN b ON x.t = b.k)) SELECT * FROM r",
    "WITH RECURSIVE r(f, t) AS (SELECT k, v FROM a UNION SELECT x.f, z.t FROM r AS x JOIN r AS y ON x.t = y.f"
    " JOIN r AS z ON y.t = z.f JOIN b ON b.k = z.t) SELECT f, count(*) FROM r GROUP BY f",
    "WITH RECURSIVE r(f, t) AS (SELECT k, v FROM a UNION SELECT x.f, b.v FROM r AS x JOIN b ON x.t = b.k"
    " WHERE EXISTS (SELECT 1 FROM r AS y WHERE y.f = b.v)) SELECT * FROM r",
    "WITH RECURSIVE r AS (WITH s AS (SELECT k, v FROM b) SELECT k, v FROM s UNION"
    " SELECT x.k, y.v FROM r AS x, r AS y, s WHERE x.v = y.k AND s.k = x.k) SELECT * FROM r",
    # rows that are replaced each round: least sums, labels, the best of a ranking, longest ways, sets
    "WITH MUTUALLY RECURSIVE d (f INT, t INT, n BIGINT) AS (SELECT f, t, min(n) FROM (SELECT k AS f, v AS t, id AS n"
    " FROM a UNION ALL SELECT d.f, a.v, d.n + a.id FROM d JOIN a ON d.t = a.k) AS p GROUP BY f, t) SELECT * FROM d",
    "WITH MUTUALLY RECURSIVE l (n INT, least INT) AS (SELECT n, min(x) FROM (SELECT k, k FROM a UNION ALL"
    " SELECT v, v FROM a UNION ALL SELECT a.v, l.least FROM l JOIN a ON a.k = l.n UNION ALL SELECT a.k, l.least"
    " FROM l JOIN a ON a.v = l.n) AS e(n, x) WHERE n IS NOT NULL GROUP BY n) SELECT least, count(*) FROM l"
    " GROUP BY least",
    "WITH MUTUALLY RECURSIVE best (k INT, v INT) AS (SELECT k, v FROM (SELECT k, v, row_number() OVER (PARTITION BY k"
    " ORDER BY v) AS r FROM (SELECT k, v FROM b UNION ALL SELECT a.k, best.v FROM best JOIN a ON a.v = best.k) AS x)"
    " AS y WHERE r = 1) SELECT * FROM best",
    "WITH MUTUALLY RECURSIVE deep (n INT, d INT) AS (SELECT a.k, coalesce(max(p.d) + 1, 0) FROM a LEFT JOIN deep AS p"
    " ON p.n = a.v WHERE a.k < a.v GROUP BY a.k) SELECT * FROM deep",
    "WITH MUTUALLY RECURSIVE r (k INT, v INT) AS (SELECT k, v FROM a UNION SELECT x.k, y.v FROM r AS x JOIN r AS y"
    " ON x.v = y.k EXCEPT SELECT k, v FROM b) SELECT * FROM r",
    "WITH MUTUALLY RECURSIVE r (k INT, v INT) AS (SELECT k, v FROM a UNION SELECT r.k, a.v FROM r JOIN a ON r.v = a.k"
    " WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = r.k)), s (k INT, n BIGINT) AS (SELECT k, count(*) FROM r GROUP BY"
    " k), u (k INT, n BIGINT) AS (SELECT k, max(n) FROM (SELECT k, n FROM s UNION ALL SELECT a.k, u.n FROM u JOIN a"
    " ON a.v = u.k) AS x GROUP BY k) SELECT * FROM u",
    "WITH MUTUALLY RECURSIVE g (k INT, v INT, at BIGINT) AS (SELECT k, v, rank() OVER (PARTITION BY k ORDER BY v)"
    " FROM (SELECT k, v FROM a UNION SELECT a.k, g.v FROM g JOIN a ON a.v = g.k WHERE g.at <= 2) AS x) SELECT * FROM g",
    # what a step says depends on the round: groups, rankings, what is missing, the least, pairs counted, other branches
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT r.k, max(b.v) FROM r JOIN b ON r.v = b.k GROUP BY r.k)"
    " SELECT * FROM r",
    "WITH RECURSIVE r(k, v, d) AS (SELECT k, v, 0 FROM a UNION ALL SELECT b.v, count(*)::INT, max(d) + 1 FROM r JOIN b"
    " ON r.k = b.k WHERE d < 3 GROUP BY b.v) SELECT * FROM r",
    "WITH RECURSIVE r(k, v, d) AS (SELECT k, v, 0 FROM a UNION ALL SELECT x.k, y.v, x.d + 1 FROM r AS x JOIN r AS y"
    " ON x.v = y.k WHERE x.d < 2) SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT a.v, x.v FROM (SELECT k, v, row_number() OVER (PARTITION BY k"
    " ORDER BY v) AS n FROM r) AS x JOIN a ON a.k = x.k WHERE n < 2) SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT b.k, b.v FROM b WHERE NOT EXISTS (SELECT 1 FROM r WHERE"
    " r.k = b.v)) SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT b.k, (SELECT max(v) FROM r) FROM b) SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT r.v, (SELECT min(k) FROM r) FROM r JOIN b ON b.k = r.k)"
    " SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT x.k, b.v FROM r AS x JOIN b ON b.k = x.v WHERE x.v >="
    " (SELECT avg(v) FROM r AS y WHERE y.k = x.k)) SELECT * FROM r",
    "WITH RECURSIVE r(k, v, d) AS (SELECT k, v, 0 FROM a UNION ALL SELECT k, v, d + 1 FROM (SELECT k, v, d FROM r WHERE"
    " d < 3 EXCEPT SELECT k, v, 1 FROM b) AS x) SELECT * FROM r",
    "WITH RECURSIVE r(n, d) AS (SELECT v, 0 FROM b UNION ALL SELECT count(*)::INT, max(d) + 1 FROM r HAVING max(d) < 4)"
    " SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT b.k, b.v FROM b WHERE b.id < (SELECT min(k) FROM r))"
    " SELECT * FROM r",
    "WITH RECURSIVE r(k, v) AS (SELECT k, v FROM a WHERE v > 0 UNION (SELECT k, max(v) FROM r GROUP BY k UNION ALL"
    " SELECT DISTINCT c.k, c.v FROM r RIGHT JOIN c ON c.k = r.v)) SELECT * FROM r",
    "WITH RECURSIVE r(k, v) AS (SELECT k, v FROM a UNION SELECT lag(v) OVER (PARTITION BY k ORDER BY v), k FROM r)"
    " SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION (SELECT x.k, y.v FROM r AS x JOIN r AS y ON x.v = y.k UNION ALL"
    " SELECT k, v FROM b)) SELECT * FROM r",
    # rows that are counted as a whole, round by round
    "WITH MUTUALLY RECURSIVE e (n BIGINT) AS (SELECT count(*) FROM a UNION ALL SELECT least(count(*), 5) FROM e)"
    " SELECT * FROM e",
    # several branches that recur, among others; items in any order; items that read each other
    "WITH RECURSIVE r AS (SELECT k, v FROM a UNION SELECT r.k, b.v FROM r JOIN b ON r.v = b.k UNION SELECT k, v FROM b"
    " WHERE k = 1 UNION SELECT r.k, c.v FROM r JOIN c ON r.v = c.k) SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT k, v, 1 AS d FROM a UNION ALL SELECT k, v, 0 FROM c UNION ALL SELECT r.k, b.v, d + 1"
    " FROM r JOIN b ON r.v = b.k WHERE d < 3 UNION ALL SELECT r.k, c.v, d + 1 FROM r JOIN c ON r.v = c.k WHERE d < 3)"
    " SELECT * FROM r",
    "WITH RECURSIVE x AS (SELECT * FROM y WHERE k > 0), y AS (SELECT k, v FROM a UNION SELECT y.k, b.v FROM y JOIN b"
    " ON b.k = y.v) SELECT * FROM x",
    "WITH RECURSIVE e(n, d) AS (SELECT k, 0 FROM a UNION ALL SELECT b.v, d + 1 FROM o JOIN b ON b.k = o.n), o(n, d) AS"
    " (SELECT c.v, d + 1 FROM e JOIN c ON c.k = e.n WHERE d < 4) SELECT * FROM e UNION ALL SELECT * FROM o",
    "WITH RECURSIVE e AS (SELECT k, v FROM a UNION SELECT x.k, y.v FROM o AS x JOIN o AS y ON x.v = y.k), o AS (SELECT"
    " k, v FROM b UNION SELECT e.k, o.v FROM e JOIN o ON o.k = e.v) SELECT * FROM e",
    "WITH RECURSIVE e AS (SELECT k, v FROM a UNION SELECT k, v FROM o WHERE k NOT IN (SELECT k FROM e WHERE k IS NOT"
    " NULL)), o AS (WITH x AS (SELECT 1) SELECT k, max(v) AS v FROM e GROUP BY k) SELECT * FROM o",
    "WITH MUTUALLY RECURSIVE e (n INT, m BIGINT) AS (SELECT k, count(*) FROM (SELECT k FROM a UNION SELECT n FROM o) AS"
    " x GROUP BY k), o (n INT, t TEXT) AS (SELECT c.v, 'x' FROM e JOIN c ON c.k = e.n WHERE NOT EXISTS (SELECT 1 FROM b"
    " WHERE b.k = e.n) UNION SELECT n, t FROM o WHERE n > 5) SELECT o.t, e.* FROM e LEFT JOIN o ON o.n = e.n",
    "WITH MUTUALLY RECURSIVE (RETURN AT RECURSION LIMIT 4) p (k INT) AS (SELECT k FROM a EXCEPT SELECT k FROM q),"
    " q (k INT) AS (SELECT b.k FROM b JOIN p ON p.k = b.v EXCEPT SELECT k FROM s), s (k INT) AS (SELECT v FROM c UNION"
    " SELECT q.k + 1 FROM q) SELECT p.k, q.k AS q FROM p FULL JOIN q ON p.k = q.k",
    "WITH MUTUALLY RECURSIVE (RETURN AT RECURSION LIMIT 5) x (n INT) AS (SELECT id FROM a UNION SELECT n + 1 FROM x)"
    " SELECT * FROM x",
    # no table in it at all
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 20) SELECT n, v FROM r JOIN a ON n = a.k",
)


@pytest.mark.parametrize("seed", range(rounds(1, 4)))
def test_a_recursive_view_equals_its_query_after_every_change(seed):
    small_tables.follow(QUERIES, seed, steps=rounds(6, 15))


@pytest.mark.parametrize("query", QUERIES)
def test_none_of_them_is_computed_again(query):
    small_tables.assert_incremental(query)


def test_what_is_on_a_cycle_goes_with_its_last_way_in():
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE e (f INT, t INT, PRIMARY KEY (f, t))")
        db.execute(
            "CREATE MATERIALIZED VIEW v AS WITH RECURSIVE r(n) AS (SELECT 0 UNION SELECT t FROM r JOIN e ON n = f)"
            " SELECT n FROM r"
        )
        db.execute("INSERT INTO e VALUES (0, 1), (1, 2), (2, 3), (3, 1), (0, 2)")
        assert sorted(db.execute("SELECT n FROM v").fetchall()) == [(0,), (1,), (2,), (3,)]
        db.execute("DELETE FROM e WHERE f = 0 AND t = 1")
        assert sorted(db.execute("SELECT n FROM v").fetchall()) == [(0,), (1,), (2,), (3,)]
        db.execute("UPDATE e SET t = 9 WHERE f = 0")
        assert sorted(db.execute("SELECT n FROM v").fetchall()) == [(0,), (9,)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("query", [*QUERIES[:4], *QUERIES[-17:-1:2]])
def test_it_continues_from_a_checkpoint(tmp_path, monkeypatch, query):
    monkeypatch.setattr(sub_flow, "SECTION_ROWS", 2)  # so that most of it is written by what has changed
    rng = random.Random(5)
    with sqlengine.connect(tmp_path) as db:
        small_tables.create(db)
        db.execute(f"CREATE MATERIALIZED VIEW v0 AS {query}")
        for _ in range(30):
            small_tables.change(db, rng)
    for _ in range(4):
        with sqlengine.connect(tmp_path) as db:
            small_tables.compare(db, [query])
            for _ in range(5):
                small_tables.change(db, rng)
                small_tables.compare(db, [query])
                db.execute("CHECKPOINT")


def test_the_rows_of_a_stream_only_come():
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (f INT, t INT)")
        db.execute(
            "CREATE MATERIALIZED VIEW v AS"
            " WITH RECURSIVE r AS (SELECT f, t FROM e UNION SELECT r.f, e.t FROM r JOIN e ON r.t = e.f) SELECT * FROM r"
        )
        assert "retracts" not in str(db.execute("EXPLAIN v").fetchall()[0])
        edges = [(i, (i * 7 + 3) % 40) for i in range(40)]
        for edge in edges:
            db.execute("INSERT INTO e VALUES (?, ?)", edge)
        reached = set(edges)
        while more := {(a, d) for a, b in reached for c, d in edges if b == c} - reached:
            reached |= more
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == sorted(reached)


def test_types_widen_until_both_halves_agree():
    query = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n * 1.5 FROM r WHERE n < 4) SELECT n FROM r"
    with sqlengine.connect() as db:
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        rows = [float(n) for (n,) in sorted(db.execute("SELECT n FROM v").fetchall())]
        assert rows == [1.0, 1.5, 2.25, 3.375, 5.0625]


def test_a_recursion_without_an_end_fails_alone(monkeypatch):
    monkeypatch.setattr("sqlengine.operators.iterate.ITERATIONS_MAX", 500)
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE e (f INT, t INT, PRIMARY KEY (f, t))")
        db.execute(
            "CREATE MATERIALIZED VIEW v AS WITH RECURSIVE r AS"
            " (SELECT f, t FROM e UNION ALL SELECT r.f, e.t FROM r JOIN e ON r.t = e.f) SELECT count(*) AS n FROM r"
        )
        db.execute("CREATE MATERIALIZED VIEW w AS SELECT count(*) AS n FROM e")
        db.execute("INSERT INTO e VALUES (1, 2), (2, 3)")
        assert db.execute("SELECT n FROM v").fetchall() == [(3,)]
        db.execute("INSERT INTO e VALUES (3, 1)")
        assert db.execute("SELECT n FROM w").fetchall() == [(3,)]
        with pytest.raises(sqlengine.Error, match="recursion did not end within 500 rounds") as caught:
            db.execute("SELECT n FROM v").fetchall()
        assert caught.value.sqlstate == "54001"


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("WITH RECURSIVE r AS (SELECT k FROM r) SELECT * FROM r", "42P19"),
        ("WITH RECURSIVE r AS (SELECT k FROM r UNION SELECT k FROM a) SELECT * FROM r", "42P19"),
        ("WITH RECURSIVE r AS (SELECT k FROM a INTERSECT SELECT k FROM r) SELECT * FROM r", "42P19"),
        ("WITH RECURSIVE r AS (SELECT k FROM a UNION SELECT k, v FROM r) SELECT * FROM r", "42703"),
        ("WITH RECURSIVE r AS (SELECT k FROM a UNION SELECT k, k FROM r) SELECT * FROM r", "42601"),
        ("WITH RECURSIVE r AS (SELECT k FROM a UNION SELECT now() FROM r) SELECT * FROM r", "42804"),
        ("WITH MUTUALLY RECURSIVE r AS (SELECT k FROM a) SELECT * FROM r", "42601"),
        ("WITH MUTUALLY RECURSIVE r (k) AS (SELECT k FROM a) SELECT * FROM r", "42601"),
        ("WITH MUTUALLY RECURSIVE r (k INT) (SELECT k FROM a) SELECT * FROM r", "42601"),
        ("WITH MUTUALLY RECURSIVE (RECURSION LIMIT 0) r (k INT) AS (SELECT k FROM r) SELECT * FROM r", "42601"),
        ("WITH MUTUALLY RECURSIVE (LIMIT 5) r (k INT) AS (SELECT k FROM r) SELECT * FROM r", "42601"),
        ("WITH MUTUALLY RECURSIVE () r (k INT) AS (SELECT k FROM r) SELECT * FROM r", "42601"),
        (
            "WITH RECURSIVE r AS (SELECT k FROM a UNION SELECT k FROM r UNION ALL SELECT k FROM r) SELECT * FROM r",
            "42P19",
        ),
        ("WITH RECURSIVE r AS (SELECT k FROM s), s AS (SELECT k FROM r) SELECT * FROM r", "0A000"),
        (
            "WITH RECURSIVE r AS (SELECT k FROM s UNION SELECT k FROM r), s AS (SELECT k FROM r) SELECT * FROM r",
            "42P19",
        ),
        (
            "WITH RECURSIVE r AS (SELECT k FROM a UNION SELECT * FROM s), s AS (SELECT * FROM r) SELECT * FROM r",
            "0A000",
        ),
        (
            "WITH RECURSIVE r AS (SELECT k FROM a UNION SELECT k FROM s), s AS (SELECT k FROM b UNION ALL SELECT k"
            " FROM r) SELECT * FROM r",
            "0A000",
        ),
        ("WITH RECURSIVE r AS (SELECT k, k FROM a UNION SELECT 1, 2 FROM s), s AS (SELECT k FROM r) SELECT 1", "42601"),
        (
            "WITH RECURSIVE r AS (SELECT k FROM a UNION SELECT k FROM s LIMIT 3), s AS (SELECT k FROM r) SELECT 1",
            "0A000",
        ),
        ("WITH MUTUALLY RECURSIVE r (k INT) AS (SELECT k, k FROM r) SELECT * FROM r", "42601"),
    ],
)
def test_mistakes_are_named(query, state):
    with sqlengine.connect() as db:
        small_tables.create(db)
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        assert caught.value.sqlstate == state


@pytest.mark.parametrize("seed", range(rounds(1, 3)))
def test_squaring_gives_the_closure_while_edges_come_and_go(seed):
    rng = random.Random(seed)
    query = "WITH RECURSIVE r AS (SELECT f, t FROM e UNION SELECT x.f, y.t FROM r AS x JOIN r AS y ON x.t = y.f)"
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE e (f INT, t INT, PRIMARY KEY (f, t))")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query} SELECT * FROM r")
        edges: set[tuple[int, int]] = set()
        for _ in range(25):
            if edges and rng.random() < 0.45:
                gone = rng.choice(sorted(edges))
                db.execute("DELETE FROM e WHERE f = ? AND t = ?", gone)
                edges.remove(gone)
            else:
                edge = rng.randrange(7), rng.randrange(7)
                db.execute("INSERT INTO e VALUES (?, ?) ON CONFLICT DO NOTHING", edge)
                edges.add(edge)
            reached = set(edges)
            while more := {(a, d) for a, b in reached for c, d in edges if b == c} - reached:
                reached |= more
            assert sorted(db.execute("SELECT * FROM v").fetchall()) == sorted(reached)
            assert sorted(db.execute(f"{query} SELECT * FROM r").fetchall()) == sorted(reached)


def test_a_recursion_over_the_rows_of_another_round_is_computed_again():
    with sqlengine.connect() as db:
        small_tables.create(db)
        step = "SELECT s.k, b.v FROM s JOIN b ON s.v = b.k"
        inner = f"WITH RECURSIVE s AS (SELECT k, v FROM r UNION {step}) SELECT * FROM s"
        query = f"WITH RECURSIVE r AS (SELECT k, v FROM a UNION ({inner})) SELECT * FROM r"
        db.execute(f"CREATE MATERIALIZED VIEW v0 AS {query}")
        assert "a recursive query with Iterate over its own rows" in str(db.execute("EXPLAIN v0").fetchall())
        db.execute("INSERT INTO a VALUES (1, 1, 2), (2, 2, 3)")
        small_tables.compare(db, [query])


SHORTEST = (
    "WITH MUTUALLY RECURSIVE d (f INT, t INT, w BIGINT) AS (SELECT f, t, min(w) FROM (SELECT f, t, w FROM e UNION ALL"
    " SELECT d.f, e.t, d.w + e.w FROM d JOIN e ON d.t = e.f) AS p GROUP BY f, t)"
)


def shortest(edges: dict[tuple[int, int], int], nodes: int) -> list[tuple[int, int, int]]:
    """Floyd and Warshall's algorithm."""
    ways = dict(edges)
    for middle in range(nodes):
        for start in range(nodes):
            for end in range(nodes):
                if (start, middle) in ways and (middle, end) in ways:
                    through = ways[start, middle] + ways[middle, end]
                    ways[start, end] = min(through, ways.get((start, end), through))
    return sorted((start, end, way) for (start, end), way in ways.items())


@pytest.mark.parametrize("seed", range(rounds(1, 3)))
def test_shortest_ways_while_edges_come_change_and_go(seed, tmp_path):
    rng = random.Random(seed)
    db = sqlengine.connect(tmp_path)
    db.execute("CREATE TABLE e (f INT, t INT, w INT, PRIMARY KEY (f, t))")
    db.execute(f"CREATE MATERIALIZED VIEW v AS {SHORTEST} SELECT * FROM d")
    edges: dict[tuple[int, int], int] = {}
    for step in range(40):
        if edges and rng.random() < 0.4:
            gone = rng.choice(sorted(edges))
            db.execute("DELETE FROM e WHERE f = ? AND t = ?", gone)
            del edges[gone]
        else:
            edge, way = (rng.randrange(7), rng.randrange(7)), rng.randint(1, 20)
            db.execute("INSERT INTO e VALUES (?, ?, ?) ON CONFLICT (f, t) DO UPDATE SET w = excluded.w", (*edge, way))
            edges[edge] = way
        if step % 13 == 12:
            db.close()
            db = sqlengine.connect(tmp_path)
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == shortest(edges, 7)
    assert sorted(db.execute(f"{SHORTEST} SELECT * FROM d").fetchall()) == shortest(edges, 7)
    assert "Rounds" in str(db.execute("EXPLAIN v").fetchall())
    db.close()


def alternating(first: set[tuple[int, int]], second: set[tuple[int, int]]) -> set[tuple[str, int, int]]:
    """Ways that take an edge of each kind in turn, by the kind of their last edge; naive iteration."""
    ways: set[tuple[str, int, int]] = set()
    while True:
        found = {("x", *edge) for edge in first}
        found |= {("x", f, d) for kind, f, t in ways if kind == "y" for c, d in first if c == t}
        found |= {("y", f, d) for kind, f, t in ways if kind == "x" for c, d in second if c == t}
        if found <= ways:
            return ways
        ways |= found


MUTUAL = (
    "WITH RECURSIVE x AS (SELECT f, t FROM e1 UNION SELECT y.f, e1.t FROM y JOIN e1 ON y.t = e1.f),"
    " y AS (SELECT x.f, e2.t FROM x JOIN e2 ON x.t = e2.f)",
    "WITH RECURSIVE y AS (SELECT x.f, e2.t FROM x JOIN e2 ON x.t = e2.f),"
    " x(f, t) AS (SELECT f, t FROM e1 UNION SELECT y.f, e1.t FROM y JOIN e1 ON y.t = e1.f)",
    "WITH MUTUALLY RECURSIVE x (f INT, t INT) AS (SELECT f, t FROM e1 UNION SELECT y.f, e1.t FROM y JOIN e1 ON y.t ="
    " e1.f), y (f INT, t INT) AS (SELECT DISTINCT x.f, e2.t FROM x JOIN e2 ON x.t = e2.f)",
)


@pytest.mark.parametrize("seed", range(rounds(1, 2)))
def test_items_that_read_each_other_while_edges_come_and_go(seed, tmp_path):
    rng = random.Random(seed)
    db = sqlengine.connect(tmp_path)
    edges: dict[str, set[tuple[int, int]]] = {"e1": set(), "e2": set()}
    for table in edges:
        db.execute(f"CREATE TABLE {table} (f INT, t INT, PRIMARY KEY (f, t))")
    both = "SELECT 'x', f, t FROM x UNION ALL SELECT 'y', f, t FROM y"
    for i, items in enumerate(MUTUAL):
        db.execute(f"CREATE MATERIALIZED VIEW v{i}(kind, f, t) AS {items} {both}")
    for step in range(rounds(20, 40)):
        table = rng.choice(sorted(edges))
        if edges[table] and rng.random() < 0.4:
            gone = rng.choice(sorted(edges[table]))
            db.execute(f"DELETE FROM {table} WHERE f = ? AND t = ?", gone)
            edges[table].remove(gone)
        else:
            edge = rng.randrange(6), rng.randrange(6)
            db.execute(f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT DO NOTHING", edge)
            edges[table].add(edge)
        if step % 17 == 16:
            db.close()
            db = sqlengine.connect(tmp_path)
        expected = sorted(alternating(edges["e1"], edges["e2"]))
        for i, items in enumerate(MUTUAL):
            assert sorted(db.execute(f"SELECT * FROM v{i}").fetchall()) == expected
            assert sorted(db.execute(f"{items} {both}").fetchall()) == expected
    db.close()


def test_items_are_made_anew_one_after_the_other_in_each_round():
    query = (
        "WITH MUTUALLY RECURSIVE (RETURN AT RECURSION LIMIT 3) x (n INT) AS (SELECT n FROM e UNION ALL SELECT n + 1"
        " FROM y), y (n INT) AS (SELECT n * 10 FROM x) SELECT n FROM y"
    )
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE e (n INT PRIMARY KEY)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        db.execute("INSERT INTO e VALUES (1)")
        x: list[int] = []
        y: list[int] = []
        for _ in range(3):
            x = [1, *(n + 1 for n in y)]
            y = [n * 10 for n in x]
        assert sorted(db.execute("SELECT n FROM v").fetchall()) == sorted((n,) for n in y)
        assert sorted(db.execute(query).fetchall()) == sorted((n,) for n in y)
        limited = query.replace("RETURN", "ERROR")
        with pytest.raises(sqlengine.Error, match="recursion did not settle within 3 rounds") as caught:
            db.execute(limited).fetchall()
        assert caught.value.sqlstate == "54001"
        with pytest.raises(sqlengine.Error, match="recursion did not settle within 3 rounds") as caught:
            db.execute(f"CREATE MATERIALIZED VIEW w AS {limited}")
        assert caught.value.sqlstate == "54001"


def test_rows_that_never_settle_fail_alone(monkeypatch):
    monkeypatch.setattr("sqlengine.operators.rounds.ROUNDS_MAX", 40)
    query = (
        "WITH MUTUALLY RECURSIVE x (n INT) AS (SELECT n FROM e UNION SELECT n + 1 FROM x) SELECT count(*) AS n FROM x"
    )
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE e (n INT PRIMARY KEY)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        assert db.execute("SELECT n FROM v").fetchall() == [(0,)]
        db.execute("INSERT INTO e VALUES (1)")
        with pytest.raises(sqlengine.Error, match="recursion did not settle within 40 rounds") as caught:
            db.execute("SELECT n FROM v").fetchall()
        assert caught.value.sqlstate == "54001"
        with pytest.raises(sqlengine.Error, match="recursion did not settle within 1,000 rounds") as caught:
            db.execute(query).fetchall()
        assert caught.value.sqlstate == "54001"
