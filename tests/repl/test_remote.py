"""The command over a server: the same face as over a directory."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from repl.completion.names import fetch_names
from repl.remote import RemoteDatabase, RemoteSession
from sqlengine import connect
from sqlengine.advance import Advance
from sqlengine.errors import Error, NotSupportedError, OperationalError
from tests.server.forked import completed


@pytest.fixture
def address() -> Iterator[str]:
    with connect() as database, database.serve(host="127.0.0.1", port=0) as server:
        yield f"postgresql://sqlengine@127.0.0.1:{server.port}/sqlengine"


@pytest.fixture
def session(address: str) -> Iterator[RemoteSession]:
    made = RemoteDatabase(address).session()
    yield made
    made.close()


SETUP = "CREATE STREAM s (a bigint, b text, c double precision, d numeric(10,2), e boolean, f timestamp)"
ROWS = "INSERT INTO s VALUES (1, 'x', 1.5, 2.25, true, '2024-01-01 00:00:00'), (NULL, NULL, NULL, NULL, NULL, NULL)"


def test_values_are_those_of_the_server(session: RemoteSession) -> None:
    session.execute(SETUP)
    assert session.execute(ROWS).tag == "INSERT 0 2"
    table = session.execute("SELECT a, b, c, e FROM s ORDER BY a NULLS LAST").to_arrow()
    assert table.to_pylist() == [
        {"a": 1, "b": "x", "c": 1.5, "e": True}, {"a": None, "b": None, "c": None, "e": None},
    ]  # fmt: skip
    assert [str(field.type) for field in table.schema] == ["int64", "string", "double", "bool"]


def test_many_rows_come_in_batches(session: RemoteSession) -> None:
    result = session.execute("SELECT range AS n FROM range(20000)")
    batches = list(result.batches())
    assert pa.Table.from_batches(batches).column("n").to_pylist() == list(range(20_000)) and len(batches) == 3
    assert result.tag == "SELECT 20000"
    nothing = session.execute("SELECT 1 AS n, 'x' AS t LIMIT 0")
    assert list(nothing.batches()) == [] and nothing.tag == "SELECT 0"
    assert nothing.schema == pa.schema([("n", pa.int32()), ("t", pa.string())])


def test_a_server_that_sends_text_alone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repl.remote._ASKED", ("nothing = 1",))  # as any other server refuses it
    session = RemoteDatabase(address).session()
    session.execute(SETUP)
    session.execute(ROWS)
    table = session.execute("SELECT * FROM s ORDER BY a NULLS LAST").to_arrow()
    moment = datetime(2024, 1, 1)
    assert table.to_pylist()[0] == {"a": 1, "b": "x", "c": 1.5, "d": Decimal("2.25"), "e": True, "f": moment}
    assert set(table.to_pylist()[1].values()) == {None}
    result = session.execute("SELECT range AS n, {'a': range} AS s FROM range(5000)")
    batches = list(result.batches())
    assert len(batches) == 3 and batches[2].num_rows == 1000 and result.tag == "SELECT 5000"
    changes = session.execute("SUBSCRIBE s")
    assert changes.endless and next(iter(changes.batches())).num_rows >= 1
    changes.close()
    session.close()


def test_what_is_followed_is_open_before_it_has_rows(session: RemoteSession) -> None:
    session.execute(SETUP)
    result = session.execute("-- nothing yet\nSELECT a, b FROM s EMIT CHANGES")
    assert result.endless and result.schema is not None and {"a", "b"} <= set(result.schema.names)
    session.cancel()
    with pytest.raises(Error) as caught:
        list(result.batches())
    assert caught.value.sqlstate == "57014"
    result.close()
    assert session.execute("SELECT 1 AS a").fetchall() == [(1,)]


def test_progress_is_told(session: RemoteSession) -> None:
    session.execute(SETUP)
    session.execute("INSERT INTO s (a) SELECT range FROM range(200000)")
    told: list[Advance] = []
    session.on_progress(told.append)
    session.execute("SET backfill_rate_limit = 200000")  # a second
    session.execute("CREATE MATERIALIZED VIEW v AS SELECT a % 10 AS g, count(*) AS n FROM s GROUP BY 1")
    shares = [advance.fraction or 0.0 for advance in told]
    assert len(told) >= 2 and shares == sorted(shares) and shares[0] < 1
    assert {advance.unit for advance in told} == {"rows"}
    assert 0 < told[-1].done <= 200_001  # offsets are counted, and the marker of the INSERT's transaction has one
    before = len(told)
    session.execute("SELECT 1 AS a")
    assert len(told) == before


def test_a_result_may_be_left(session: RemoteSession) -> None:
    result = session.execute("SELECT range AS n FROM range(100000)")
    next(result.batches())
    result.close()
    assert session.execute("SELECT 1 AS a").fetchall() == [(1,)]


def test_errors_have_state_position_and_hint(session: RemoteSession) -> None:
    session.execute(SETUP)
    with pytest.raises(Error) as caught:
        session.execute("SELECT bb FROM s").to_arrow()
    assert (caught.value.sqlstate, caught.value.position) == ("42703", 7)
    assert session.execute("SELECT 1 AS a").fetchall() == [(1,)]


def test_warnings_are_told_as_such(session: RemoteSession) -> None:
    (told,) = session.execute("COMMIT").notices
    assert (told.severity, told.sqlstate, told) == ("WARNING", "25P01", "there is no transaction in progress")
    session.execute("CREATE TABLE t (a INT)")
    (told,) = session.execute("CREATE TABLE IF NOT EXISTS t (a INT)").notices
    assert (told.severity, told.sqlstate) == ("NOTICE", "00000")


def test_what_has_no_end_is_cancelled(session: RemoteSession) -> None:
    session.execute(SETUP)
    session.execute(ROWS)
    result = session.execute("SUBSCRIBE s")
    assert result.endless
    batches = iter(result.batches())
    assert next(batches).num_rows >= 1
    timer = threading.Timer(0.2, session.cancel)
    timer.start()
    with pytest.raises(Error) as caught:
        for _ in batches:
            pass
    assert caught.value.sqlstate == "57014"
    result.close()


def test_copy_to_the_client_answers_with_rows(session: RemoteSession) -> None:
    session.execute(SETUP)
    session.execute(ROWS)
    result = session.execute("COPY s (a, f) TO STDOUT (FORMAT csv, HEADER)")
    assert [str(field.type) for field in result.schema or ()] == ["int64", "timestamp[us]"]
    assert result.to_arrow().num_rows == 2 and result.tag == "COPY 2"
    changes = session.execute("COPY (SUBSCRIBE s) TO STDOUT")
    assert changes.endless and next(changes.batches()).num_rows >= 1
    changes.close()
    assert session.execute("SELECT count(*) AS n FROM s").fetchall() == [(2,)]
    with pytest.raises(Error) as caught:
        session.execute("COPY nothing TO STDOUT")
    assert caught.value.sqlstate == "42P01"


def test_copy_from_the_client_has_no_data_at_a_prompt(session: RemoteSession) -> None:
    session.execute(SETUP)
    with pytest.raises(NotSupportedError) as caught:
        session.execute("COPY s FROM STDIN")
    assert "\\copy" in str(caught.value.hint)
    assert session.execute("SELECT count(*) AS n FROM s").fetchall() == [(0,)]


def test_data_that_breaks_off_leaves_nothing(session: RemoteSession) -> None:
    session.execute(SETUP)

    def broken() -> Iterator[bytes]:
        yield b"1\n" * 200_000
        raise Error("the file is gone")

    with pytest.raises(Error, match="the file is gone"):
        session.copy_in("COPY s (a) FROM STDIN", broken())
    assert session.execute("SELECT count(*) AS n FROM s").fetchall() == [(0,)]


def test_sending_ends_when_the_server_refuses_or_is_told_to(session: RemoteSession) -> None:
    session.execute(SETUP)
    sent = 0

    def endless(stops_at: int) -> Iterator[bytes]:
        nonlocal sent
        for sent in range(100_000):
            if sent == stops_at:
                session.cancel()
            yield b"1\n" * 50_000

    with pytest.raises(Error) as caught:
        session.copy_in("COPY s (a) FROM STDIN", endless(50))
    assert caught.value.sqlstate == "57014" and 50 <= sent < 1_000
    assert session.execute("SELECT count(*) AS n FROM s").fetchall() == [(0,)]
    assert session.copy_in("COPY s (a) FROM STDIN", [b"1\n", b"2\n"]).tag == "COPY 2"


def test_rows_are_lent_to_this_session_alone(address: str, session: RemoteSession) -> None:
    rows = pa.table({"n": [1, 2], "d": pa.array(["2024-01-01", None]).cast(pa.date32())})
    session.lend("_", rows)
    query = "SELECT _.n, x.d FROM _ JOIN _ AS x USING (n) ORDER BY n"
    assert session.execute(query).to_arrow().to_pylist() == rows.to_pylist()
    other = RemoteDatabase(address).session()
    with pytest.raises(Error) as caught:
        other.execute("SELECT * FROM _")
    assert caught.value.sqlstate == "42P01"
    other.close()
    session.execute('CREATE TABLE "_" (mine BIGINT)')
    assert session.execute("SELECT * FROM _").to_arrow().column_names == ["mine"]


def test_names_come_from_the_server(session: RemoteSession) -> None:
    session.execute(SETUP)
    names = fetch_names(session)
    assert [column for column, _ in names.columns("s")] == ["a", "b", "c", "d", "e", "f"]


def test_no_server() -> None:
    with pytest.raises(OperationalError) as caught:
        RemoteDatabase("postgresql://127.0.0.1:1/x").session()
    assert caught.value.sqlstate == "08001"
    assert caught.value.message == 'connection to server at "127.0.0.1", port 1 failed: Connection refused'
    assert caught.value.hint == "is the server running on that host and accepting TCP/IP connections?"


def test_without_psycopg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NotSupportedError) as caught:
        RemoteDatabase("postgresql://127.0.0.1:1/x")
    assert "psycopg" in caught.value.message and "remote" in str(caught.value.hint)


@pytest.mark.slow
def test_the_command_over_a_server(address: Any) -> None:
    done = completed(
        address, "-c", SETUP, "-c", ROWS, "-c", "SELECT a, b FROM s ORDER BY a NULLS LAST", "--format", "csv"
    )
    assert (done.returncode, done.stdout) == (0, "a,b\n1,x\n,\n"), done.stderr
    wrong = completed(address, "-c", "SELECT a, bb FROM s")
    assert wrong.returncode == 1 and "line 1:11" in wrong.stderr and "[42703]" in wrong.stderr
    assert "a,bigint" in completed(address, "-c", "\\d s", "--format", "csv").stdout
