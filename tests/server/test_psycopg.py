"""psycopg against a server: what the most used driver for Python does."""

from __future__ import annotations

import asyncio
import datetime as dt
import struct
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.server.process import Served, served

psycopg = pytest.importorskip("psycopg")


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as made:
        with psycopg.connect(made.dsn, autocommit=True) as first:
            first.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, n NUMERIC(10, 2), at TIMESTAMP, a INT[])")
        yield made


AT = dt.datetime(2024, 1, 1)
ROW = (1, "x", Decimal("12.34"), dt.datetime(2024, 1, 2, 3, 4, 5, 6), [1, None, 3])


@pytest.mark.parametrize("binary", [False, True])
def test_values_go_both_ways(connection: Any, binary: bool) -> None:
    mark = "%b" if binary else "%t"
    connection.execute(f"INSERT INTO t VALUES ({', '.join([mark] * 5)})", ROW)
    connection.execute("INSERT INTO t (id) VALUES (%s)", (2,))
    with connection.cursor(binary=binary) as cursor:
        assert cursor.execute(f"SELECT * FROM t WHERE id = {mark}", (1,)).fetchall() == [ROW]
        assert cursor.execute("SELECT * FROM t WHERE id = 2").fetchall() == [(2, None, None, None, None)]
        more = (True, b"\0\xff", dt.date(2024, 2, 29), dt.time(1, 2, 3), uuid.uuid5(uuid.NAMESPACE_DNS, "x"), 1.5)
        items = ", ".join([mark] * len(more))
        assert cursor.execute(f"SELECT {items}", more).fetchone() == more


REGS = {
    "'t'::regclass": "pg_class WHERE relname = 't'",
    "'integer'::regtype": "pg_type WHERE typname = 'int4'",
    "'int4in'::regproc": "pg_proc WHERE proname = 'int4in'",
    "'int4in'::regprocedure": "pg_proc WHERE proname = 'int4in'",
    "'public'::regnamespace": "pg_namespace WHERE nspname = 'public'",
    "'sqlengine'::regrole": "pg_roles WHERE rolname = 'sqlengine'",
    "4294967295::oid::regclass": "(SELECT 4294967295::oid AS oid) AS x",
}


@pytest.mark.parametrize("value", REGS)
def test_names_of_objects_are_their_numbers_in_binary(connection: Any, value: str) -> None:
    number = connection.execute(f"SELECT oid::bigint FROM {REGS[value]}").fetchone()[0]
    sent = number.to_bytes(4, "big")
    with connection.cursor(binary=True) as cursor:
        got = cursor.execute(f"SELECT {value}, NULL::regclass, {value}::oid, ARRAY[{value}, NULL]").pgresult
        name = connection.execute(f"SELECT {value}::text").fetchone()[0]
        kinds = [got.ftype(column) for column in range(4)]
        element = connection.execute("SELECT typelem::int FROM pg_type WHERE oid = %s", (kinds[3],)).fetchone()[0]
        head = struct.pack("!5i", 1, 1, element, 2, 1)
        assert element == kinds[0] and [got.get_value(0, i) for i in range(3)] == [sent, None, sent]
        assert got.get_value(0, 3) == head + struct.pack("!i4si", 4, sent, -1)
        with cursor.copy(f"COPY (SELECT {value}) TO STDOUT (FORMAT binary)") as copy:
            assert b"".join(map(bytes, copy))[19:-2] == struct.pack("!hi4s", 1, 4, sent)
    with connection.cursor(binary=False) as cursor:
        assert cursor.execute(f"SELECT {value}").pgresult.get_value(0, 0).decode() == name


def test_numbers_of_objects_are_parameters_of_their_types(connection: Any) -> None:
    number = connection.execute("SELECT 't'::regclass::oid::bigint").fetchone()[0]
    answer = connection.pgconn.exec_params(
        b"SELECT $1::regclass, $1::regclass::oid", [number.to_bytes(4, "big")], [2205], [1], 0
    )
    assert [answer.get_value(0, i) for i in range(2)] == [b"t", str(number).encode()]
    vector = connection.cursor(binary=True).execute("SELECT proargtypes FROM pg_proc WHERE proname = 'int4in'")
    assert vector.pgresult.get_value(0, 0) == struct.pack("!7i", 1, 0, 26, 1, 1, 4, 2275)


