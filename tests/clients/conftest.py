"""One server for the clients of a worker, with one of everything in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.process import Served, served
from tests.wire.captured import SETUP


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    psycopg = pytest.importorskip("psycopg")
    with served() as made:
        with psycopg.connect(made.dsn, autocommit=True) as connection:
            for text in SETUP:
                connection.execute(text)
        yield made
