"""Every statement that a client was seen to send is answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sqlengine
from tests.wire.captured import CLIENTS, SETUP, Captured, statements


@pytest.fixture(scope="module")
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as opened:
        for text in SETUP:
            opened.execute(text)
        yield opened


NOT_HERE: tuple[str, ...] = (
    # of the wire, not of the catalog
    "SAVEPOINT",
    "RELEASE",
    "DECLARE",
    "FETCH",
    "CLOSE",
    "LOCK TABLE",
    "SELECT pg_advisory_unlock_all();\nCLOSE ALL",
    # types there are none of
    "select '[1,2)'::int4range",
    # rows as values
    "select customers from customers",
    "select array_agg(c) from customers c",
    "PREPARE getColumnACLs",
    "EXECUTE getColumnACLs",
)
"""How statements begin that belong to other parts of the server, or to what is not supported."""


@pytest.mark.parametrize("client", CLIENTS)
def test_every_statement_of_a_client_is_answered(db: sqlengine.Database, client: str) -> None:
    db.execute("ROLLBACK")
    db.execute("DISCARD ALL")
    failed = [f"{error}\n{one.text}" for one in statements(client) if (error := _error(db, one)) is not None]
    assert not failed, f"{len(failed)} statements of {client} fail:\n" + "\n\n".join(failed)


def _error(db: sqlengine.Database, one: Captured) -> str | None:
    if one.text.startswith(NOT_HERE):
        return None
    try:
        result = db.execute(one.text, one.parameters or None)
        if result.columns:
            result.to_arrow()
    except sqlengine.Error as error:
        return f"{error.sqlstate} {error}"
    return None