@pytest.mark.parametrize("binary", [False, True])
def test_a_plan_in_json_is_one_value(connection: Any, binary: bool) -> None:
    with connection.cursor(binary=binary) as cursor:
        (told,) = cursor.execute("EXPLAIN (FORMAT JSON) SELECT count(*) FROM t").fetchall()
        assert isinstance(told[0][0]["Plan"]["Node Type"], str) and cursor.description[0].type_code == 114


def test_lists_of_keys(connection: Any) -> None:
    connection.execute("INSERT INTO t (id) VALUES (1), (2), (3)")
    found = connection.execute("SELECT id FROM t WHERE id = ANY(%s) ORDER BY id", ([1, 3, 5],)).fetchall()
    assert found == [(1,), (3,)]


def test_errors_have_their_class_and_place(connection: Any) -> None:
    with pytest.raises(psycopg.errors.UndefinedColumn) as caught:
        connection.execute("SELECT nmae FROM t")
    assert caught.value.diag.statement_position == "8" and "name" in caught.value.diag.message_hint
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("INSERT INTO t (id) VALUES (7), (7)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("SELECT 1 / 0")


def test_transactions_and_savepoints(server: Served, connection: Any) -> None:
    with psycopg.connect(server.dsn) as other:
        with pytest.raises(psycopg.errors.DivisionByZero), other.transaction():
            other.execute("INSERT INTO t (id) VALUES (1)")
            other.execute("SELECT 1 / 0")
        with other.transaction():
            other.execute("INSERT INTO t (id) VALUES (2)")
            with pytest.raises(psycopg.errors.DivisionByZero), other.transaction():
                other.execute("INSERT INTO t (id) VALUES (3)")
                other.execute("SELECT 1 / 0")
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
            other.execute("INSERT INTO t (id) VALUES (4)")
    assert connection.execute("SELECT id FROM t ORDER BY id").fetchall() == [(2,), (4,)]


def test_a_pipeline(connection: Any) -> None:
    with connection.pipeline() as pipeline:
        cursors = [connection.execute("INSERT INTO t (id) VALUES (%s) RETURNING id", (i,)) for i in range(20)]
        pipeline.sync()
        assert [c.fetchone() for c in cursors] == [(i,) for i in range(20)]
        connection.execute("SELECT nope FROM t")
        late = connection.execute("SELECT 1")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            pipeline.sync()
        with pytest.raises(psycopg.Error):
            late.fetchone()
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (20,)


def test_many_rows_are_streamed(connection: Any) -> None:
    cursor = connection.cursor()
    found = sum(1 for _ in cursor.stream("SELECT range FROM range(50000)"))
    assert found == 50_000


def test_copy_both_ways(connection: Any) -> None:
    rows = [(i, f"na\tme\\{i}\n" if i % 3 else None, Decimal(i) / 4, AT, [i, None]) for i in range(500)]
    kinds = ["int8", "text", "numeric", "timestamp", "int4[]"]
    for form in ("text", "binary"):
        connection.execute("DELETE FROM t")
        with connection.cursor().copy(f"COPY t FROM STDIN (FORMAT {form})") as copy:
            copy.set_types(kinds)
            for row in rows:
                copy.write_row(row)
        assert connection.execute("SELECT * FROM t ORDER BY id").fetchall() == rows
        with connection.cursor().copy(f"COPY (SELECT * FROM t ORDER BY id) TO STDOUT (FORMAT {form})") as copy:
            copy.set_types(kinds)
            assert list(copy.rows()) == rows


def test_a_copy_that_is_broken_off_leaves_nothing(connection: Any) -> None:
    with pytest.raises(ZeroDivisionError), connection.cursor().copy("COPY t (id) FROM STDIN") as copy:
        copy.write_row((1,))
        raise ZeroDivisionError
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_statement_is_cancelled_from_outside(connection: Any) -> None:
    async def run() -> None:
        other = await psycopg.AsyncConnection.connect(connection.info.dsn, autocommit=True)
        async with other:
            task = asyncio.create_task(
                other.execute("SELECT sum(a.range * b.range) FROM range(200000) a, range(200000) b")
            )
            await asyncio.sleep(0.5)
            other.cancel()
            with pytest.raises(psycopg.errors.QueryCanceled):
                await asyncio.wait_for(task, 20)
            assert await (await other.execute("SELECT 1")).fetchone() == (1,)

    asyncio.run(run())


def test_changes_are_followed_as_they_come(server: Served, connection: Any) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as other:
        changes = other.cursor().stream("SELECT id, name FROM t EMIT CHANGES")
        for i in range(5):
            connection.execute("INSERT INTO t (id, name) VALUES (%s, 'x')", (i,))
            assert next(changes) == ("insert", i, "x")
        connection.execute("UPDATE t SET name = 'y' WHERE id = 3")
        assert [next(changes) for _ in range(2)] == [("update_before", 3, "x"), ("update_after", 3, "y")]
        other.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            next(changes)


def test_who_goes_away_while_following_leaves_nothing_behind(server: Served, connection: Any) -> None:
    other = psycopg.connect(server.dsn, autocommit=True)
    changes = other.cursor().stream("SELECT id FROM t EMIT CHANGES")
    connection.execute("INSERT INTO t (id) VALUES (1)")
    next(changes)
    queries = "SELECT count(*) FROM system.queries WHERE query_id LIKE 'follow%'"
    assert connection.execute(queries).fetchone() == (1,)
    other.pgconn.finish()
    for _ in range(100):
        if connection.execute(queries).fetchone() == (0,):
            return
        connection.execute("SELECT 1")
    pytest.fail("the query of a client that is gone still runs")


def test_views_that_change_are_told_to_who_listens(connection: Any) -> None:
    connection.execute("CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS c FROM t")
    connection.execute("LISTEN counted")
    connection.execute("INSERT INTO t (id) VALUES (1)")
    (told,) = connection.notifies(timeout=10, stop_after=1)
    (tick,) = connection.execute("SELECT last_change FROM system.queries WHERE name = 'counted'").fetchone()[:1]
    assert (told.channel, told.pid) == ("counted", 0) and int(told.payload) > 0 and tick is not None
    connection.execute("UNLISTEN *")
    connection.execute("INSERT INTO t (id) VALUES (2)")
    assert list(connection.notifies(timeout=0.3)) == []
    connection.execute("DROP MATERIALIZED VIEW counted")


def test_sessions_send_one_another_word(server: Served, connection: Any) -> None:
    with psycopg.connect(server.dsn) as other:
        connection.execute("LISTEN news")
        other.execute("NOTIFY news, 'first'")
        assert list(connection.notifies(timeout=0.3)) == []
        other.commit()
        (told,) = connection.notifies(timeout=10, stop_after=1)
        assert (told.channel, told.payload, told.pid) == ("news", "first", other.info.backend_pid)
        other.execute("NOTIFY news, 'never'")
        other.rollback()
        assert list(connection.notifies(timeout=0.3)) == []


def test_what_the_driver_has_prepared_is_forgotten_by_name(connection: Any) -> None:
    for _ in range(7):
        connection.execute("SELECT %s::int", (1,), prepare=True)
    connection.execute("DEALLOCATE ALL")
    connection.execute("DISCARD ALL")
    connection.prepare_threshold = None
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_session_can_be_ended_by_another(server: Served, connection: Any) -> None:
    other = psycopg.connect(server.dsn, autocommit=True)
    pid = other.execute("SELECT pg_backend_pid()").fetchone()[0]
    assert pid == other.info.backend_pid
    found = connection.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone()
    assert found == ("idle",)
    assert connection.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError, match="administrator command"):
        for _ in range(100):
            other.execute("SELECT 1")
    other.close()


