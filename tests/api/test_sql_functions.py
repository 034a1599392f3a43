"""CREATE FUNCTION ... LANGUAGE sql: as PostgreSQL's users write it, in queries, views, after a restart; refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlengine
from sqlengine import Database, errors


@pytest.fixture
def db() -> Iterator[Database]:
    with sqlengine.connect() as database:
        yield database


def rows(database: Database, text: str) -> list[tuple[object, ...]]:
    return database.execute(text).fetchall()


@pytest.mark.parametrize(
    ("declared", "call", "answer"),
    [
        ("f(x INT) RETURNS INT LANGUAGE sql AS 'x + 1'", "f(2)", 3),
        ("f(x INT) RETURNS INT AS $$ SELECT x + 1; $$ LANGUAGE SQL IMMUTABLE", "f(2)", 3),
        ("f(x INT) RETURNS INT RETURN x * x", "f(-3)", 9),
        ("f(INT, INT) RETURNS INT LANGUAGE 'sql' AS 'SELECT $1 - $2'", "f(5, 3)", 2),
        ("f(IN x INT) RETURNS INT LANGUAGE sql AS '(x + 1) * 2'", "f(2)", 6),
        ("f(x INT) RETURNS INT LANGUAGE sql AS 'coalesce(x, 7)'", "f(NULL)", 7),
        ("f(x INT) RETURNS INT STRICT LANGUAGE sql AS 'coalesce(x, 7)'", "f(NULL)", None),
        ("f(x INT) RETURNS INT RETURNS NULL ON NULL INPUT AS 'coalesce(x, 7)'", "f(NULL)", None),
        ("f(x INT) RETURNS INT CALLED ON NULL INPUT PARALLEL SAFE COST 5 AS 'coalesce(x, 7)'", "f(NULL)", 7),
        ("f() RETURNS TEXT LANGUAGE sql AS '''it''''s'''", "f()", "it's"),
        ("f(x TEXT, y TEXT) RETURNS TEXT LANGUAGE sql AS 'x || f.y'", "f('a', 'b')", "ab"),
        ("f(x BIGINT) RETURNS BIGINT LANGUAGE sql AS 'x'", "f(2::smallint)", 2),
        ("f(x INT) RETURNS SMALLINT LANGUAGE sql AS 'x + 0'", "f(2)", 2),
        ("f(x INT[]) RETURNS INT LANGUAGE sql AS 'x[1] + cardinality(x)'", "f(ARRAY[5, 6])", 7),
        ("f(x NUMERIC(10, 2)) RETURNS NUMERIC(10, 2) LANGUAGE sql AS 'x * 1.1'", "f(1.5)::text", "1.65"),
    ],
)
def test_a_function_answers_its_body(db: Database, declared: str, call: str, answer: object) -> None:
    db.execute(f"CREATE FUNCTION {declared}")
    assert rows(db, f"SELECT {call}") == [(answer,)]
    db.execute("CREATE TABLE one (a INT)")
    db.execute("INSERT INTO one VALUES (1)")
    db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT {call} AS answer FROM one")
    assert rows(db, "SELECT answer FROM v") == [(answer,)]


def test_in_every_clause(db: Database) -> None:
    db.execute("CREATE FUNCTION region(code TEXT) RETURNS TEXT RETURN CASE WHEN code LIKE 'D%' THEN 'eu' ELSE 'us' END")
    db.execute("CREATE FUNCTION square(x INT) RETURNS INT RETURN x * x")
    db.execute("CREATE TABLE t (a INT PRIMARY KEY, code TEXT)")
    db.execute("INSERT INTO t VALUES (1, 'DE'), (square(2), 'US'), (3, 'DK')")
    assert rows(db, "SELECT a FROM t WHERE square(a) > 1 ORDER BY square(a) DESC") == [(4,), (3,)]
    query = "SELECT region(code) AS r, sum(square(a)) AS s FROM t GROUP BY region(code) HAVING sum(square(a)) > 0"
    db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
    expected = [("eu", 10), ("us", 16)]
    assert rows(db, f"{query} ORDER BY 1") == rows(db, "SELECT * FROM v ORDER BY 1") == expected
    assert rows(db, "UPDATE t SET a = square(a) + 1 WHERE square(a) = 9 RETURNING a") == [(10,)]
    assert rows(db, "SELECT * FROM v ORDER BY 1") == [("eu", 101), ("us", 16)]
    assert rows(db, "DELETE FROM t WHERE region(code) = 'us' RETURNING a") == [(4,)]


def test_a_filter_over_a_function_is_pushed_down(db: Database) -> None:
    db.execute("CREATE FUNCTION plus(x INT) RETURNS INT RETURN x + 1")
    db.execute("CREATE TABLE t (a INT)")
    plan = "\n".join(str(line) for (line,) in rows(db, "EXPLAIN SELECT a FROM t WHERE plus(a) > 5"))
    assert "(a + 1) > 5" in plan and "plus" not in plan


def test_an_argument_is_computed_once(db: Database) -> None:
    db.execute("CREATE FUNCTION zero(x DOUBLE PRECISION) RETURNS DOUBLE PRECISION RETURN x - x")
    db.execute("CREATE TABLE t (a INT)")
    db.execute("INSERT INTO t SELECT * FROM generate_series(1, 1000)")
    assert rows(db, "SELECT sum(abs(zero(random() + a))) FROM t") == [(0.0,)]
    text = "SELECT " + "zero(" * 40 + "a" + ")" * 40 + " AS z FROM t"  # 2 to the 40th of them, were they spelt out
    db.execute(f"CREATE MATERIALIZED VIEW v AS {text}")
    assert rows(db, "SELECT DISTINCT z FROM v") == [(0.0,)]


def test_one_that_asks_for_the_time(db: Database) -> None:
    db.execute("CREATE FUNCTION is_past(t TIMESTAMPTZ) RETURNS BOOLEAN RETURN t < now()")
    db.execute("CREATE FUNCTION present() RETURNS TIMESTAMPTZ RETURN now()")
    assert rows(db, "SELECT is_past('2020-01-01'), is_past('2200-01-01'), present() = now()") == [(True, False, True)]
    db.execute("CREATE STREAM s (a INT, t TIMESTAMPTZ, WATERMARK FOR t AS t)")
    db.execute("INSERT INTO s VALUES (1, now() - INTERVAL '1 hour'), (2, now() + INTERVAL '1 hour')")
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT a FROM s WHERE is_past(t)")
    assert rows(db, "SELECT * FROM v") == [(1,)]


def test_functions_and_relations_have_names_of_their_own(db: Database) -> None:
    db.execute("CREATE TABLE f (x INT)")
    db.execute("CREATE FUNCTION f(x INT) RETURNS INT RETURN x + 1")
    db.execute("INSERT INTO f VALUES (1)")
    assert rows(db, "SELECT f(x), f.x FROM f") == [(2, 1)]
    db.execute("DROP FUNCTION f")
    assert rows(db, "SELECT x FROM f") == [(1,)]


def test_they_are_there_after_a_restart(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT RETURN x + x")
        db.execute("CREATE FUNCTION thrice(x BIGINT) RETURNS BIGINT RETURN twice(x) + x")
        db.execute("CREATE FUNCTION gone(x BIGINT) RETURNS BIGINT RETURN x")
        db.execute("DROP FUNCTION gone")
        db.execute("CREATE TABLE t (a BIGINT)")
        db.execute("INSERT INTO t VALUES (1)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT sum(thrice(a * 2)) AS s FROM t")
        assert rows(db, "SELECT s FROM v") == [(6,)]
    with sqlengine.connect(tmp_path) as db:
        db.execute("INSERT INTO t VALUES (2)")
        assert rows(db, "SELECT s FROM v") == [(18,)]
        assert rows(db, "SELECT thrice(5)") == [(15,)]
        with pytest.raises(errors.UndefinedFunction):
            db.execute("SELECT gone(1)")


def test_replaced(db: Database) -> None:
    db.execute("CREATE FUNCTION tax(x INT) RETURNS INT RETURN x + 1")
    db.execute("CREATE FUNCTION with_tax(x INT) RETURNS INT RETURN x + tax(x)")
    db.execute("CREATE VIEW plain AS SELECT with_tax(1) AS a")
    db.execute("CREATE OR REPLACE FUNCTION tax(x INT) RETURNS INT RETURN x + 100")
    assert rows(db, "SELECT with_tax(1), a FROM plain") == [(102, 102)]


REFUSED = [
    ("CREATE FUNCTION used(x INT) RETURNS INT RETURN x", "42723", "already exists"),
    ("CREATE OR REPLACE FUNCTION used(x BIGINT) RETURNS INT RETURN 1", "42P13", "cannot change the parameters"),
    ("CREATE OR REPLACE FUNCTION used(x INT) RETURNS INT RETURN x", "2BP01", "running queries use it"),
    ("CREATE OR REPLACE FUNCTION base(x INT) RETURNS INT RETURN used(x)", "42P13", "calls itself"),
    ("CREATE OR REPLACE FUNCTION base(x INT) RETURNS INT RETURN base(x)", "42P13", "calls itself"),
    ("CREATE FUNCTION lower(x TEXT) RETURNS TEXT RETURN x", "42723", "built in"),
    ("CREATE FUNCTION sum(x INT) RETURNS INT RETURN x", "42723", "built in"),
    ("CREATE FUNCTION py(x INT) RETURNS INT RETURN x", "42723", "already exists"),
    ("CREATE FUNCTION g(x INT) RETURNS INT RETURN py(x)", "0A000", "would not outlive it"),
    ("CREATE FUNCTION g(x INT) RETURNS INT RETURN y", "42703", 'column "y" does not exist'),
    ("CREATE FUNCTION g(x INT) RETURNS INT LANGUAGE sql AS '$2'", "42P02", "there is no parameter $2"),
    ("CREATE FUNCTION g(x INT) RETURNS INT RETURN nosuch(x)", "42883", "function nosuch(integer) does not exist"),
    ("CREATE FUNCTION g(x INT) RETURNS INT RETURN max(x)", "42803", "aggregate functions are not allowed"),
    ("CREATE FUNCTION g(x TEXT) RETURNS INT RETURN x", "42P13", "return type mismatch"),
    ("CREATE FUNCTION g(x INT, x INT) RETURNS INT RETURN x", "42P13", "used more than once"),
    ("CREATE FUNCTION g(x INT) RETURNS INT", "42P13", "needs one body"),
    ("CREATE FUNCTION g(x INT) RETURNS INT AS 'x' RETURN x", "42P13", "needs one body"),
    ("CREATE FUNCTION g(x INT) RETURNS INT AS ''", "42P13", "needs an expression"),
    ("CREATE FUNCTION g(x INT) RETURNS INT AS 'x +'", "42601", "syntax error"),
    ("CREATE FUNCTION g(x INT) RETURNS nosuch RETURN x", "42704", 'type "nosuch" does not exist'),
    ("CREATE FUNCTION g(x INT) RETURNS INT AS 'SELECT a FROM t'", "0A000", "one expression"),
    ("CREATE FUNCTION g(x INT) RETURNS INT AS 'SELECT x, x'", "0A000", "one expression"),
    ("CREATE FUNCTION g(x INT) RETURNS INT AS '(SELECT max(a) FROM t)'", "0A000", "one expression"),
    ("CREATE FUNCTION g(x INT) RETURNS INT RETURN 1 + (SELECT max(a) FROM t)", "0A000", "sub-query in a function"),
    ("CREATE FUNCTION g(x INT) RETURNS TABLE (y INT) AS 'SELECT x'", "0A000", "returns rows"),
    ("CREATE FUNCTION g(x INT) RETURNS SETOF INT AS 'SELECT x'", "0A000", "returns rows"),
    ("CREATE FUNCTION g(x INT) RETURNS INT LANGUAGE plpgsql AS 'BEGIN RETURN x; END'", "0A000", "plpgsql"),
    ("CREATE FUNCTION IF NOT EXISTS g(x INT) RETURNS INT RETURN x", "0A000", "IF NOT EXISTS"),
    ("CREATE FUNCTION s.g(x INT) RETURNS INT RETURN x", "0A000", "schema public"),
    ("SELECT used(1, 2)", "42883", "does not take 2 arguments"),
    ("SELECT used(1.5)", "42883", "function used(numeric) does not exist"),
    ("DROP FUNCTION used", "2BP01", "other objects depend on it"),
    ("DROP FUNCTION used(TEXT)", "42883", "function used(text) does not exist"),
    ("DROP FUNCTION nosuch", "42883", "function nosuch() does not exist"),
    ("DROP FUNCTION py", "0A000", "functions of the program"),
    ("DROP TABLE t (INT)", "42601", "a table has no arguments"),
    ("ALTER FUNCTION used RENAME TO other", "0A000", "ALTER FUNCTION"),
    ("SHOW CREATE FUNCTION nosuch", "42883", "does not exist"),
]


@pytest.fixture(scope="module")
def in_use() -> Iterator[Database]:
    with sqlengine.connect() as database:
        database.execute("CREATE FUNCTION base(x INT) RETURNS INT RETURN x")
        database.execute("CREATE FUNCTION used(x INT) RETURNS INT RETURN base(x) + 1")
        database.function("py(x integer) -> integer")(lambda x: x)
        database.execute("CREATE TABLE t (a INT)")
        database.execute("CREATE MATERIALIZED VIEW v AS SELECT used(a) AS b FROM t")
        yield database


@pytest.mark.parametrize(("text", "sqlstate", "message"), REFUSED)
def test_refused(in_use: Database, text: str, sqlstate: str, message: str) -> None:
    with pytest.raises(errors.Error) as caught:
        in_use.execute(text)
    assert caught.value.sqlstate == sqlstate
    assert message in str(caught.value)
    if text.startswith("CREATE") and "AS '" not in text:
        assert caught.value.position is None or caught.value.position > 0
    assert rows(in_use, "SELECT used(1), base(1)") == [(2, 1)]


def test_a_program_cannot_take_the_name(db: Database) -> None:
    db.execute("CREATE FUNCTION f(x INT) RETURNS INT RETURN x")
    with pytest.raises(errors.DuplicateFunction):
        db.function("f(x integer) -> integer")(lambda x: x)


def test_dropped_with_what_uses_it(db: Database) -> None:
    db.execute("CREATE FUNCTION f(x INT) RETURNS INT RETURN x")
    db.execute("CREATE FUNCTION g(x INT) RETURNS INT RETURN f(x)")
    db.execute("CREATE TABLE t (a INT)")
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT g(a) AS a FROM t")
    db.execute("CREATE SINK k AS SELECT f(a) AS a FROM t WITH (connector = 'blackhole')")
    db.execute("DROP FUNCTION f(INT) CASCADE")
    for text in ("SELECT * FROM v", "SELECT g(1)", "DROP SINK k"):
        with pytest.raises(errors.ProgrammingError):
            db.execute(text)
    db.execute("DROP FUNCTION IF EXISTS f, g")


def test_shown(db: Database) -> None:
    made = "CREATE FUNCTION f(x INT) RETURNS INT STRICT LANGUAGE sql AS 'SELECT x + 1'"
    db.execute(made)
    db.execute("COMMENT ON FUNCTION f(INT) IS 'one more'")
    assert rows(db, "SHOW CREATE FUNCTION f") == [("f()", made + ";")]
    assert ("f", "f(x integer) -> integer", "user sql") in [row[:3] for row in rows(db, "SHOW FUNCTIONS LIKE 'f'")]
    text = (
        "SELECT proname, prosrc, provolatile, proisstrict, lanname FROM pg_proc JOIN pg_language l ON prolang = l.oid"
    )
    assert rows(db, f"{text} WHERE proname = 'f'") == [("f", "SELECT x + 1", "i", True, "sql")]
    assert "f" not in [name for name, *_ in rows(db, "SHOW TABLES")]
    assert rows(db, "SELECT count(*) FROM pg_class WHERE relname LIKE 'f%()'") == [(0,)]


def test_a_function_of_the_program_without_arguments(db: Database) -> None:
    """DuckDB does not say of how many rows it asks."""
    db.function("seven() -> bigint")(lambda: 7)
    db.execute("CREATE TABLE t (a INT)")
    db.execute("INSERT INTO t VALUES (1), (2)")
    assert rows(db, "SELECT a, seven() FROM t ORDER BY a") == [(1, 7), (2, 7)]
    assert rows(db, "SELECT seven()") == [(7,)]


def test_a_misspelt_call_is_told_the_databases_own(db: Database) -> None:
    db.execute("CREATE FUNCTION taxed(x INT) RETURNS INT LANGUAGE sql AS 'x + 1'")
    for call, hint in (("taxd(1)", 'did you mean "taxed"'), ("lenght('a')", 'did you mean "length"')):
        with pytest.raises(sqlengine.Error, match="does not exist") as raised:
            db.execute(f"SELECT {call}")
        assert str(raised.value.hint).startswith(hint)
