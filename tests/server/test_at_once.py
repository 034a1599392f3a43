"""What is answered where its bytes arrive is what the conversation would have answered, to the byte."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sqlengine
from tests.server.wire import FLUSH, SYNC, TestHost, Wire, bind, close, describe, execute, fields, parse, query

SETUP = """
CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, n NUMERIC(10, 2), d DATE, f DOUBLE PRECISION);
INSERT INTO t VALUES (1, 'one', 1.5, '2024-01-02', 0.1), (2, NULL, NULL, NULL, NULL), (7, 'ünï', -7, '1999-12-31', 1e9);
CREATE TABLE pair (a TEXT, b INT, v TEXT, PRIMARY KEY (a, b));
INSERT INTO pair VALUES ('x', 1, 'x1'), ('x', 2, 'x2'), ('', 0, '');
CREATE MATERIALIZED VIEW m AS SELECT name, count(*) AS c FROM t GROUP BY name;
CREATE INDEX ON pair (a);
"""
PREPARED = {
    "whole": "SELECT * FROM t WHERE id = $1",
    "two": "SELECT name, id FROM t WHERE id = $1",
    "pair": "SELECT v FROM pair WHERE b = $2 AND a = $1",
    "view": "SELECT c, name FROM m WHERE name = $1",
    "several": "SELECT b, v FROM pair WHERE a = $1",
    "other": "SELECT count(*) FROM t WHERE id > $1",
    "none": "SELECT upper($1)",
}
VALUES = st.sampled_from(
    [b"1", b"2", b"7", b"8", b" 1", b"-1", b"x", b"", b"9223372036854775808", "ünï".encode(), None]
)


@pytest.fixture(scope="module")
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        made.execute(SETUP)
        yield made


def clients(db: Any) -> tuple[Wire, Wire]:
    """One whose look-ups are hastened, and one whose are not; both have prepared the same."""
    both = Wire(TestHost(db)), Wire(TestHost(db), hastens=False)
    for client in both:
        client.start()
        for name, text in PREPARED.items():
            assert client.kinds(parse(text, name), SYNC) == "1Z"
    return both


MESSAGES = st.one_of(
    st.builds(
        bind,
        st.lists(VALUES, min_size=0, max_size=3),
        portal=st.sampled_from(["", "", "", "p"]),
        statement=st.sampled_from([*PREPARED, "", "absent"]),
        formats=st.sampled_from([(), (0,), (1,), (0, 0)]),
        results=st.sampled_from([(), (0,), (1,), (0, 1), (0, 0, 0, 0, 0)]),
    ),
    st.sampled_from([describe("P"), describe("P", "p"), describe("S", "two"), FLUSH, SYNC, close("P", "p")]),
    st.builds(execute, st.sampled_from(["", "p"]), st.sampled_from([0, 0, 1])),
)
USUAL = st.builds(
    lambda name, given, results, told, most: [
        bind(given[: 2 if name == "pair" else 1], statement=name, results=results),
        *([describe("P")] if told else []),
        execute("", most),
        SYNC,
    ],
    st.sampled_from(list(PREPARED)),
    st.lists(VALUES, min_size=2, max_size=2),
    st.sampled_from([(), (0,), (1,), (0, 1)]),
    st.booleans(),
    st.sampled_from([0, 0, 0, 1]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(USUAL | st.lists(MESSAGES, max_size=6).map(lambda sent: [*sent, SYNC]), min_size=1, max_size=6))
def test_both_ways_answer_alike(db: sqlengine.Database, batches: list[list[bytes]]) -> None:
    hastened, other = clients(db)
    for batch in batches:
        data = b"".join(batch)
        assert hastened.raw(data) == other.raw(data)
        assert hastened.talk.activity().state == other.talk.activity().state == "idle"
        assert hastened.talk.activity().query == other.talk.activity().query
    assert other.at_once == 0


def look_up(client: Wire, key: bytes = b"1", name: str = "two") -> bytes:
    return client.raw(bind([key], statement=name) + describe("P") + execute() + SYNC)


def test_a_look_up_is_answered_at_once(db: sqlengine.Database) -> None:
    hastened, other = clients(db)
    assert look_up(hastened) == look_up(other) and hastened.at_once == 1
    assert hastened.raw(bind([b"7"], statement="whole") + execute() + SYNC) and hastened.at_once == 2


def test_in_a_transaction_or_in_pieces_it_is_not(db: sqlengine.Database) -> None:
    hastened, other = clients(db)
    for client in (hastened, other):
        client.send(query("BEGIN"))
    assert look_up(hastened) == look_up(other) and hastened.at_once == 0
    for client in (hastened, other):
        client.send(query("COMMIT"))
    data = bind([b"1"], statement="two") + execute() + SYNC
    assert hastened.raw(data[:9]) == b"" and hastened.raw(data[9:]) == other.raw(data)
    assert hastened.raw(data + data) == other.raw(data + data) and hastened.at_once == 0


def test_settings_and_other_tables_are_heeded(db: sqlengine.Database) -> None:
    hastened, other = clients(db)
    for statement in ("SET DateStyle = 'SQL, DMY'", "SET client_encoding = 'LATIN1'", "SET statement_timeout = '1min'"):
        for client in (hastened, other):
            client.send(query(statement))
        before = hastened.at_once
        assert look_up(hastened, b"7", "whole") == look_up(other, b"7", "whole")
        assert hastened.at_once == before + 1
    db.execute("ALTER TABLE pair ADD COLUMN later INT")
    assert look_up(hastened, b"7", "whole") == look_up(other, b"7", "whole")


def test_while_another_works_it_waits_its_turn(db: sqlengine.Database) -> None:
    hastened, _ = clients(db)
    holds, may_end = threading.Event(), threading.Event()

    def work() -> None:
        with hastened.talk.session.context.instance.lock:
            holds.set()
            may_end.wait(30)

    thread = threading.Thread(target=work)
    thread.start()
    assert holds.wait(30)
    assert hastened.talk.at_once(bind([b"1"], statement="two") + execute() + SYNC) is None
    may_end.set()
    thread.join()
    assert b"one" in look_up(hastened)


def test_who_may_not_read_is_told_so(db: sqlengine.Database) -> None:
    hastened, _ = clients(db)
    db.execute("CREATE ROLE stranger")
    hastened.send(query("SET ROLE stranger"))
    answers = hastened.send(bind([b"1"], statement="two"), describe("P"), execute(), SYNC)
    assert [fields(told)["C"] for kind, told in answers if kind == "E"] == ["42501"]
