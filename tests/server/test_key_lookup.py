"""Prepared look-ups by key answer as the query does, whatever has happened to the rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine.statements.key_lookup import key_lookup
from tests.server.wire import SYNC, TestHost, Wire, bind, describe, execute, fields, parse, query, values


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        made.execute(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, n NUMERIC(10, 2));"
            "CREATE TABLE pair (a TEXT, b INT, v TEXT, PRIMARY KEY (a, b));"
            "CREATE MATERIALIZED VIEW m AS SELECT name, count(*) AS c, sum(n) AS s FROM t GROUP BY name"
        )
        yield made


def look_up(client: Wire, text: str, *given: str | None) -> list[list[bytes | None]]:
    answers = client.send(
        parse(text), bind([None if v is None else v.encode() for v in given]), describe("P"), execute(), SYNC
    )
    assert [fields(c) for k, c in answers if k == "E"] == []
    return [values(c) for k, c in answers if k == "D"]


def is_look_up(db: Any, text: str) -> bool:
    session = db.session()
    return session.key_lookup(session.parse(text)[0]) is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT name FROM t WHERE id = $1", True),
        ("SELECT x.*, x.id AS again FROM t AS x WHERE $1 = x.id", True),
        ("SELECT v FROM pair WHERE b = $2 AND a = $1", True),
        ("SELECT c, s FROM m WHERE name = $1", True),
        ("SELECT v FROM pair WHERE a = $1", False),
        ("SELECT name FROM t WHERE id > $1", False),
        ("SELECT name || 'x' FROM t WHERE id = $1", False),
        ("SELECT name FROM t WHERE id = $1 LIMIT 1", False),
        ("SELECT count(*) FROM t WHERE id = $1", False),
        ("SELECT DISTINCT name FROM t WHERE id = $1", False),
        ("SELECT name FROM t WHERE id = ANY($1)", False),
        ("SELECT name FROM t WHERE id = $1 OR id = $2", False),
        ("SELECT name FROM t WHERE id = $1 AND id = $2", False),
        ("SELECT id FROM t WHERE name = $1", False),
        ("SELECT name FROM t WHERE id = 1", False),
        ("SELECT nope FROM t WHERE id = $1", False),
        ("SELECT a.name FROM t AS a, t AS b WHERE a.id = $1", False),
    ],
)
def test_what_is_a_look_up(db: sqlengine.Database, text: str, expected: bool) -> None:
    assert is_look_up(db, text) is expected and key_lookup is not None


def test_look_ups_see_what_was_written_before_them(db: sqlengine.Database) -> None:
    rng, client = random.Random(7), Wire(TestHost(db))
    client.start()
    for _ in range(60):
        key = rng.randrange(8)
        change = rng.choice(
            [
                f"INSERT INTO t VALUES ({key}, 'n{key % 3}', {key}.5) "
                "ON CONFLICT (id) DO UPDATE SET n = excluded.n + 1",
                f"DELETE FROM t WHERE id = {key}",
                f"UPDATE t SET name = 'n{rng.randrange(3)}' WHERE id = {key}",
            ]
        )
        db.execute(change)
        for text, given in (
            ("SELECT id, name, n FROM t WHERE id = $1", str(key)),
            ("SELECT c, s, name FROM m WHERE name = $1", f"n{key % 3}"),
        ):
            literal = given if given.isdigit() else f"'{given}'"
            answers = client.send(query(text.replace("$1", literal)))
            assert look_up(client, text, given) == [values(c) for k, c in answers if k == "D"]


def test_look_ups_by_an_index(db: sqlengine.Database) -> None:
    texts = ("SELECT id FROM t WHERE name = $1", "SELECT name, s FROM m WHERE c = $1")
    assert [is_look_up(db, text) for text in texts] == [False, False]
    db.execute("CREATE INDEX ON t (name)")
    db.execute("CREATE INDEX ON m (c)")
    assert [is_look_up(db, text) for text in texts] == [True, True]
    rng, client = random.Random(3), Wire(TestHost(db))
    client.start()
    for _ in range(60):
        key = rng.randrange(12)
        db.execute(
            rng.choice(
                [
                    f"INSERT INTO t VALUES ({key}, 'n{key % 3}', {key}.5) "
                    "ON CONFLICT (id) DO UPDATE SET n = excluded.n + 1",
                    f"DELETE FROM t WHERE id = {key}",
                    f"UPDATE t SET name = {rng.choice(['NULL', repr('n1')])} WHERE id = {key}",
                ]
            )
        )
        for text, given in zip(texts, (f"n{key % 3}", str(key % 3 + 1)), strict=True):
            literal = given if given.isdigit() else f"'{given}'"
            answers = client.send(query(text.replace("$1", literal)))
            expected = [values(c) for k, c in answers if k == "D"]
            assert sorted(look_up(client, text, given), key=repr) == sorted(expected, key=repr)
        assert look_up(client, texts[0], None) == []
    db.execute("DROP INDEX t_name_idx")
    assert [is_look_up(db, text) for text in texts] == [False, True]


def test_a_unique_constraint_is_an_index(db: sqlengine.Database) -> None:
    db.execute("CREATE TABLE u (a INT, b TEXT, c TEXT, UNIQUE (b, a))")
    assert is_look_up(db, "SELECT c FROM u WHERE a = $1 AND b = $2")
    client = Wire(TestHost(db))
    client.start()
    db.execute("INSERT INTO u VALUES (1, 'x', 'first'), (1, 'y', 'second'), (NULL, 'x', 'third')")
    assert look_up(client, "SELECT c FROM u WHERE a = $1 AND b = $2", "1", "y") == [[b"second"]]


def test_null_and_text_that_is_no_number(db: sqlengine.Database) -> None:
    client = Wire(TestHost(db))
    client.start()
    db.execute("INSERT INTO t VALUES (1, 'a', 1)")
    assert look_up(client, "SELECT name FROM t WHERE id = $1", None) == []
    answers = client.send(parse("SELECT name FROM t WHERE id = $1"), bind([b"x"]), execute(), SYNC)
    assert [fields(c)["C"] for k, c in answers if k == "E"] == ["22P02"]
    assert look_up(client, "SELECT name FROM t WHERE id = $1", " 1 ") == [[b"a"]]


def test_a_transaction_sees_its_own_rows(db: sqlengine.Database) -> None:
    client = Wire(TestHost(db))
    client.start()
    client.send(query("BEGIN; INSERT INTO t VALUES (5, 'mine', 1)"))
    assert look_up(client, "SELECT name FROM t WHERE id = $1", "5") == [[b"mine"]]
    client.send(query("ROLLBACK"))
    assert look_up(client, "SELECT name FROM t WHERE id = $1", "5") == []


def test_a_look_up_prepared_before_its_table_was_made_anew(db: sqlengine.Database) -> None:
    client = Wire(TestHost(db))
    client.start()
    client.send(parse("SELECT * FROM t WHERE id = $1", "s"), SYNC)
    db.execute("DROP MATERIALIZED VIEW m; DROP TABLE t; CREATE TABLE t (id BIGINT PRIMARY KEY, other TEXT)")
    db.execute("INSERT INTO t VALUES (1, 'new')")
    answers = client.send(bind([b"1"], statement="s"), execute(), SYNC)
    assert [values(c) for k, c in answers if k == "D"] == [[b"1", b"new"]]


def test_privileges_are_asked_for(db: sqlengine.Database) -> None:
    db.execute("CREATE ROLE guest")
    client = Wire(TestHost(db))
    client.start()
    client.send(parse("SELECT name FROM t WHERE id = $1", "s"), query("SET ROLE guest"))
    answers = client.send(bind([b"1"], statement="s"), execute(), SYNC)
    assert [fields(c)["C"] for k, c in answers if k == "E"] == ["42501"]
