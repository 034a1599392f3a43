"""Results without end over the wire: plain rows, COPY in its three formats, cursors."""

from __future__ import annotations

import asyncio
import io
import shutil
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine.server.peer import Limits
from sqlengine.server.pg.server import PgOptions, PgServer
from tests.server.process import Served, served
from tests.server.wire import FLUSH, SYNC, bind, close, execute, fields, parse, query, split, startup

psycopg = pytest.importorskip("psycopg")

FOLLOWERS = "SELECT count(*) FROM system.queries WHERE query_id LIKE 'follow%'"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as made:
        with psycopg.connect(made.dsn, autocommit=True) as first:
            first.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT)")
        yield made


@pytest.fixture
def other(server: Served) -> Iterator[Any]:
    with psycopg.connect(server.dsn, autocommit=True) as made:
        yield made


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; it must come to be."""
    for _ in range(3_000):
        if is_so():
            return
        time.sleep(0.02)
    pytest.fail("it did not come to be")


def nobody_follows(connection: Any) -> None:
    until(lambda: connection.execute(FOLLOWERS).fetchone() == (0,))


# ---------------------------------------------------------------- COPY


@pytest.mark.parametrize(
    ("options", "head", "expected"),
    [
        ("", [], [b"insert\t1\ta b\n", b"insert\t2\t\\N\n", b"delete\t1\ta b\n"]),
        ("(FORMAT csv, HEADER)", [b"op,id,name\n"], [b"insert,1,a b\n", b"insert,2,\n", b"delete,1,a b\n"]),
        ("CSV DELIMITER ';' NULL 'nil'", [], [b"insert;1;a b\n", b"insert;2;nil\n", b"delete;1;a b\n"]),
    ],
)
def test_changes_are_copied_as_they_come(
    connection: Any, other: Any, options: str, head: list[bytes], expected: list[bytes]
) -> None:
    statement = f"COPY (SELECT id, name FROM t EMIT CHANGES) TO STDOUT {options}"
    changes = ["INSERT INTO t VALUES (1, 'a b')", "INSERT INTO t VALUES (2, NULL)", "DELETE FROM t WHERE id = 1"]
    with pytest.raises(psycopg.errors.QueryCanceled), other.cursor().copy(statement) as copy:
        for line in head:  # comes at once, not with the first row
            assert bytes(copy.read()) == line
        for change, line in zip(changes, expected, strict=True):
            connection.execute(change)
            assert bytes(copy.read()) == line
        other.cancel()
        copy.read()
    assert other.execute("SELECT 1").fetchone() == (1,)
    nobody_follows(connection)


def test_subscribe_is_copied_in_binary(connection: Any, other: Any) -> None:
    connection.execute("INSERT INTO t VALUES (7, 'before')")
    statement = "COPY (SUBSCRIBE t) TO STDOUT (FORMAT binary)"
    with pytest.raises(psycopg.errors.QueryCanceled), other.cursor().copy(statement) as copy:
        copy.set_types(["int8", "timestamptz", "text", "int8", "text"])
        rows = copy.rows()
        assert next(rows)[2:] == ("insert", 7, "before")
        connection.execute("INSERT INTO t VALUES (8, NULL)")
        tick, _, *rest = next(rows)
        assert rest == ["insert", 8, None]
        connection.execute("UPDATE t SET name = 'x' WHERE id = 8")
        assert [next(rows)[2:] for _ in range(2)] == [("update_before", 8, None), ("update_after", 8, "x")]
        assert tick > 0
        other.cancel()
        next(rows)
    nobody_follows(connection)


def test_without_a_snapshot_only_what_comes_is_copied(connection: Any, other: Any) -> None:
    connection.execute("INSERT INTO t VALUES (1, 'before')")
    statement = "COPY (SUBSCRIBE (SELECT name FROM t) WITH (snapshot = false)) TO STDOUT (FORMAT csv, HEADER)"
    with pytest.raises(psycopg.errors.QueryCanceled), other.cursor().copy(statement) as copy:
        assert bytes(copy.read()) == b"tick,time,op,name\n"
        connection.execute("INSERT INTO t VALUES (2, 'behind')")
        assert bytes(copy.read()).endswith(b",insert,behind\n")
        other.cancel()
        copy.read()


def test_asyncpg_copies_what_it_follows(server: Served, connection: Any) -> None:
    asyncpg = pytest.importorskip("asyncpg")

    async def run() -> bytes:
        made = await asyncpg.connect(host="127.0.0.1", port=server.port, user="me", database="db", timeout=20)
        got = bytearray()
        seen = asyncio.Event()

        async def take(data: bytes) -> None:
            got.extend(data)
            seen.set()

        task = asyncio.create_task(made.copy_from_query("SELECT id FROM t EMIT CHANGES", output=take))
        connection.execute("INSERT INTO t VALUES (3, 'x')")
        await asyncio.wait_for(seen.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)
        made.terminate()
        return bytes(got)

    assert asyncio.run(run()) == b"insert\t3\n"
    nobody_follows(connection)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM t EMIT CHANGES",
        "SUBSCRIBE t",
        "COPY (SUBSCRIBE t) TO STDOUT",
        "COPY (SUBSCRIBE t) TO STDOUT (FORMAT binary)",
    ],
)
def test_the_time_of_a_statement_ends_it(connection: Any, other: Any, statement: str) -> None:
    other.execute("SET statement_timeout = '300 ms'")
    with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
        if statement.startswith("COPY"):
            with other.cursor().copy(statement) as copy:
                list(copy)
        else:
            list(other.cursor().stream(statement))
    assert other.execute("SELECT 1").fetchone() == (1,)
    nobody_follows(connection)


def test_who_goes_away_within_a_copy_leaves_nothing_behind(server: Served, connection: Any) -> None:
    gone = psycopg.connect(server.dsn, autocommit=True)
    gone.pgconn.send_query(b"COPY (SUBSCRIBE t) TO STDOUT")
    until(lambda: connection.execute(FOLLOWERS).fetchone() == (1,))
    gone.pgconn.finish()
    nobody_follows(connection)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("COPY (SUBSCRIBE nothing) TO STDOUT", psycopg.errors.UndefinedTable),
        ("COPY (SUBSCRIBE t WITH (nope = 1)) TO STDOUT", psycopg.errors.InvalidParameterValue),
        ("COPY (SUBSCRIBE t) TO STDOUT (FORMAT orc)", psycopg.errors.InvalidParameterValue),
        ("COPY (SUBSCRIBE t) TO '/tmp/never.csv'", psycopg.errors.FeatureNotSupported),
        ("COPY (SELECT id FROM t EMIT CHANGES) TO '/tmp/never.csv'", psycopg.errors.FeatureNotSupported),
        ("COPY (SUBSCRIBE (SELECT 1 AS op)) TO STDOUT", psycopg.errors.DuplicateColumn),
        ("COPY (SUBSCRIBE t", psycopg.errors.SyntaxError),
        ("COPY (SUBSCRIBE t) FROM STDIN", psycopg.errors.SyntaxError),
    ],
)
def test_what_cannot_be_copied(connection: Any, other: Any, statement: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        other.execute(statement)
    nobody_follows(connection)


def test_privileges_count_for_what_is_copied(server: Served, connection: Any) -> None:
    connection.execute("CREATE ROLE copier LOGIN")
    with psycopg.connect(server.dsn.replace("user=me", "user=copier"), autocommit=True) as made:
        made.execute("SET ROLE copier")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            made.execute("COPY (SUBSCRIBE t) TO STDOUT")


@pytest.mark.skipif(shutil.which("psql") is None, reason="PSQL IS NOT TESTED: it is not installed")
@pytest.mark.parametrize("command", ["COPY (SUBSCRIBE t) TO STDOUT;", "\\copy (SUBSCRIBE t) to stdout"])
def test_psql_shows_what_comes_in_a_terminal(server: Served, connection: Any, command: str) -> None:
    pexpect = pytest.importorskip("pexpect")
    told = io.StringIO()
    psql = pexpect.spawn("psql", [server.dsn, "-Xq"], encoding="utf-8", timeout=30, logfile=told)
    try:
        psql.expect("=[#>] ")
        psql.sendline(command)
        connection.execute("INSERT INTO t VALUES (11, 'eleven')")
        psql.expect("insert\t11\televen")
        connection.execute("INSERT INTO t VALUES (12, 'twelve')")
        psql.expect("insert\t12\ttwelve")
        psql.sendintr()
        psql.expect("cancell?ing statement due to user request")
        psql.expect("=[#>] ")
        psql.sendline("SELECT 40 + 2;")
        psql.expect("42")
    finally:
        psql.close(force=True)


# ---------------------------------------------------------------- cursors


def test_a_fetch_waits_as_long_as_it_says(connection: Any, other: Any) -> None:
    """Also over what was empty when it was declared."""
    other.execute("BEGIN")
    other.execute("DECLARE c CURSOR FOR SUBSCRIBE t")
    assert other.execute("FETCH ALL FROM c").fetchall() == []
    assert other.execute("FETCH ALL FROM c WITH (timeout = '50 ms')").fetchall() == []

    async def run() -> list[Any]:
        async with await psycopg.AsyncConnection.connect(connection.info.dsn, autocommit=True) as late:
            fetched = asyncio.create_task(asyncio.to_thread(other.execute, "FETCH ALL FROM c WITH (timeout = '30 s')"))
            await asyncio.sleep(0.3)
            await late.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
            return (await fetched).fetchall()

    assert [row[2:] for row in asyncio.run(run())] == [("insert", 1, "one"), ("insert", 2, "two")]
    connection.execute("INSERT INTO t SELECT range + 10, 'x' FROM range(5)")
    assert len(other.execute("FETCH 3 FROM c WITH (timeout = '30 s')").fetchall()) == 3
    assert len(other.execute("FETCH ALL FROM c").fetchall()) == 2
    other.execute("COMMIT")
    with pytest.raises(psycopg.errors.InvalidCursorName):
        other.execute("FETCH ALL FROM c")
    nobody_follows(connection)


@pytest.mark.parametrize("way", ["cancel", "statement_timeout"])
def test_a_fetch_that_waits_can_be_ended(connection: Any, other: Any, way: str) -> None:
    other.execute("DECLARE d CURSOR WITH HOLD FOR SUBSCRIBE t")
    if way == "statement_timeout":
        other.execute("SET statement_timeout = '200 ms'")

    async def run() -> None:
        task = asyncio.create_task(asyncio.to_thread(other.execute, "FETCH ALL FROM d WITH (timeout = '600 s')"))
        await asyncio.sleep(0.3)
        if way == "cancel":
            other.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await task

    asyncio.run(run())
    other.execute("RESET statement_timeout")
    connection.execute("INSERT INTO t VALUES (5, 'five')")
    assert [r[2:] for r in other.execute("FETCH ALL FROM d WITH (timeout = '30 s')")] == [("insert", 5, "five")]
    other.execute("CLOSE d")
    nobody_follows(connection)


# ---------------------------------------------------------------- a client that does not read


class Unreading:
    """A connection that asks and does not read the answer."""

    def __init__(self, port: int, text: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(startup(196608, user="me") + query(text))

    def rest(self) -> list[tuple[str, bytes]]:
        """All that was sent, cut where the connection was."""
        self.socket.settimeout(30)
        got = bytearray()
        try:
            while part := self.socket.recv(1 << 20):
                got += part
        except ConnectionError:
            return whole(bytes(got))
        return whole(bytes(got))


def whole(data: bytes) -> list[tuple[str, bytes]]:
    """The messages that are there to their end."""
    at = 0
    while at + 5 <= len(data):
        after = at + 1 + struct.unpack_from("!I", data, at + 1)[0]
        if after > len(data):
            break
        at = after
    return list(split(data[:at]))


FOLLOWED = ["COPY (SUBSCRIBE big) TO STDOUT", "SUBSCRIBE big"]


@pytest.mark.parametrize("text", FOLLOWED)
def test_who_does_not_read_holds_up_nobody_and_is_dropped(text: str) -> None:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0, limits=Limits(send_timeout_s=1.0))) as server:
        db.execute("CREATE TABLE big (id BIGINT PRIMARY KEY, filler TEXT)")
        slow = Unreading(server.port, text)
        until(lambda: db.execute(FOLLOWERS).fetchall() == [(1,)])
        for i in range(20):  # the engine goes on
            db.execute(f"INSERT INTO big SELECT range + {i * 5000}, repeat('x', 200) FROM range(5000)")
        assert db.execute("SELECT count(*) FROM big").fetchall() == [(100_000,)]
        until(lambda: db.execute(FOLLOWERS).fetchall() == [(0,)])
        until(lambda: not server.backends)
        assert 0 < sum(k in "dD" for k, _ in slow.rest()) < 100_000
        slow.socket.close()


def begun(port: int, *messages: bytes) -> socket.socket:
    """A connection that has been greeted, and has sent these."""
    made = socket.create_connection(("127.0.0.1", port))
    made.settimeout(10)
    made.sendall(startup(196608, user="me"))
    ready(made)
    made.sendall(b"".join(messages))
    return made


def ready(connection: socket.socket) -> None:
    """Read up to ReadyForQuery."""
    got = bytearray()
    while not got.endswith(b"Z\0\0\0\5I"):
        read = connection.recv(65_536)
        assert read, "the connection has ended"
        got += read


@pytest.mark.parametrize("how", ["gone", "closed", "cancelled", "copied"])
def test_who_ends_following_waits_for_the_engine_alone(how: str) -> None:
    following = "SELECT id FROM t EMIT CHANGES"
    asked = {
        "gone": [query(following)],
        "closed": [parse(following), bind([]), execute("", 1), FLUSH],
        "cancelled": [query(following)],
        "copied": [query(f"COPY ({following}) TO STDOUT")],
    }[how]
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0)) as server:
        db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)")
        other, leaving = begun(server.port), begun(server.port, *asked)
        until(lambda: db.execute(FOLLOWERS).fetchall() == [(1,)])
        if how == "closed":
            until(lambda: b"s\0\0\0\4" in leaving.recv(65_536))
        with db._instance.lock:
            if how == "closed":
                leaving.sendall(close("P", "") + SYNC)
            elif how == "gone":
                leaving.close()
            else:
                server.backends[max(server.backends)].cancel()
            time.sleep(0.1)
            for _ in range(5):
                other.sendall(SYNC)
                ready(other)
        until(lambda: db.execute(FOLLOWERS).fetchall() == [(0,)])
        other.close()
        leaving.close()


@pytest.mark.parametrize("text", FOLLOWED)
def test_who_does_not_read_can_be_ended_by_another(text: str) -> None:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0)) as server:
        db.execute("CREATE TABLE big AS SELECT range AS id, repeat('x', 500) AS filler FROM range(50000)")
        slow = Unreading(server.port, text)
        until(lambda: db.execute(FOLLOWERS).fetchall() == [(1,)])
        time.sleep(0.3)  # it is stuck by now, or will be
        (pid,) = server.backends
        with psycopg.connect(f"host=127.0.0.1 port={server.port} user=me dbname=db", autocommit=True) as other:
            assert other.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchone() == (True,)
            until(lambda: len(server.backends) == 1)
        until(lambda: db.execute(FOLLOWERS).fetchall() == [(0,)])
        slow.socket.close()


def test_who_reads_slowly_gets_all() -> None:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0)) as server:
        db.execute("CREATE TABLE big AS SELECT range AS id, repeat('x', 100) AS filler FROM range(30000)")
        slow = Unreading(server.port, "COPY (SELECT id, filler FROM big EMIT CHANGES) TO STDOUT")
        until(lambda: db.execute(FOLLOWERS).fetchall() == [(1,)])
        db.execute("INSERT INTO big VALUES (-1, 'the last')")
        got = bytearray()
        slow.socket.settimeout(30)
        while not got.endswith(b"the last\n"):
            got += slow.socket.recv(100_000)
        assert sum(k == "d" for k, _ in whole(bytes(got))) == 30_001
        with psycopg.connect(f"host=127.0.0.1 port={server.port} user=me dbname=db", autocommit=True) as other:
            (pid,) = (p for p in server.backends if p != other.info.backend_pid)
            assert other.execute("SELECT pg_cancel_backend(%s)", (pid,)).fetchone() == (True,)
        rest = bytearray()
        while b"57014" not in rest:
            rest += slow.socket.recv(65_536)
        ((_, contents), *_) = (m for m in whole(bytes(rest)) if m[0] == "E")
        assert fields(contents)["C"] == "57014"
        slow.socket.close()
