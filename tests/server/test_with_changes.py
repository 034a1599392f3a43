"""WITH and statements that change rows over the wire: tags, Describe, types of parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.process import Served, served

psycopg = pytest.importorskip("psycopg")

MOVED = "WITH d AS (DELETE FROM t WHERE k = ANY($1) RETURNING k, name) "


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as made:
        yield made


@pytest.fixture
def connection(server: Served) -> Iterator[Any]:
    with psycopg.connect(server.dsn, autocommit=True) as made:
        made.execute("CREATE OR REPLACE TABLE t (k BIGINT PRIMARY KEY, name TEXT)")
        made.execute("CREATE OR REPLACE TABLE log (k BIGINT, name TEXT, n INT)")
        made.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        yield made


def described(connection: Any, text: str) -> tuple[list[int], list[tuple[str, int]]]:
    """The types of a statement's parameters and its columns."""
    connection.pgconn.prepare(b"p", text.encode())
    found = connection.pgconn.describe_prepared(b"p")
    connection.execute("DEALLOCATE p")
    assert found.error_message == b""
    columns = [(found.fname(i).decode(), found.ftype(i)) for i in range(found.nfields)]
    return [found.param_type(i) for i in range(found.nparams)], columns


# (statement, types of its parameters, its columns), as PostgreSQL 15 describes them
DESCRIBED = [
    (MOVED + "SELECT name, k + $2 AS next FROM d WHERE name <> $3", [1016, 20, 25], [("name", 25), ("next", 20)]),
    (MOVED + "INSERT INTO log SELECT k, name, $2 FROM d RETURNING n", [1016, 23], [("n", 23)]),
    (MOVED + "INSERT INTO log SELECT k, name, 1 FROM d", [1016], []),
    ("WITH s AS (SELECT k FROM t WHERE name = $1) UPDATE t SET name = $2 FROM s WHERE t.k = s.k AND s.k > $3",
     [25, 25, 20], []),
    ("WITH s AS (SELECT k FROM t) DELETE FROM t USING s WHERE t.k = s.k AND s.k = $1 RETURNING t.*",
     [20], [("k", 20), ("name", 25)]),
    ("WITH i AS (INSERT INTO log VALUES ($1, $2, $3) RETURNING n, k) SELECT * FROM i", [20, 25, 23],
     [("n", 23), ("k", 20)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parameters", "columns"), DESCRIBED)
def test_what_it_takes_and_gives_is_told_before_it_runs(
    connection: Any, text: str, parameters: list[int], columns: list[tuple[str, int]]
) -> None:
    assert described(connection, text) == (parameters, columns)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (3,)


@pytest.mark.parametrize("binary", [False, True])
def test_values_and_tags(connection: Any, binary: bool) -> None:
    with connection.cursor(binary=binary) as cursor:
        cursor.execute("WITH d AS (DELETE FROM t WHERE k = ANY(%s) RETURNING *) SELECT k, name FROM d", ([1, 2],))
        assert (sorted(cursor.fetchall()), cursor.statusmessage) == ([(1, "a"), (2, "b")], "SELECT 2")
        cursor.execute("WITH s AS (SELECT %s::bigint AS k) INSERT INTO log (k, n) SELECT k, %s FROM s", (9, 1))
        assert cursor.statusmessage == "INSERT 0 1"
        cursor.execute("WITH s AS (SELECT 9 AS k) UPDATE log SET n = 2 FROM s WHERE log.k = s.k RETURNING n")
        assert (cursor.fetchall(), cursor.statusmessage) == ([(2,)], "UPDATE 1")
        cursor.execute("WITH s AS (SELECT 9 AS k) DELETE FROM log USING s WHERE log.k = s.k")
        assert cursor.statusmessage == "DELETE 1"
    assert connection.execute("SELECT k FROM t").fetchall() == [(3,)]


def test_a_pipeline_and_a_simple_query_run_each_part_once(connection: Any) -> None:
    text = "WITH d AS (DELETE FROM t WHERE k = {} RETURNING *) INSERT INTO log SELECT k, name, 0 FROM d"
    with connection.pipeline():
        for key in (1, 2):
            connection.execute(text.format(key))
    connection.pgconn.exec_(text.format(3).encode())
    assert sorted(connection.execute("SELECT k FROM log").fetchall()) == [(1,), (2,), (3,)]
    assert connection.execute("SELECT k FROM t").fetchall() == []


def test_errors_have_their_place(connection: Any) -> None:
    for text, state in [
        ("WITH s AS (SELECT 1 AS k) DELETE FROM t USING nosuch", "42P01"),
        ("WITH d AS (DELETE FROM t RETURNING nosuch) SELECT * FROM d", "42703"),
        ("SELECT * FROM (WITH d AS (DELETE FROM t) SELECT 1) AS nosuch", "0A000"),
    ]:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(text)
        at = text.index("DELETE" if state == "0A000" else "nosuch") + 1
        assert (caught.value.sqlstate, caught.value.diag.statement_position) == (state, str(at))
