"""psycopg2, which puts parameters into statements itself, reads text, and uses the simple protocol alone."""

from __future__ import annotations

import datetime as dt
import io
import select
import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.server.process import Served

psycopg2 = pytest.importorskip("psycopg2", reason="PSYCOPG2 IS NOT TESTED: psycopg2-binary is not installed")
errors = pytest.importorskip("psycopg2.errors")
extras = pytest.importorskip("psycopg2.extras")
pytestmark = pytest.mark.xdist_group("clients")


@pytest.fixture
def connection(server: Served) -> Iterator[Any]:
    made = psycopg2.connect(server.dsn)
    with made, made.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE two (id BIGINT PRIMARY KEY, name TEXT, n NUMERIC(10, 2), at TIMESTAMPTZ, a INT[])"
        )
    yield made
    made.close()


def test_values_go_both_ways(connection: Any) -> None:
    extras.register_uuid()
    values = (
        7, "o'n\\e \u20ac", Decimal("1.50"), True, None, 1.5, dt.date(2024, 2, 29), dt.time(1, 2, 3, 4),
        dt.datetime(2024, 1, 2, 3, 4, 5, 6), dt.datetime(2024, 1, 2, tzinfo=dt.UTC), dt.timedelta(days=1, hours=2),
        [1, 2, 3], ["a", None], uuid.uuid5(uuid.NAMESPACE_DNS, "x"),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(['%s'] * len(values))}", values)
        assert cursor.fetchone() == values
        cursor.execute("SELECT %s", (psycopg2.Binary(b"\0\xff'"),))
        assert bytes(cursor.fetchone()[0]) == b"\0\xff'"
        cursor.execute("SELECT %s::json", (extras.Json({"a": [1, None]}),))
        assert cursor.fetchone() == ({"a": [1, None]},)


def test_transactions(connection: Any) -> None:
    with connection, connection.cursor() as cursor:
        extras.execute_values(cursor, "INSERT INTO two (id, name) VALUES %s", [(i, f"n{i}") for i in range(500)])
        assert cursor.rowcount in (100, 500)
        extras.execute_batch(cursor, "UPDATE two SET name = %s WHERE id = %s", [("x", 1), ("y", 2)])
    with pytest.raises(errors.UniqueViolation), connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM two")
        cursor.execute("INSERT INTO two (id) VALUES (1), (1)")
    with connection, connection.cursor(cursor_factory=extras.RealDictCursor) as cursor:
        cursor.execute("SELECT count(*) AS n, max(name) AS name FROM two WHERE id IN %s", ((1, 2, 3),))
        assert cursor.fetchone() == {"n": 3, "name": "y"}
    with pytest.raises(errors.UndefinedColumn) as caught, connection.cursor() as cursor:
        cursor.execute("SELECT nmae FROM two")
    assert caught.value.diag.statement_position == "8" and "name" in caught.value.diag.message_hint
    connection.rollback()


def test_a_cursor_of_the_server(connection: Any) -> None:
    with connection, connection.cursor("named") as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT n FROM generate_series(1, %s) AS g(n)", (50,))
        assert [n for (n,) in cursor] == list(range(1, 51))


def test_copy(connection: Any) -> None:
    with connection, connection.cursor() as cursor:
        cursor.copy_from(io.StringIO("1\tone\n2\t\\N\n"), "two", columns=("id", "name"))
        cursor.copy_expert("COPY two (id, name) FROM STDIN CSV HEADER", io.StringIO('id,name\n3,"a, b"\n'))
        out = io.StringIO()
        cursor.copy_expert("COPY (SELECT id, name FROM two ORDER BY id) TO STDOUT CSV", out)
    assert out.getvalue() == '1,one\n2,\n3,"a, b"\n'


def test_notifications_and_cancelling(connection: Any) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE MATERIALIZED VIEW heard AS SELECT count(*) AS n FROM two")
        cursor.execute("LISTEN heard")
        cursor.execute("INSERT INTO two (id) VALUES (1)")
        connection.poll()
        while not connection.notifies:
            assert select.select([connection], [], [], 30)[0]
            connection.poll()
        assert connection.notifies.pop().channel == "heard"
        threading.Timer(0.3, connection.cancel).start()
        with pytest.raises(errors.QueryCanceled):
            cursor.execute("SELECT pg_sleep(60)")
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
