"""Wrong statements: SQLSTATE and message of the error as PostgreSQL 15 has them (postgres_errors.txt).

errors_that_differ.txt has those that are not the same, under headings that say why; one that has become the same is to
be taken out of it.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.server.pg.server import PgOptions, PgServer
from tests.server.error_cases import SETUP, answer, cases, recorded

psycopg = pytest.importorskip("psycopg")
DIFFER = Path(__file__).with_name("errors_that_differ.txt")


def _differing() -> dict[str, tuple[str, str]]:
    lines = DIFFER.read_text(encoding="utf-8").splitlines()
    found = [literal_eval(line) for line in lines if not line.startswith("#")]
    return {statements: (sqlstate, said) for statements, sqlstate, said in found}


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0)) as server:
        db.execute(SETUP)
        dsn = f"host=127.0.0.1 port={server.port} user=me dbname=db"
        with psycopg.connect(dsn, autocommit=True) as made:
            yield made


def test_the_files_are_of_these_cases() -> None:
    assert [statements for statements, *_ in recorded()] == cases()
    assert set(_differing()) <= set(cases())


def test_errors_are_postgresqls(connection: Any) -> None:
    differing = _differing()
    wrong = []
    for statements, *theirs in recorded():
        found = answer(connection, statements)
        connection.execute("DROP TABLE IF EXISTS fresh")
        if found != differing.get(statements, tuple(theirs)):
            wrong.append((statements, found, differing.get(statements, tuple(theirs))))
        assert differing.get(statements) != tuple(theirs), f"{statements} is the same as in PostgreSQL by now"
    assert wrong == []
