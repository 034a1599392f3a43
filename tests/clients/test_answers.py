"""ADBC, DuckDB, Ibis and JDBC are answered what PostgreSQL 15 answers them (record.py)."""

from __future__ import annotations

import json

import pytest

from tests.clients.asked import answers
from tests.clients.record import CLIENTS, GOLDEN
from tests.server.process import Served

PLAIN = "numeric without a scale is numeric(38,9) here"
SCALED = "a sum of numeric(10,2) keeps the scale: numeric(38,2)"
OTHERWISE = {
    "adbc": dict.fromkeys(
        (f"rows read back: {mode}" for mode in ("create", "append", "replace", "create_append")), PLAIN
    ),
    "duckdb": dict.fromkeys(("a materialized view", "what there is", "a query"), SCALED),
    "ibis": {
        **dict.fromkeys(("schema of totals", "written out", "a view"), SCALED),
    },
    "jdbc": {"columns of a result": SCALED},
}
"""Questions that are answered otherwise here, and why."""


@pytest.mark.xdist_group("clients")
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_is_answered_as_by_postgresql(server: Served, client: str) -> None:
    found = answers(client, server.port, "db")
    wanted = json.loads((GOLDEN / f"{client}.json").read_text(encoding="utf-8"))
    assert list(found) == list(wanted)
    differ = {name for name in wanted if found[name] != wanted[name]}
    assert {name: (found[name], wanted[name]) for name in differ - set(OTHERWISE.get(client, ()))} == {}
    assert differ == set(OTHERWISE.get(client, ())), "some are answered alike by now"
