"""SEARCH and CYCLE of WITH RECURSIVE: PostgreSQL's answers (its regression test with.sql), and views that follow."""

from __future__ import annotations

import pytest

import sqlengine
from tests.depth import rounds
from tests.differential import small_tables

STEP = "SELECT k, v FROM a UNION ALL SELECT a.k, a.v FROM a JOIN r ON a.k = r.v"
QUERIES = (
    f"WITH RECURSIVE r(k, v) AS ({STEP}) CYCLE k, v SET c USING p SELECT * FROM r",
    f"WITH RECURSIVE r AS ({STEP}) SEARCH DEPTH FIRST BY v, k SET s CYCLE k SET c TO 'Y' DEFAULT 'N' USING p"
    " SELECT k, v, s, c FROM r",
    f"WITH RECURSIVE r AS ({STEP}) SEARCH BREADTH FIRST BY k SET s CYCLE k SET c USING p SELECT k, c, max(s) AS deepest"
    " FROM r GROUP BY k, c",
    "WITH RECURSIVE x AS (SELECT k, v FROM b), r(f, t) AS (WITH y AS (SELECT * FROM x) (SELECT k, v FROM y UNION"
    " SELECT q.* FROM r AS q JOIN c ON c.k = q.t)) CYCLE f, t SET m TO 1 DEFAULT 0 USING p SELECT * FROM r",
)
GRAPH = (
    "CREATE TABLE graph0 (f INT, t INT, label TEXT)",
    "INSERT INTO graph0 SELECT f, t, 'arc ' || f || ' -> ' || t FROM (VALUES (1, 2), (1, 3), (2, 3), (1, 4), (4, 5))"
    " AS x(f, t)",
    "CREATE TABLE graph AS SELECT * FROM graph0",
    "INSERT INTO graph VALUES (5, 1, 'arc 5 -> 1')",
)
SEARCHED = (
    "WITH RECURSIVE search_graph(f, t, label) AS (SELECT * FROM {0} g UNION {2} SELECT g.* FROM {0} g, search_graph sg"
    " WHERE g.f = sg.t) {1} SELECT {3} FROM search_graph"
)
CYCLES = {
    (1, 2): ["51-12", "45-51-12", "14-45-51-12", "12"],
    (1, 3): ["51-13", "45-51-13", "14-45-51-13", "13"],
    (2, 3): ["23", "12-23", "51-12-23", "45-51-12-23", "14-45-51-12-23"],
    (1, 4): ["14", "51-14", "45-51-14", "14-45-51-14 t"],
    (4, 5): ["45", "14-45", "51-14-45", "45-51-14-45 t"],
    (5, 1): ["51", "45-51", "14-45-51", "51-14-45-51 t"],
}
"""PostgreSQL's rows of `cycle f, t set is_cycle using path`: by f and t the paths, and t where is_cycle."""


@pytest.fixture
def db():
    with sqlengine.connect() as made:
        for statement in GRAPH:
            made.execute(statement)
        yield made


def way(path):
    return "-".join("".join(str(v) for v in row.values()) for row in path)


def test_depth_first_orders_by_the_way(db):
    query = SEARCHED.format("graph0", "SEARCH DEPTH FIRST BY f, t SET seq", "ALL", "f, t, seq") + " ORDER BY seq"
    found = [(f, t, way(seq)) for f, t, seq in small_tables.of_both(db, query)]
    ways = [(1, 2, "12"), (2, 3, "12-23"), (1, 3, "13"), (1, 4, "14"), (4, 5, "14-45"), (2, 3, "23"), (4, 5, "45")]
    assert found == ways


def test_breadth_first_orders_by_the_depth(db):
    query = SEARCHED.format("graph0", "SEARCH BREADTH FIRST BY f, t SET seq", "DISTINCT", "seq") + " ORDER BY seq"
    found = [tuple(seq.values()) for (seq,) in small_tables.of_both(db, query)]
    assert found == [(0, 1, 2), (0, 1, 3), (0, 1, 4), (0, 2, 3), (0, 4, 5), (1, 2, 3), (1, 4, 5)]


@pytest.mark.parametrize(
    ("clause", "yes"),
    [("", True), ("TO 'Y' DEFAULT 'N'", "Y"), ("TO 'it''s' DEFAULT 'no'", "it's"), ("TO -1 DEFAULT 0", -1)],
)
def test_a_cycle_is_marked_and_ends(db, clause, yes):
    query = SEARCHED.format("graph", f"CYCLE f, t SET is_cycle {clause} USING path", "ALL", "f, t, is_cycle, path")
    found = sorted(
        (f, t, way(path) + (" t" if mark == yes else "")) for f, t, mark, path in small_tables.of_both(db, query)
    )
    assert found == sorted((f, t, path) for (f, t), paths in CYCLES.items() for path in paths)


def test_both_at_once_come_in_their_order(db):
    clauses = "SEARCH BREADTH FIRST BY f, t SET seq CYCLE f, t SET is_cycle USING path"
    rows = small_tables.of_both(db, SEARCHED.format("graph", clauses, "ALL", "*"))
    assert len(rows) == 25
    depths = {way(path): tuple(seq.values()) for *_, seq, _, path in rows}
    assert depths["14-45-51-12-23"] == (4, 2, 3)
    assert all(depth == path.count("-") for path, (depth, *_) in depths.items())


