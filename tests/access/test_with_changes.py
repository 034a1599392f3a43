"""What WITH and statements that change rows need of a role: all that any part of them reads and writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sqlengine
from sqlengine.session import Session
from tests.access.sessions import session_of, unauthorized

DENIED = "permission denied for table secret"
MADE = """
CREATE TABLE mine (a BIGINT PRIMARY KEY, b BIGINT);
CREATE TABLE secret (a BIGINT PRIMARY KEY, b BIGINT);
CREATE ROLE r LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON mine TO r
"""


@pytest.fixture
def role() -> Iterator[Session]:
    with sqlengine.connect() as db:
        db.execute(MADE)
        yield session_of(db, "r")


ITEM = "WITH s AS (SELECT a FROM {}) "
READING = [
    ITEM + "INSERT INTO mine SELECT a, 1 FROM s",
    ITEM + "INSERT INTO mine VALUES (1, 1) RETURNING (SELECT max(a) FROM s)",
    ITEM + "UPDATE mine SET b = 1 FROM s WHERE mine.a = s.a",
    ITEM + "DELETE FROM mine WHERE a IN (TABLE s)",
    ITEM + "MERGE INTO mine USING s ON mine.a = s.a WHEN MATCHED THEN DELETE",
    "WITH s AS (SELECT a FROM {}), d AS (DELETE FROM mine USING s WHERE mine.a = s.a RETURNING mine.a) TABLE d",
    "WITH d AS (DELETE FROM mine RETURNING a), s AS (SELECT a FROM {}) SELECT * FROM d JOIN s USING (a)",
    "WITH d AS (DELETE FROM {} RETURNING a) SELECT * FROM d",
    "WITH i AS (INSERT INTO {} VALUES (1, 1)) SELECT 1",
    "WITH u AS (UPDATE {} SET b = 1) INSERT INTO mine VALUES (1, 1)",
    "EXPLAIN WITH s AS (SELECT a FROM {}) INSERT INTO mine SELECT a, 1 FROM s",
]


@pytest.mark.parametrize("text", READING)
def test_every_part_is_asked_for(role: Session, text: str) -> None:
    assert unauthorized(role, text.format("mine")) is None
    assert unauthorized(role, text.format("secret")) == DENIED


def test_an_item_is_not_the_table_of_its_name(role: Session) -> None:
    assert (
        unauthorized(role, "WITH secret AS (SELECT 1 AS a) DELETE FROM mine USING secret WHERE mine.a = secret.a")
        is None
    )
    assert unauthorized(role, "WITH secret AS (DELETE FROM mine RETURNING a) SELECT * FROM secret") is None
    assert unauthorized(role, "WITH secret AS (SELECT 1 AS a) DELETE FROM secret") == DENIED