def test_cursors_of_the_server(server: Served, connection: Any) -> None:
    connection.execute("INSERT INTO t (id) SELECT range FROM range(100)")
    with psycopg.connect(server.dsn) as other:
        with other.cursor("named") as cursor:
            cursor.itersize = 7
            assert [row[0] for row in cursor.execute("SELECT id FROM t WHERE id < %s ORDER BY id", (50,))] == list(
                range(50)
            )
        with other.cursor("followed") as cursor:
            cursor.execute("SUBSCRIBE (SELECT id FROM t WHERE id < 3)")
            assert sorted(row[3] for row in cursor.fetchmany(3)) == [0, 1, 2]


@pytest.mark.parametrize("binary", [False, True])
def test_cursors_of_the_server_scroll(server: Served, connection: Any, binary: bool) -> None:
    connection.execute("INSERT INTO t (id) SELECT range FROM range(10)")
    number = connection.execute("SELECT 't'::regclass::oid").fetchone()[0]
    with psycopg.connect(server.dsn) as other:
        with other.cursor("scrolled", scrollable=True) as cursor:
            cursor.execute("SELECT id, 't'::regclass FROM t ORDER BY id", binary=binary)
            sent = (number.to_bytes(4, "big") if binary else "t",)
            assert cursor.fetchmany(2) == [(0, *sent), (1, *sent)]
            cursor.scroll(-1)
            assert cursor.fetchone() == (1, *sent)
            cursor.scroll(7, mode="absolute")
            assert cursor.fetchall() == [(i, *sent) for i in (7, 8, 9)]
            cursor.scroll(0, mode="absolute")
            assert cursor.fetchone() == (0, *sent)
        with other.cursor("on", scrollable=False) as cursor:
            cursor.execute("SELECT id FROM t ORDER BY id")
            cursor.scroll(3)
            assert cursor.fetchone() == (3,)
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="cursor can only scan forward"):
                cursor.scroll(-1)


