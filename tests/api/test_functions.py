"""Python functions and aggregates: in views, in snapshot queries, over restarts, and when they are wrong."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from tests.depth import rounds


class Geomean:
    """geometric mean"""

    def __init__(self) -> None:
        self.logs, self.n = 0.0, 0

    def add(self, x: float) -> None:
        self.logs, self.n = self.logs + math.log(x), self.n + 1

    def remove(self, x: float) -> None:
        self.logs, self.n = self.logs - math.log(x), self.n - 1

    def merge(self, other: Geomean) -> None:
        self.logs, self.n = self.logs + other.logs, self.n + other.n

    def result(self) -> float | None:
        return math.exp(self.logs / self.n) if self.n else None


class Distinct:
    """number of distinct values, without remove or merge"""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def add(self, x: int) -> None:
        self.seen.add(x)

    def result(self) -> int:
        return len(self.seen)


def register(db: sqlengine.Database) -> None:
    """The functions of this file."""

    @db.function
    def clip(x: int, top: int) -> int:
        """the smaller of two"""
        return min(x, top)

    @db.function("twice(x double precision) -> double precision", vectorised=True)
    def twice(x: pa.Array) -> pa.Array:
        return pc.multiply(x, 2.0)

    @db.function("known(x bigint) -> boolean", strict=False)
    def known(x: int | None) -> bool:
        return x is not None

    db.aggregate(Geomean)
    db.aggregate("kinds(x bigint) -> bigint")(Distinct)

    @db.aggregate("reach(high bigint, low bigint) -> bigint")
    def reach(high: pa.Array, low: pa.Array) -> object:
        return pc.subtract(pc.max(high), pc.min(low)) if len(high) else None


@pytest.fixture
def db():
    with sqlengine.connect() as db:
        register(db)
        yield db


QUERY = """SELECT k, count(*) AS n, geomean(clip(x, 5)) AS g, kinds(x) AS d, reach(x, x) FILTER (WHERE known(x)) AS r,
           sum(twice(x)) AS t FROM t GROUP BY k"""


def rounded(rows):
    return sorted(tuple(round(v, 9) if isinstance(v, float) else v for v in row) for row in rows)


def assert_view_equals_query(db):
    assert rounded(db.execute("SELECT * FROM v").fetchall()) == rounded(db.execute(QUERY).fetchall())


CHANGES = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.none() | st.integers(1, 8), st.booleans()), max_size=12
)


@settings(max_examples=rounds(8, 50), deadline=None)
@given(CHANGES)
def test_a_view_with_user_functions_equals_its_query(changes):
    with sqlengine.connect() as db:
        register(db)
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, k TEXT, x BIGINT)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {QUERY}")
        for key, group, x, keep in changes:
            if keep:
                text = "INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET k = excluded.k, x = excluded.x"
                db.execute(text, (key, group, x))
            else:
                db.execute("DELETE FROM t WHERE id = ?", (key,))
            assert_view_equals_query(db)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 9)), max_size=20))
def test_windows_made_of_panes_and_sessions_merge_user_aggregates(events):
    queries = (
        "SELECT window_start, geomean(x) AS g, kinds(x) AS d FROM HOP(s, ts, INTERVAL '20 s', INTERVAL '1 minute') "
        "GROUP BY window_start",
        "SELECT count(*) AS n, geomean(x) AS g, kinds(x) AS d FROM s GROUP BY SESSION(ts, INTERVAL '25 s')",
    )
    with sqlengine.connect() as db:
        register(db)
        db.execute("CREATE STREAM s (ts TIMESTAMP, x BIGINT)")
        for i, query in enumerate(queries):
            db.execute(f"CREATE MATERIALIZED VIEW v{i} AS {query}")
        for second, x in events:
            db.execute("INSERT INTO s VALUES (to_timestamp(?)::timestamp, ?)", (second, x))
        for i, query in enumerate(queries):
            got = db.execute(f"SELECT * FROM v{i}").fetchall()
            assert rounded(got) == rounded(db.execute(query).fetchall())


def test_views_wait_for_their_functions_and_go_on_when_they_come(tmp_path):
    with sqlengine.connect(tmp_path) as db:
        register(db)
        db.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, k TEXT, x BIGINT); INSERT INTO t VALUES (1, 'a', 4), (2, 'a', 9)"
        )
        db.execute(f"CREATE MATERIALIZED VIEW v AS {QUERY}")
        db.execute("CREATE MATERIALIZED VIEW above AS SELECT k, g FROM v")
        before = db.execute("SELECT * FROM v").fetchall()
    with sqlengine.connect(tmp_path) as db:
        for name in ("v", "above"):
            with pytest.raises(sqlengine.Error, match="is not running") as caught:
                db.execute(f"SELECT * FROM {name}")
            assert caught.value.sqlstate == "42883"
        assert [r[2] for r in db.execute("SHOW QUERIES").fetchall()] == ["waiting", "waiting"]
        register(db)
        assert db.execute("SELECT * FROM v").fetchall() == before
        db.execute("INSERT INTO t VALUES (3, 'b', 2)")
        assert_view_equals_query(db)
        assert len(db.execute("SELECT * FROM above").fetchall()) == 2
    with sqlengine.connect(tmp_path) as db:
        db.execute("INSERT INTO t VALUES (4, 'c', 3)")
        register(db)
        assert_view_equals_query(db)
        db.execute("DROP MATERIALIZED VIEW v CASCADE")


def test_aggregate_state_goes_through_a_checkpoint(tmp_path):
    with sqlengine.connect(tmp_path) as db:
        register(db)
        db.execute("CREATE STREAM s (k TEXT, x BIGINT); INSERT INTO s VALUES ('a', 2), ('a', 8)")
        db.execute("CREATE MATERIALIZED VIEW g AS SELECT k, geomean(x) AS g, kinds(x) AS d FROM s GROUP BY k")
    with sqlengine.connect(tmp_path) as db:
        register(db)
        assert "state 1 rows" in str(db.execute("EXPLAIN ANALYZE g").fetchall())
        assert rounded(db.execute("SELECT * FROM g").fetchall()) == [("a", 4.0, 2)]
        db.execute("INSERT INTO s VALUES ('a', 4)")
        assert rounded(db.execute("SELECT * FROM g").fetchall()) == [("a", 4.0, 3)]


def test_a_body_that_raises_fails_its_statement_alone(db):
    @db.function
    def bad(x: int) -> int:
        raise ValueError("no luck")

    with pytest.raises(sqlengine.DataError, match=r"function bad failed: ValueError: no luck") as caught:
        db.execute("SELECT bad(1)")
    assert caught.value.sqlstate == "38000"
    assert db.execute("SELECT clip(7, 5)").fetchall() == [(5,)]


def test_rows_whose_body_raises_are_set_aside_in_a_view(db):
    @db.function
    def inverse(x: int) -> float:
        return 1 / x

    db.execute("CREATE STREAM s (x BIGINT); CREATE MATERIALIZED VIEW v AS SELECT inverse(x) AS i FROM s")
    db.execute("INSERT INTO s VALUES (2), (0), (4)")
    assert sorted(db.execute("SELECT i FROM v").fetchall()) == [(0.25,), (0.5,)]


def test_a_wrong_answer_is_an_error_of_the_function(db):
    @db.function
    def liar(x: int) -> int:
        return "text"  # type: ignore[return-value]

    with pytest.raises(sqlengine.DataError, match="liar"):
        db.execute("SELECT liar(1)")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT clip(1)", "clip does not take 1 arguments"),
        ("SELECT clip(x) FROM t EMIT CHANGES", r"function clip\(bigint\) does not exist"),
        ("SELECT geomean(k) FROM t EMIT CHANGES", r"function geomean\(text\) does not exist"),
        ("SELECT x FROM t WHERE geomean(x) > 1 EMIT CHANGES", "not allowed in WHERE"),
        ("SELECT clipp(1, 2)", "clipp does not exist"),
    ],
)
def test_wrong_calls_say_so(db, query, message):
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, k TEXT, x BIGINT)")
    with pytest.raises(sqlengine.ProgrammingError, match=message):
        db.execute(query)


def test_definitions_that_cannot_work_are_refused(db):
    def untyped(x):
        return x

    def upper(x: str) -> str:
        return x

    for body, signature, state in (
        (untyped, None, "42P17"),
        (untyped, "f(x bigint)", "42P17"),
        (untyped, "f(x anyelement) -> anyelement", "42P17"),
        (upper, None, "42723"),
        (untyped, "soundex(x text) -> text", "42723"),
    ):
        with pytest.raises(sqlengine.ProgrammingError) as caught:
            db.function(signature)(body)
        assert caught.value.sqlstate == state
    with pytest.raises(sqlengine.ProgrammingError, match="needs a method add"):
        db.aggregate(type("Nothing", (), {}))


def test_a_second_definition_replaces_the_first(db):
    db.function("f(x bigint) -> bigint")(lambda x: x)
    assert db.execute("SELECT f(2)").fetchall() == [(2,)]
    db.function("f(x bigint) -> text")(lambda x: f"<{x}>")
    assert db.execute("SELECT f(2)").fetchall() == [("<2>",)]


def test_two_databases_keep_their_functions_apart(db):
    with sqlengine.connect() as other:
        other.function("clip(x bigint, top bigint) -> bigint")(lambda x, top: -1)
        assert other.execute("SELECT clip(9, 5)").fetchall() == [(-1,)]
        assert db.execute("SELECT clip(9, 5)").fetchall() == [(5,)]


def test_show_functions_lists_them(db):
    rows = {r[0]: r for r in db.execute("SHOW FUNCTIONS").fetchall()}
    assert rows["clip"] == ("clip", "clip(x bigint, top bigint) -> bigint", "user scalar", "the smaller of two")
    assert rows["geomean"][2] == "user aggregate"
