"""What tests of the server with psycopg begin with; each module has a `server` of its own, with a table `t`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.process import Served


@pytest.fixture
def connection(server: Served) -> Iterator[Any]:
    """A session that finds the table empty."""
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(server.dsn, autocommit=True) as made:
        made.execute("DELETE FROM t")
        yield made
