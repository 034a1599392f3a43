"""Parameters stand anywhere a value may: in queries, SET lists, conditions and ON CONFLICT."""

from __future__ import annotations

import pytest

import sqlengine


@pytest.fixture
def db():
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)")
        db.execute("INSERT INTO t VALUES (?, ?), (?, ?)", (1, "x", 2, "y"))
        yield db


def rows(db):
    return db.execute("SELECT * FROM t ORDER BY a").fetchall()


def test_update_takes_parameters_in_set_and_where(db):
    db.execute("UPDATE t SET b = ? WHERE a = ?", ("it's", 1))
    assert rows(db) == [(1, "it's"), (2, "y")]


def test_delete_takes_named_parameters(db):
    db.execute("DELETE FROM t WHERE a = :key", {"key": 2})
    assert rows(db) == [(1, "x")]


def test_on_conflict_takes_parameters(db):
    text = "INSERT INTO t VALUES (:k, :v) ON CONFLICT (a) DO UPDATE SET b = :v || t.b"
    db.execute(text, {"k": 1, "v": "new"})
    assert rows(db) == [(1, "newx"), (2, "y")]


def test_returning_takes_parameters(db):
    assert db.execute("DELETE FROM t WHERE a = $1 RETURNING b || $2", (1, "!")).fetchall() == [("x!",)]


@pytest.mark.parametrize(
    ("text", "params"), [("DELETE FROM t WHERE a = ?", (1, 2)), ("DELETE FROM t WHERE a = $2", (1,))]
)
def test_too_many_or_too_few_values_change_nothing(db, text, params):
    with pytest.raises(sqlengine.ProgrammingError) as caught:
        db.execute(text, params)
    assert caught.value.sqlstate == "07001"
    assert rows(db) == [(1, "x"), (2, "y")]


def test_returning_answers_the_rows_as_they_are_after_the_change(db):
    got = db.execute("UPDATE t AS u SET b = upper(b) WHERE a < 9 RETURNING u.a, b || '!' AS loud")
    assert (got.columns, sorted(got.fetchall()), got.tag) == (["a", "loud"], [(1, "X!"), (2, "Y!")], "UPDATE 2")
    text = "INSERT INTO t VALUES (2, 'new'), (3, 'z') ON CONFLICT (a) DO UPDATE SET b = t.b || excluded.b RETURNING *"
    assert sorted(db.execute(text).fetchall()) == [(2, "Ynew"), (3, "z")]
    text = "INSERT INTO t VALUES (3, 'no'), (4, 'w') ON CONFLICT DO NOTHING RETURNING a"
    assert db.execute(text).fetchall() == [(4,)]


def test_delete_using_removes_each_matching_row_once(db):
    db.execute("CREATE TABLE gone (a INT, why TEXT)")
    db.execute("INSERT INTO gone VALUES (1, 'p'), (1, 'q'), (7, 'r')")
    assert db.execute("DELETE FROM t USING gone AS g WHERE t.a = g.a RETURNING t.a").fetchall() == [(1,)]
    assert rows(db) == [(2, "y")]


def test_update_from_changes_a_row_that_matches_twice_once(db):
    db.execute("CREATE TABLE news (a INT, b TEXT)")
    db.execute("INSERT INTO news VALUES (1, 'p'), (1, 'q')")
    assert db.execute("UPDATE t SET b = n.b FROM news n WHERE t.a = n.a").tag == "UPDATE 1"
    assert rows(db)[0][1] in ("p", "q") and rows(db)[1] == (2, "y")
