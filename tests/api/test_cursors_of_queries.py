"""DECLARE ... CURSOR FOR a query or SUBSCRIBE, FETCH, CLOSE."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sqlengine


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        made.execute(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')"
        )
        yield made


def test_rows_are_those_of_the_moment_and_come_in_pieces(db: sqlengine.Database) -> None:
    db.execute("BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT id FROM t ORDER BY id")
    db.session().execute("INSERT INTO t VALUES (4, 'd')")
    assert db.execute("FETCH FORWARD 2 FROM c").fetchall() == [(1,), (2,)]
    result = db.execute("FETCH c")
    assert (result.tag, result.fetchall()) == ("FETCH 1", [(3,)])
    assert db.execute("FETCH FORWARD ALL FROM c").fetchall() == []
    db.execute("COMMIT")
    with pytest.raises(sqlengine.Error) as caught:
        db.execute("FETCH c")
    assert caught.value.sqlstate == "34000"


def test_a_cursor_with_hold_outlives_its_transaction(db: sqlengine.Database) -> None:
    db.execute("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id; COMMIT")
    assert db.execute("FETCH ALL FROM c").fetchall() == [(1,), (2,), (3,)]
    assert db.execute("SHOW CURSORS").fetchall() == [("c", None, False)]
    db.execute("CLOSE c")
    assert db.execute("SHOW CURSORS").fetchall() == []


@pytest.mark.parametrize("what", ["SUBSCRIBE t", "SELECT * FROM t EMIT CHANGES"])
def test_what_is_followed_is_fetched_as_it_comes(db: sqlengine.Database, what: str) -> None:
    db.execute(f"DECLARE c CURSOR FOR {what}")
    first = db.execute("FETCH 2 FROM c WITH (timeout = '10 s')").to_arrow().select(["op", "id"]).to_pylist()
    first += db.execute("FETCH ALL FROM c").to_arrow().select(["op", "id"]).to_pylist()
    assert first == [{"op": "insert", "id": i} for i in (1, 2, 3)]
    assert db.execute("FETCH ALL FROM c WITH (timeout = '50 ms')").fetchall() == []
    db.session().execute("UPDATE t SET v = 'z' WHERE id = 2")
    found = db.execute("FETCH ALL FROM c WITH (timeout = '10 s')").to_arrow().select(["op", "v"]).to_pylist()
    assert found == [{"op": "update_before", "v": "b"}, {"op": "update_after", "v": "z"}]
    db.execute("CLOSE ALL")
    assert db.execute("SELECT count(*) FROM system.queries").fetchone() == (0,)


def test_sessions_that_end_follow_no_longer(db: sqlengine.Database) -> None:
    session = db.session()
    session.execute("DECLARE c CURSOR FOR SUBSCRIBE t")
    session.close()
    assert db.execute("SELECT count(*) FROM system.queries").fetchone() == (0,)


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("DECLARE c CURSOR FOR DELETE FROM t", "42601"),
        ("DECLARE c CURSOR FOR SELECT nope FROM t", "42703"),
        ("DECLARE taken CURSOR FOR SELECT 1", "42P03"),
        ("FETCH 1 FROM nope", "34000"),
        ("FETCH 1 FROM taken WITH (patience = '1 s')", "22023"),
        ("DECLARE c CURSOR FOR", "42601"),
    ],
)
def test_what_is_wrong(db: sqlengine.Database, statement: str, sqlstate: str) -> None:
    db.execute("DECLARE taken CURSOR FOR SELECT 1")
    with pytest.raises(sqlengine.Error) as caught:
        db.execute(statement)
    assert caught.value.sqlstate == sqlstate


def test_who_may_not_read_may_not_declare(db: sqlengine.Database) -> None:
    db.execute("CREATE ROLE guest")
    session = db.session()
    session.execute("SET ROLE guest")
    with pytest.raises(sqlengine.Error) as caught:
        session.execute("DECLARE c CURSOR FOR SELECT id FROM t")
    assert caught.value.sqlstate == "42501"
