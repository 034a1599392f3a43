"""Moments are read and shown in the session's time zone, as PostgreSQL 15 does (postgres_zones.txt); what a view makes
of them does not depend on who reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine.server.pg.server import PgOptions, PgServer
from tests.server.zone_cases import SETUP, answers, recorded

psycopg = pytest.importorskip("psycopg")


@pytest.fixture
def connection() -> Iterator[Any]:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0)) as server:
        dsn = f"host=127.0.0.1 port={server.port} user=me dbname=db"
        with psycopg.connect(dsn, autocommit=True) as made:
            yield made


def test_moments_are_postgresqls_in_every_zone(connection: Any) -> None:
    wrong = [(found, wanted) for found, wanted in zip(answers(connection), recorded(), strict=True) if found != wanted]
    assert wrong == [], wrong


def test_a_view_keeps_the_moments_it_was_made_with() -> None:
    seen = "SELECT is_late, at, other, day FROM late"
    with sqlengine.connect() as db:
        db.execute(SETUP)
        db.execute("SET timezone = 'America/New_York'")
        db.execute("INSERT INTO moments (id, ts) VALUES (1, '2024-07-01 22:30')")
        db.execute(
            "CREATE MATERIALIZED VIEW late AS SELECT ts > '2024-07-01 22:00' AS is_late, "
            "TIMESTAMP WITH TIME ZONE '2024-07-01' AS at, timestamptz '2024-07-01 12:00+02' AS other, "
            "date_trunc('day', ts) AS day FROM moments WHERE ts <> TIMESTAMPTZ '2024-01-01'"
        )
        first = db.execute(seen).fetchall()
        assert [str(value) for value in first[0]] == [
            "True",
            "2024-07-01 04:00:00+00:00",
            "2024-07-01 10:00:00+00:00",
            "2024-07-02 00:00:00+00:00",
        ]
        db.execute("SET timezone = '+05:30'")
        db.execute("INSERT INTO moments (id, ts) VALUES (2, '2024-07-02 08:00')")
        assert db.execute(seen).fetchall() == first * 2
        assert db.execute("SELECT ts::text FROM moments WHERE id = 1").fetchall() == [("2024-07-02 08:00:00+05:30",)]
