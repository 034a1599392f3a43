"""DateStyle, IntervalStyle, extra_float_digits, bytea_output and TIME ZONE: values as PostgreSQL 15 writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine.server.pg.server import PgOptions, PgServer
from tests.server.style_cases import answer, cases, recorded

psycopg = pytest.importorskip("psycopg")


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0)) as server:
        dsn = f"host=127.0.0.1 port={server.port} user=me dbname=db"
        with psycopg.connect(dsn, autocommit=True) as made:
            made.prepare_threshold = None
            yield made


def test_the_file_is_of_these_cases() -> None:
    assert [case[:2] for case in recorded()] == cases()


def test_values_are_written_as_postgresql_writes_them(connection: Any) -> None:
    found = [(*case[:2], answer(connection, *case[:2])) for case in recorded()]
    wrong = [(*ours, theirs[2]) for ours, theirs in zip(found, recorded(), strict=True) if ours != theirs]
    assert wrong == []
