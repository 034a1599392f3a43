"""WITH before statements that change rows, and such statements among its items: what PostgreSQL answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine import errors

T, U, SINGLES = [(1, 10), (2, 20), (3, 30)], [(1, 100), (5, 500)], [(5,), (5,), (6,)]


@pytest.fixture
def db() -> Iterator[Any]:
    with sqlengine.connect() as made:
        for name in ("t", "u"):
            made.execute(f"CREATE TABLE {name} (k BIGINT PRIMARY KEY, a BIGINT)")
        made.execute("CREATE TABLE log (k BIGINT, a BIGINT); CREATE TABLE singles (a BIGINT)")
        made.execute("INSERT INTO t VALUES (1, 10), (2, 20), (3, 30); INSERT INTO u VALUES (1, 100), (5, 500)")
        made.execute("INSERT INTO singles VALUES (5), (5), (6)")
        yield made


def rows(db: Any, name: str) -> list[tuple[Any, ...]]:
    return sorted(db.execute(f"SELECT * FROM {name}").fetchall())


def answer(result: Any) -> Any:
    return sorted(result.fetchall()) if result.schema is not None else None


# (statement, tag, rows it answers with, the table looked at, its rows then)
UNDER = [
    ("WITH s AS (SELECT 5 AS a) INSERT INTO singles SELECT a FROM s", "INSERT 0 1", None, "singles", [*SINGLES, (5,)]),
    ("WITH s AS (SELECT 5 AS a) INSERT INTO log VALUES ((SELECT a FROM s), DEFAULT) RETURNING k",
     "INSERT 0 1", [(5,)], "log", [(5, None)]),
    ("WITH s AS (SELECT 7 AS a) INSERT INTO log (k) WITH s AS (SELECT 8 AS a) SELECT a FROM s",
     "INSERT 0 1", None, "log", [(8, None)]),
    ("WITH s AS (SELECT 7 AS a), r AS (SELECT a FROM s) INSERT INTO log (k) "
     "WITH s AS (SELECT 8 AS a) SELECT s.a + r.a FROM s, r", "INSERT 0 1", None, "log", [(15, None)]),
    ("WITH s AS (SELECT 7 AS a) INSERT INTO log (k) (SELECT a FROM s)", "INSERT 0 1", None, "log", [(7, None)]),
    ("WITH s AS (SELECT 7 AS a) INSERT INTO log SELECT a, 1 FROM s UNION ALL SELECT a + 1, 2 FROM s",
     "INSERT 0 2", None, "log", [(7, 1), (8, 2)]),
    ("WITH s(x, y) AS (VALUES (1, 11), (9, 99)) INSERT INTO t SELECT x, y FROM s "
     "ON CONFLICT (k) DO UPDATE SET a = excluded.a + t.a RETURNING *", "INSERT 0 2", [(1, 21), (9, 99)], "t",
     [(1, 21), *T[1:], (9, 99)]),
    ("WITH s(x, y) AS (VALUES (1, 11), (9, 99)) INSERT INTO t SELECT x, y FROM s "
     "ON CONFLICT (k) DO UPDATE SET a = t.a + (SELECT max(y) FROM s)", "INSERT 0 2", None, "t",
     [(1, 109), *T[1:], (9, 99)]),
    ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) INSERT INTO log SELECT i, i FROM n",
     "INSERT 0 3", None, "log", [(1, 1), (2, 2), (3, 3)]),
    ("WITH s AS (SELECT 1 AS k) UPDATE t SET a = 3 FROM s WHERE t.k = s.k RETURNING t.k, t.a",
     "UPDATE 1", [(1, 3)], "t", [(1, 3), *T[1:]]),
    ("WITH s AS (SELECT 1 AS k) UPDATE t SET a = (SELECT max(k) FROM s) WHERE k IN (SELECT k FROM s)",
     "UPDATE 1", None, "t", [(1, 1), *T[1:]]),
    ("WITH s AS (SELECT 1 AS k) DELETE FROM t USING s WHERE t.k = s.k", "DELETE 1", None, "t", T[1:]),
    ("WITH s AS (SELECT 1 AS k) DELETE FROM t WHERE k > (SELECT k FROM s) RETURNING (SELECT max(k) FROM s) AS m, k",
     "DELETE 2", [(1, 2), (1, 3)], "t", T[:1]),
    ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2) DELETE FROM t USING n WHERE k = i",
     "DELETE 2", None, "t", T[2:]),
    ("WITH s AS (SELECT 1 AS k, 11 AS a UNION ALL SELECT 9, 99) MERGE INTO t USING s ON t.k = s.k "
     "WHEN MATCHED THEN UPDATE SET a = s.a WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.a)",
     "MERGE 2", None, "t", [(1, 11), *T[1:], (9, 99)]),
    ("WITH s AS (SELECT 11 AS a) MERGE INTO t USING u ON t.k = u.k "
     "WHEN MATCHED THEN UPDATE SET a = (SELECT a FROM s)", "MERGE 1", None, "t", [(1, 11), *T[1:]]),
    # an item hides the table of its name where rows are read, never the one they are written to
    ("WITH t AS (SELECT 1 AS k) DELETE FROM t WHERE k IN (SELECT k FROM t)", "DELETE 1", None, "t", T[1:]),
    ("WITH t AS (SELECT 1 AS k) UPDATE t SET a = 0 WHERE k IN (SELECT k FROM t) RETURNING *",
     "UPDATE 1", [(1, 0)], "t", [(1, 0), *T[1:]]),
    ("WITH t AS (SELECT 90 AS k, 1 AS a) INSERT INTO t SELECT * FROM t", "INSERT 0 1", None, "t", [*T, (90, 1)]),
    ("WITH t AS (SELECT 1 AS k) MERGE INTO t USING t AS s ON t.k = s.k WHEN MATCHED THEN DELETE",
     "MERGE 1", None, "t", T[1:]),
    # nothing reads it, so it is not run
    ("WITH s AS (SELECT 1 / 0 AS k) DELETE FROM t WHERE k = 1", "DELETE 1", None, "t", T[1:]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tag", "answered", "table", "then"), UNDER, ids=range(len(UNDER)))
def test_changes_see_the_items_of_a_with_before_them(
    db: Any, text: str, tag: str, answered: Any, table: str, then: list[tuple[Any, ...]]
) -> None:
    result = db.execute(text)
    assert (result.tag, answer(result), rows(db, table)) == (tag, answered, sorted(then, key=str))


CHANGED_A = [(1, 11), (2, 21), (3, 31)]
WRITING = [
    ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "SELECT 3", T, {"t": []}),
    ("WITH moved AS (DELETE FROM t WHERE k < 3 RETURNING *) INSERT INTO log SELECT * FROM moved RETURNING k",
     "INSERT 0 2", [(1,), (2,)], {"t": T[2:], "log": T[:2]}),
    ("WITH i AS (INSERT INTO t VALUES (7, 70) RETURNING *) "
     "SELECT (SELECT count(*) FROM t) AS before, (SELECT count(*) FROM i) AS new", "SELECT 1", [(3, 1)],
     {"t": [*T, (7, 70)]}),
    ("WITH c AS (UPDATE t SET a = a + 1 RETURNING *) SELECT t.k, t.a, c.a FROM t JOIN c USING (k)",
     "SELECT 3", [(1, 10, 11), (2, 20, 21), (3, 30, 31)], {"t": CHANGED_A}),
    # run to the end, whoever reads how much of it
    ("WITH d AS (DELETE FROM t) SELECT 1", "SELECT 1", [(1,)], {"t": []}),
    ("WITH d AS (DELETE FROM t RETURNING k AS kk) SELECT * FROM d ORDER BY 1 LIMIT 1", "SELECT 1", [(1,)], {"t": []}),
    ("WITH d AS (DELETE FROM t RETURNING k) SELECT count(*) FROM d AS x, d AS y", "SELECT 1", [(9,)], {"t": []}),
    ("WITH d(x) AS (DELETE FROM t WHERE k = 1 RETURNING k, a) SELECT x, a FROM d", "SELECT 1", [(1, 10)], {"t": T[1:]}),
    ("WITH d AS MATERIALIZED (DELETE FROM t RETURNING k) TABLE d", "SELECT 3", [(1,), (2,), (3,)], {"t": []}),
    ("WITH d AS (DELETE FROM t RETURNING k) VALUES ((SELECT count(*) FROM d))", "SELECT 1", [(3,)], {"t": []}),
    ("WITH d AS (DELETE FROM t RETURNING k) SELECT k FROM d UNION ALL SELECT k FROM u",
     "SELECT 5", [(1,), (1,), (2,), (3,), (5,)], {"t": []}),
    # items that read each other
    ("WITH d AS (DELETE FROM t WHERE k = 1 RETURNING *), e AS (INSERT INTO log SELECT * FROM d RETURNING a) "
     "SELECT d.k, e.a FROM d, e", "SELECT 1", [(1, 10)], {"t": T[1:], "log": T[:1]}),
    ("WITH s AS (SELECT 2 AS k), d AS (DELETE FROM t USING s WHERE t.k = s.k RETURNING t.*), "
     "n AS (SELECT count(*) AS n FROM d) INSERT INTO log SELECT k, n FROM d, n",
     "INSERT 0 1", None, {"t": [T[0], T[2]], "log": [(2, 1)]}),
    ("WITH d AS (WITH s AS (SELECT 1 AS k) DELETE FROM t USING s WHERE t.k = s.k RETURNING t.*) SELECT * FROM d",
     "SELECT 1", [(1, 10)], {"t": T[1:]}),
    ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2), "
     "d AS (DELETE FROM t USING n WHERE k = i RETURNING k) SELECT * FROM d", "SELECT 2", [(1,), (2,)], {"t": T[2:]}),
    ("WITH s AS (SELECT 1 / 0 AS x), d AS (DELETE FROM t RETURNING k) SELECT count(*) FROM d",
     "SELECT 1", [(3,)], {"t": []}),
    # a change or an insertion
    ("WITH up AS (UPDATE t SET a = 99 WHERE k = 8 RETURNING *) INSERT INTO t SELECT 8, 1 WHERE NOT EXISTS (TABLE up)",
     "INSERT 0 1", None, {"t": [*T, (8, 1)]}),
    ("WITH up AS (UPDATE t SET a = 99 WHERE k = 1 RETURNING *) INSERT INTO t SELECT 1, 1 WHERE NOT EXISTS (TABLE up)",
     "INSERT 0 0", None, {"t": [(1, 99), *T[1:]]}),
    ("WITH d AS (DELETE FROM t RETURNING *) MERGE INTO u USING d ON u.k = d.k WHEN MATCHED THEN UPDATE SET a = d.a "
     "WHEN NOT MATCHED THEN INSERT VALUES (d.k, d.a)", "MERGE 3", None, {"t": [], "u": [*T, (5, 500)]}),
    ("WITH m AS (MERGE INTO t USING u ON t.k = u.k WHEN MATCHED THEN DELETE RETURNING t.*) SELECT * FROM m",
     "SELECT 1", [(1, 10)], {"t": T[1:]}),
    # a row that one part has changed is left alone by those that come later
    ("WITH c AS (UPDATE t SET a = 1 WHERE k = 1) UPDATE t SET a = 2 WHERE k = 1",
     "UPDATE 1", None, {"t": [(1, 2), *T[1:]]}),
    ("WITH c AS (UPDATE t SET a = 1 RETURNING *) DELETE FROM t WHERE k IN (SELECT k FROM c)",
     "DELETE 0", None, {"t": [(1, 1), (2, 1), (3, 1)]}),
    ("WITH d AS (DELETE FROM singles WHERE a = 5 RETURNING *) UPDATE singles SET a = 9 "
     "WHERE (SELECT count(*) FROM d) = 2", "UPDATE 1", None, {"singles": [(9,)]}),
    ("WITH d AS (DELETE FROM t RETURNING *) INSERT INTO t SELECT k, a + 1 FROM d",
     "INSERT 0 3", None, {"t": CHANGED_A}),
    ("WITH i AS (INSERT INTO t VALUES (7, 1) RETURNING *) UPDATE t SET a = 0 FROM i RETURNING t.k",
     "UPDATE 3", [(1,), (2,), (3,)], {"t": [(1, 0), (2, 0), (3, 0), (7, 1)]}),
    # an item is asked once
    ("WITH s AS (SELECT gen_random_uuid() AS g), i AS (INSERT INTO log VALUES (1, 1)), j AS (SELECT g FROM s) "
     "SELECT count(DISTINCT g) FROM (SELECT g FROM s UNION ALL SELECT g FROM j) AS x",
     "SELECT 1", [(1,)], {"log": [(1, 1)]}),
    # all parts see one moment
    ("WITH i AS (INSERT INTO log SELECT k, count(*) OVER () FROM t RETURNING now() AS at) "
     "SELECT count(*) FROM i WHERE at = now()", "SELECT 1", [(3,)], {"log": [(1, 3), (2, 3), (3, 3)]}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tag", "answered", "then"), WRITING, ids=range(len(WRITING)))
@pytest.mark.parametrize("in_transaction", [False, True])
def test_items_change_rows(
    db: Any, text: str, tag: str, answered: Any, then: dict[str, list[tuple[Any, ...]]], in_transaction: bool
) -> None:
    if in_transaction:
        db.execute("BEGIN")
    result = db.execute(text)
    assert (result.tag, answer(result)) == (tag, answered)
    assert {name: rows(db, name) for name in then} == then
    if in_transaction:
        db.execute("COMMIT")
        assert {name: rows(db, name) for name in then} == then


ELSEWHERE = "WITH clause containing a data-modifying statement must be at the top level"
RETURNED = "DELETE FROM t RETURNING *"
WRONG = [
    ("WITH s AS (SELECT 1 AS k) DELETE FORM t", "42601", 'syntax error at or near "FORM"', "FORM"),
    ("WITH s AS (SELECT FROM WHERE) DELETE FROM t", "42601", None, None),
    ("WITH s AS (SELECT 1 AS k) DELETE FROM t USING nosuch", "42P01", 'relation "nosuch" does not exist', "nosuch"),
    ("WITH s AS (SELECT nosuch FROM t) DELETE FROM t USING s", "42703", 'column "nosuch" does not exist', "nosuch"),
    ("WITH s AS (SELECT k FROM nosuch) UPDATE t SET a = 1 FROM s", "42P01", None, "nosuch"),
    ("WITH s AS (SELECT k FROM nosuch) INSERT INTO t SELECT k FROM s", "42P01", None, "nosuch"),
    ("WITH s AS (SELECT 1 AS k) INSERT INTO t SELECT nosuch FROM s", "42703", None, "nosuch"),
    ("WITH s AS (SELECT 1 AS k), s AS (SELECT 2) DELETE FROM t USING s", "42712",
     'WITH query name "s" specified more than once', "s AS (SELECT 2)"),
    ("WITH s AS (SELECT 1 AS k) TRUNCATE t", "42601", 'syntax error at or near "TRUNCATE"', "TRUNCATE"),
    ("WITH s AS (TRUNCATE t) SELECT 1", "42601", 'syntax error at or near "TRUNCATE"', "TRUNCATE"),
    (f"WITH d AS ({RETURNED}), d AS ({RETURNED}) SELECT 1", "42712", None, f"d AS ({RETURNED}) SELECT"),
    ("WITH d AS (DELETE FORM t) SELECT * FROM d", "42601", 'syntax error at or near "FORM"', "FORM"),
    ("WITH d AS (DELETE FROM t) SELECT * FROM d", "0A000", 'WITH query "d" does not have a RETURNING clause', "d"),
    ("WITH d AS (DELETE FROM t RETURNING nosuch) SELECT * FROM d", "42703", None, "nosuch"),
    (f"WITH d AS ({RETURNED}) SELECT nosuch FROM d", "42703", None, "nosuch"),
    ("WITH d AS (DELETE FROM nosuch RETURNING *) SELECT * FROM d", "42P01", None, "nosuch"),
    ("WITH d AS (DELETE FROM t WHERE k IN (SELECT i FROM s) RETURNING k), s AS (SELECT 2 AS i) SELECT * FROM d",
     "42P01", None, "s)"),
    ("WITH RECURSIVE d AS (DELETE FROM t WHERE k IN (SELECT i FROM s) RETURNING k), s AS (SELECT 2 AS i) TABLE d",
     "0A000", '"d" cannot read WITH query "s", which stands behind it', "s)"),
    ("WITH RECURSIVE d AS (DELETE FROM t WHERE k IN (SELECT k FROM d) RETURNING *) SELECT * FROM d", "42P19",
     'recursive query "d" must not contain data-modifying statements', "d AS"),
    (f"WITH d(x, y, z) AS ({RETURNED}) SELECT * FROM d", "42P10",
     'WITH query "d" has 2 columns available but 3 columns specified', "d(x"),
    ("WITH i AS (INSERT INTO t VALUES (7, 1) RETURNING *) INSERT INTO t SELECT * FROM i", "23505", None, None),
    ("WITH i AS (INSERT INTO t VALUES (7, 1) RETURNING *) INSERT INTO t SELECT k, 2 FROM i "
     "ON CONFLICT (k) DO UPDATE SET a = excluded.a", "21000", None, None),
    ("WITH i AS (INSERT INTO log VALUES (7, 1)) INSERT INTO t VALUES (1, 1)", "23505", None, None),
    ("WITH i AS (INSERT INTO log VALUES (7, 1)) SELECT 1 / 0", "22012", None, None),
    (f"SELECT * FROM (WITH d AS ({RETURNED}) SELECT * FROM d) AS x", "0A000", ELSEWHERE, "DELETE"),
    (f"WITH x AS (WITH d AS ({RETURNED}) SELECT * FROM d) SELECT * FROM x", "0A000", ELSEWHERE, "DELETE"),
    (f"WITH x AS (WITH d AS ({RETURNED}) SELECT * FROM d) INSERT INTO log TABLE x", "0A000", ELSEWHERE, "DELETE"),
    (f"INSERT INTO log WITH d AS ({RETURNED}) SELECT * FROM d", "0A000", ELSEWHERE, "DELETE"),
    (f"COPY (WITH d AS ({RETURNED}) SELECT * FROM d) TO STDOUT", "0A000", ELSEWHERE, "DELETE"),
    (f"SUBSCRIBE (WITH d AS ({RETURNED}) SELECT * FROM d)", "0A000", ELSEWHERE, "DELETE"),
    (f"WITH d AS ({RETURNED}) SELECT * FROM d EMIT CHANGES", "0A000", None, "SELECT"),
    (f"CREATE TABLE x AS WITH d AS ({RETURNED}) SELECT * FROM d", "0A000", ELSEWHERE, "DELETE"),
    (f"CREATE VIEW x AS WITH d AS ({RETURNED}) SELECT * FROM d", "0A000",
     "views must not contain data-modifying statements in WITH", "DELETE"),
    ("CREATE MATERIALIZED VIEW x AS WITH d AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM d", "0A000",
     "materialized views must not use data-modifying statements in WITH", "UPDATE"),
    (f"CREATE SINK x AS WITH d AS ({RETURNED}) SELECT * FROM d WITH (connector = 'blackhole')", "0A000",
     "sinks must not use data-modifying statements in WITH", "DELETE"),
    (f"DECLARE c CURSOR FOR WITH d AS ({RETURNED}) SELECT * FROM d", "0A000",
     "DECLARE CURSOR must not contain data-modifying statements in WITH", "DELETE"),
    (f"EXPLAIN WITH d AS ({RETURNED}) SELECT * FROM d", "0A000",
     "EXPLAIN of data-modifying statements in WITH is not supported", f"WITH d AS ({RETURNED})"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "state", "message", "at"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told_and_changes_nothing(
    db: Any, text: str, state: str, message: str | None, at: str | None
) -> None:
    with pytest.raises(errors.Error) as caught:
        db.execute(text)
    assert caught.value.sqlstate == state
    assert message is None or caught.value.message == message
    assert at is None or text[caught.value.position :].startswith(at)
    assert (rows(db, "t"), rows(db, "u"), rows(db, "log"), rows(db, "singles")) == (T, U, [], SINGLES)


@pytest.mark.parametrize("text", ["SELECT * FROM d", "INSERT INTO log SELECT * FROM d"])
def test_in_other_dialects_items_change_nothing(db: Any, text: str) -> None:
    for dialect in ("hive", "spark"):
        db.execute(f"SET dialect = {dialect}")
        with pytest.raises(errors.NotSupportedError, match="data-modifying"):
            db.execute(f"WITH d AS (DELETE FROM t) {text}")
        db.execute("SET dialect = postgres")
    assert rows(db, "t") == T


def test_parameters_stand_in_all_places(db: Any) -> None:
    db.execute("WITH s AS (SELECT $2::bigint AS k) UPDATE t SET a = $1 FROM s WHERE t.k = s.k", [7, 2])
    assert rows(db, "t") == [(1, 10), (2, 7), (3, 30)]
    text = "WITH s AS (SELECT ? AS k), d AS (DELETE FROM t USING s WHERE t.k = s.k RETURNING t.k) SELECT k + ? FROM d"
    assert db.execute(text, [2, 100]).fetchall() == [(102,)]
    db.execute("WITH s AS (SELECT ? AS k) INSERT INTO log SELECT k, ? FROM s", [1, 2])
    db.execute("WITH s AS (SELECT :x AS k) INSERT INTO log VALUES ((SELECT k FROM s), :y)", {"x": 3, "y": 4})
    assert rows(db, "log") == [(1, 2), (3, 4)]
    db.execute("PREPARE p AS WITH d AS (DELETE FROM t WHERE k = $1 RETURNING *) INSERT INTO log SELECT k, $2 FROM d")
    assert db.execute("EXECUTE p(3, 33)").tag == "INSERT 0 1"
    assert rows(db, "log") == [(1, 2), (3, 4), (3, 33)]


def test_a_rolled_back_transaction_has_changed_nothing(db: Any) -> None:
    db.execute("BEGIN; INSERT INTO t VALUES (4, 40); SAVEPOINT here")
    db.execute("WITH d AS (DELETE FROM t WHERE k > 2 RETURNING *) INSERT INTO log SELECT * FROM d")
    assert rows(db, "log") == [(3, 30), (4, 40)]
    db.execute("ROLLBACK TO here")
    assert (rows(db, "t"), rows(db, "log")) == ([*T, (4, 40)], [])
    db.execute("ROLLBACK")
    assert rows(db, "t") == T


def test_views_see_all_of_it(db: Any) -> None:
    db.execute("CREATE MATERIALIZED VIEW all_rows AS SELECT k FROM t UNION ALL SELECT k FROM log")
    db.execute("WITH d AS (DELETE FROM t WHERE k < 3 RETURNING *) INSERT INTO log SELECT * FROM d")
    assert sorted(db.execute("SELECT * FROM all_rows").fetchall()) == [(1,), (2,), (3,)]


def test_a_stream_takes_what_a_table_gives(db: Any) -> None:
    db.execute("CREATE STREAM s (k BIGINT, a BIGINT)")
    db.execute("WITH d AS (DELETE FROM t RETURNING *), i AS (INSERT INTO s SELECT * FROM d) SELECT 1")
    assert (rows(db, "s"), rows(db, "t")) == (T, [])


def test_explain_shows_the_query_of_an_insert(db: Any) -> None:
    lines = [
        line for (line,) in db.execute("EXPLAIN WITH s AS (SELECT k FROM u) INSERT INTO log (k) TABLE s").fetchall()
    ]
    assert any("u" in line for line in lines)


def test_returning_reads_other_tables_as_they_were(db: Any) -> None:
    text = "DELETE FROM t WHERE k > 1 RETURNING k, (SELECT count(*) FROM u) AS u, (SELECT count(*) FROM t) AS t"
    assert sorted(db.execute(text).fetchall()) == [(2, 2, 3), (3, 2, 3)]
    text = "INSERT INTO t VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET a = t.a + (SELECT max(a) FROM u) RETURNING a"
    assert db.execute(text).fetchall() == [(510,)]


def test_views_of_other_dialects_do_not_see_returned_rows(db: Any) -> None:
    db.execute("SET dialect = hive")
    db.execute("CREATE VIEW theirs AS SELECT k FROM u")
    db.execute("SET dialect = postgres")
    with pytest.raises(
        errors.NotSupportedError, match="a query of another dialect, or with MATCH_RECOGNIZE, cannot read what"
    ):
        db.execute("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d JOIN theirs USING (k)")
    db.execute("WITH s AS (SELECT k FROM theirs), d AS (DELETE FROM t USING s WHERE t.k = s.k) SELECT 1")
    assert rows(db, "t") == T[1:]


def test_rows_that_sessions_move_are_seen_once_at_any_moment(db: Any) -> None:
    db.execute("CREATE MATERIALIZED VIEW everything AS SELECT k FROM t UNION ALL SELECT k FROM log")
    db.execute("INSERT INTO t SELECT i, 0 FROM generate_series(4, 200) AS g(i)")

    def move(rest: int) -> None:
        session = db.session()
        for part in range(rest, 20, 2):
            condition = f"k % 20 = {part}"
            session.execute(f"WITH m AS (DELETE FROM t WHERE {condition} RETURNING *) INSERT INTO log TABLE m").close()

    movers = [threading.Thread(target=move, args=(rest,)) for rest in (0, 1)]
    for mover in movers:
        mover.start()
    counts = {db.execute("SELECT count(*) FROM everything").fetchall()[0] for _ in range(30)}
    for mover in movers:
        mover.join()
    assert counts == {(200,)}
    assert db.execute("SELECT count(*), count(DISTINCT k) FROM log").fetchall() == [(200, 200)]
