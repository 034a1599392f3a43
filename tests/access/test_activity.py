"""What sessions see of one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sqlengine
from sqlengine import sql
from sqlengine.catalog.pg.facts import Activity
from tests.access.sessions import refusal, session_of

SESSIONS = [
    Activity(pid=1, user="sqlengine", database="sqlengine", query="ALTER ROLE ann PASSWORD 'hunter2'"),
    Activity(pid=2, user="ann", database="sqlengine", query="SELECT 'mine'", client_addr="10.0.0.1"),
    Activity(pid=3, user="ben", database="sqlengine", query="SELECT 'his'"),
    Activity(pid=4, user="gone", database="sqlengine", query="SELECT 'nobody''s'"),
]


def database() -> sqlengine.Database:
    db = sqlengine.connect()
    db.execute("CREATE USER ann; CREATE USER ben; CREATE USER carl; GRANT pg_signal_backend TO carl")
    return db


def test_statements_of_others_are_hidden() -> None:
    with database() as db:
        seen = {}
        for role in ("ann", "sqlengine"):
            session = session_of(db, role)
            session.context.backend.activity = lambda: SESSIONS
            rows = session.execute("SELECT pid, query, client_addr FROM pg_stat_activity ORDER BY pid").fetchall()
            seen[role] = [(row[0], row[1]) for row in rows]
        hidden = "<insufficient privilege>"
        assert seen["ann"] == [(1, hidden), (2, "SELECT 'mine'"), (3, hidden), (4, hidden)]
        assert seen["sqlengine"][0] == (1, "ALTER ROLE ann PASSWORD '***'")
        assert seen["sqlengine"][2] == (3, "SELECT 'his'")
        db.execute("GRANT ben TO ann")
        session = session_of(db, "ann")
        session.context.backend.activity = lambda: SESSIONS
        assert session.execute("SELECT query FROM pg_stat_activity WHERE pid = 3").fetchall() == [("SELECT 'his'",)]


@pytest.mark.parametrize(
    ("role", "pid", "allowed"),
    [
        ("ann", 2, True),
        ("ann", 3, False),
        ("ann", 1, False),
        ("carl", 3, True),
        ("carl", 1, False),
        ("sqlengine", 1, True),
        ("sqlengine", 3, True),
    ],
)
def test_who_may_end_whose_session(role: str, pid: int, allowed: bool) -> None:
    with database() as db:
        session, ended = session_of(db, role), list[int]()
        session.context.backend.activity = lambda: SESSIONS
        session.context.backend.terminate = lambda number: ended.append(number) or True  # type: ignore[func-returns-value]
        assert (refusal(session, f"SELECT pg_terminate_backend({pid})") is None) == allowed
        assert ended == ([pid] if allowed else [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT 1", "SELECT 1"),
        ("CREATE USER a PASSWORD 'x' LOGIN", "CREATE USER a PASSWORD '***' LOGIN"),
        ("create user a password /* c */ E'x\\'y'; alter user b password 'z'", None),
        ("CREATE USER a PASSWORD $$x$$", "CREATE USER a PASSWORD '***'"),
        ("CREATE USER a PASSWORD 'hunter2", "CREATE USER a PASSWORD ..."),
        ("SELECT \"password\" FROM t WHERE x = 'y'", "SELECT \"password\" FROM t WHERE x = 'y'"),
    ],
)
def test_passwords_in_texts(text: str, shown: str | None) -> None:
    expected = "create user a password /* c */ '***'; alter user b password '***'" if shown is None else shown
    assert sql.without_passwords(text) == expected


@given(st.text(alphabet="abc'\\$; -/*é", max_size=20))
def test_no_password_is_left_in_a_text(password: str) -> None:
    quoted = password.replace("'", "''")
    text = f"CREATE ROLE r PASSWORD '{quoted}<secret>' LOGIN"
    assert "<secret>" not in sql.without_passwords(text)
    assert "<secret>" not in sql.without_passwords(text + " '")