def test_a_cancelled_statement_does_not_end_the_next(server: Served, connection: Any) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as other:
        other.execute("SET statement_timeout = '200 ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            other.execute("SELECT pg_sleep(30)")
        other.execute("RESET statement_timeout")
        with other.cursor().copy("COPY t (id) FROM STDIN") as copy:
            copy.write_row([1])
        changes = other.cursor().stream("SELECT id FROM t EMIT CHANGES")
        assert next(changes) == ("insert", 1)
        other.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            next(changes)
        with other.cursor().copy("COPY t (id) FROM STDIN") as copy:
            copy.write_row([2])
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_temporary_tables_go_with_their_session(server: Served, connection: Any) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as other:
        other.execute("CREATE TEMP TABLE passing AS SELECT 1 AS k")
        assert other.execute("SELECT k FROM passing").fetchone() == (1,)
    for _ in range(100):
        if connection.execute("SELECT to_regclass('passing')").fetchone() == (None,):
            return
    pytest.fail("a temporary table is still there")


@pytest.mark.parametrize("binary", [False, True])
def test_jsonb_is_told_from_json(connection: Any, binary: bool) -> None:
    """Their oids, the version before jsonb's bytes, and copies in binary."""
    from psycopg.types.json import Json, Jsonb

    table, mark = f"documents_{int(binary)}", "%b" if binary else "%t"
    connection.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, j JSONB, k JSON)")
    given = {"b": 1, "a": [1.5]}
    connection.execute(f"INSERT INTO {table} VALUES (1, {mark}, {mark})", (Jsonb(given), Json(given)))
    with connection.cursor(binary=binary) as cursor:
        cursor.execute(f"SELECT j, k, ARRAY[j] FROM {table} WHERE j = {mark}", (Jsonb({"a": [1.50], "b": 1.0}),))
        assert [column.type_code for column in cursor.description] == [3802, 114, 3807]
        raw = cursor.pgresult.get_value(0, 0)
        assert raw == (b"\x01" if binary else b"") + b'{"a": [1.5], "b": 1}'
        assert cursor.fetchall() == [(given, given, [given])]
        with cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "jsonb", "json"])
            copy.write_row((2, Jsonb({"z": 1, "y": 2}), Json([])))
    assert connection.execute(f"SELECT j::text FROM {table} WHERE id = 2").fetchall() == [('{"y": 2, "z": 1}',)]
