"""COPY's options and headers, as PostgreSQL 15 has them (postgres_copy.txt)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine.server.pg.server import PgOptions, PgServer
from tests.server.copy_cases import TABLE, answer, cases, recorded

psycopg = pytest.importorskip("psycopg")


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0)) as server:
        db.execute(TABLE)
        dsn = f"host=127.0.0.1 port={server.port} user=me dbname=db"
        with psycopg.connect(dsn, autocommit=True) as made:
            yield made


def test_the_file_is_of_these_cases() -> None:
    assert [(statement, data) for statement, data, _, _ in recorded()] == cases()


@pytest.mark.parametrize(("statement", "data", "sqlstate", "said"), recorded())
def test_it_is_as_in_postgresql(connection: Any, statement: str, data: str, sqlstate: str, said: str) -> None:
    connection.execute("DELETE FROM copied")
    assert answer(connection, statement, data) == (sqlstate, said)
