"""Values as PostgreSQL sends them, both ways; the bytes were recorded from a real one (record_values.py)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.server.wire import SYNC, Wire, bind, execute, fields, parse, query, values, wire

RECORDED = [ast.literal_eval(line) for line in Path(__file__).with_name("postgres_values.txt").read_text().splitlines()]
MATRIX = ("int4[]", "{{1,2},{3,4}}")
"""Here a matrix is int4[][], which a cast that says one dimension does not take."""


@pytest.fixture(scope="module")
def client():
    with wire() as made:
        yield made


def ask(client: Wire, kind: str, value: bytes, given: int, wanted: int) -> bytes | None:
    """A value sent as a parameter of a type in one format, and asked for in another."""
    answers = client.send(
        parse(f"SELECT $1::{kind}"), bind([value], formats=[given], results=[wanted]), execute(), SYNC
    )
    assert [k for k, _ in answers if k == "E"] == [], [fields(c) for k, c in answers if k == "E"]
    return next(values(c)[0] for k, c in answers if k == "D")


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: f"{r[0]} {r[1]}")
def test_a_value_goes_both_ways_as_postgresql_sends_it(client: Wire, recorded: tuple) -> None:
    kind, _, text, raw, _, _ = recorded
    binary = bytes.fromhex(raw)
    cast = f"{kind}[]" if recorded[:2] == MATRIX else kind
    for given, value in ((0, text.encode()), (1, binary)):
        assert ask(client, cast, value, given, 0) == text.encode()
        assert ask(client, cast, value, given, 1) == binary


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: f"{r[0]} {r[1]}")
def test_a_column_is_told_as_postgresql_tells_it(client: Wire, recorded: tuple) -> None:
    kind, literal, _, _, oid, modifier = recorded
    quoted = literal.replace("'", "''")
    answers = client.send(query(f"SELECT CAST('{quoted}' AS {kind}) AS x"))
    told = next(c for k, c in answers if k == "T")
    at = told.index(b"\0", 2) + 1 + 6
    assert int.from_bytes(told[at : at + 4], "big") == oid
    if not kind.endswith("[]"):
        assert int.from_bytes(told[at + 6 : at + 10], "big", signed=True) == modifier