def test_a_star_in_the_step_has_no_made_columns_and_conditions_do(db):
    star = "WITH RECURSIVE a AS (SELECT 1 AS b UNION ALL SELECT * FROM a) CYCLE b SET c USING p SELECT b, c FROM a"
    assert small_tables.of_both(db, star) == [(1, False), (1, True)]
    query = (
        "WITH RECURSIVE test AS (SELECT 0 AS x UNION ALL SELECT (x + 1) % 10 FROM test WHERE NOT is_cycle)"
        " CYCLE x SET is_cycle USING path SELECT x, is_cycle, cardinality(path) FROM test ORDER BY 3"
    )
    assert small_tables.of_both(db, query) == [(x % 10, x == 10, x + 1) for x in range(11)]


def test_null_is_met_again(db):
    query = (
        "WITH RECURSIVE t(n, x) AS (SELECT 1, CAST(NULL AS INT) UNION ALL SELECT n % 3 + 1, NULL FROM t)"
        " CYCLE n, x SET m TO 1 DEFAULT 1.5 USING path SELECT n, m FROM t"
    )
    assert [(n, float(m)) for n, m in small_tables.of_both(db, query)] == [(1, 1.5), (2, 1.5), (3, 1.5), (1, 1.0)]


@pytest.mark.parametrize("seed", range(rounds(1, 3)))
def test_views_follow_every_change(seed):
    small_tables.follow(QUERIES, seed, steps=rounds(6, 15))


@pytest.mark.parametrize("query", QUERIES)
def test_none_of_them_is_computed_again(query):
    small_tables.assert_incremental(query)


ERRORS = [
    ("CYCLE foo, tar SET is_cycle USING path", 'cycle column "foo" not in WITH query column list', "42601"),
    ("SEARCH DEPTH FIRST BY foo SET seq", 'search column "foo" not in WITH query column list', "42601"),
    (
        "CYCLE f SET is_cycle TO true DEFAULT 55 USING path",
        "CYCLE types boolean and integer cannot be matched",
        "42804",
    ),
    (
        "CYCLE f, t SET label USING path",
        'cycle mark column name "label" already used in WITH query column list',
        "42601",
    ),
    ("CYCLE f SET c USING label", 'cycle path column name "label" already used in WITH query column list', "42601"),
    (
        "SEARCH DEPTH FIRST BY f SET label",
        'search sequence column name "label" already used in WITH query column list',
        "42601",
    ),
    ("CYCLE f SET foo USING foo", "cycle mark column name and cycle path column name are the same", "42601"),
    ("CYCLE f, t, f SET c USING path", 'cycle column "f" specified more than once', "42701"),
    (
        "SEARCH DEPTH FIRST BY f SET foo CYCLE f SET foo USING path",
        "search sequence column name and cycle mark column name are the same",
        "42601",
    ),
    (
        "SEARCH DEPTH FIRST BY f SET foo CYCLE f SET c USING foo",
        "search sequence column name and cycle path column name are the same",
        "42601",
    ),
    ("SEARCH WIDTH FIRST BY f SET foo", 'syntax error at or near "WIDTH"', "42601"),
    ("CYCLE f + 1 SET c USING p", 'syntax error at or near "+"', "42601"),
    ("CYCLE f SET c TO 1 USING p", 'syntax error at or near "TO"', "42601"),
    ("CYCLE f SET c TO 1 * 1 DEFAULT 2 USING p", 'syntax error at or near "1"', "42601"),
]


@pytest.mark.parametrize(("clause", "message", "state"), ERRORS)
def test_what_postgresql_refuses(db, clause, message, state):
    query = SEARCHED.format("graph", clause, "ALL", "*")
    with pytest.raises(sqlengine.Error) as caught:
        db.execute(query)
    assert (caught.value.message, caught.value.sqlstate) == (message, state)
    assert query[caught.value.position :].upper().startswith(("SEARCH", "CYCLE", "55", "WIDTH", "+", "TO", "1"))


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("WITH r AS (SELECT k FROM a) SEARCH DEPTH FIRST BY k SET s SELECT * FROM r", "42601"),
        ("WITH RECURSIVE r AS (SELECT k FROM a) CYCLE k SET s USING p SELECT * FROM r", "42601"),
        (
            "WITH RECURSIVE r AS (SELECT k FROM a INTERSECT SELECT k FROM r) CYCLE k SET s USING p SELECT * FROM r",
            "42P19",
        ),
        (
            "WITH RECURSIVE r AS (SELECT k FROM a UNION (SELECT k FROM r UNION SELECT k FROM r)) CYCLE k SET s USING p"
            " SELECT * FROM r",
            "0A000",
        ),
        (
            "WITH RECURSIVE r AS (SELECT k FROM a UNION SELECT k FROM (SELECT k FROM r) AS x) CYCLE k SET s USING p"
            " SELECT * FROM r",
            "0A000",
        ),
    ],
)
def test_what_has_no_such_clause(query, state):
    with sqlengine.connect() as db:
        small_tables.create(db)
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(query)
        assert caught.value.sqlstate == state
