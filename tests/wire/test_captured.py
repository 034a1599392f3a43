"""Every statement that a client was seen to send is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.catalog.pg.types import BY_OID, type_of
from tests.wire.captured import CLIENTS, GOLDEN, SETUP, Captured, statements


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


OTHER_TYPES = (
    "select customers from customers",  # rows are structs here
    "select array_agg(c) from customers c",
    "select row(1,'a')",
    "select round(extract(epoch from",  # double precision here
)
"""How statements begin whose answers have other types here."""


@pytest.mark.parametrize("client", CLIENTS)
def test_every_statement_of_a_client_is_answered(db: sqlengine.Database, client: str) -> None:
    """None fails, and each answer has the columns that PostgreSQL's has, of the same types (record.py)."""
    db.execute("ROLLBACK")
    db.execute("DISCARD ALL")
    golden = json.loads((GOLDEN / f"{client}.json").read_text(encoding="utf-8"))
    sent = statements(client)
    assert len(golden) == len(sent), "the golden file is of other statements: record it again"
    failed = [
        f"{why}\n{one.text}" for one, wanted in zip(sent, golden, strict=True) if (why := _wrong(db, one, wanted))
    ]
    assert not failed, f"{len(failed)} statements of {client} fail:\n" + "\n\n".join(failed)


def _wrong(db: sqlengine.Database, one: Captured, wanted: list[list[str]] | Literal[False] | None) -> str | None:
    if one.text.startswith(NOT_HERE) or wanted is False:
        return None
    try:
        result = db.execute(one.text, one.parameters or None)
        found = [[f.name, _type(f)] for f in result.to_arrow().schema] if result.columns else None
    except sqlengine.Error as error:
        return f"{error.sqlstate} {error}"
    if wanted is None or found is None or one.text.startswith(OTHER_TYPES):
        return None
    return None if found == wanted else f"columns {_first_difference(found, wanted)}"


def _type(field: pa.Field) -> str:
    """A column's type by its name in pg_type, as the metadata says or as the Arrow type stands for."""
    told = (field.metadata or {}).get(b"pg_type")
    if told is None:
        return BY_OID[type_of(field.type)[0]].name
    name = told.decode()
    return f"_{name[:-2]}" if name.endswith("[]") else name


def _first_difference(found: list[list[str]], wanted: list[list[str]]) -> str:
    if len(found) != len(wanted):
        return f"{len(found)} instead of {len(wanted)}: {found} instead of {wanted}"
    return next(f"{mine} instead of {theirs}" for mine, theirs in zip(found, wanted, strict=True) if mine != theirs)
