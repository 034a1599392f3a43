"""What random testing found stays mended: see found.sql."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine
from sqlengine import sql
from sqlengine.sql import ast
from tests.fuzz.check import rows

BLOCKS = [b for b in Path(__file__).with_name("found.sql").read_text().split("\n\n") if "CREATE" in b]


@pytest.mark.parametrize("block", BLOCKS, ids=[b.splitlines()[0].removeprefix("-- ") for b in BLOCKS])
def test_every_view_equals_its_query(block: str) -> None:
    with sqlengine.connect() as db:
        views: dict[str, str] = {}

        def compare(when: str) -> None:
            for name, query in views.items():
                got, want = (rows(db.execute(q).to_arrow()) for q in (f"SELECT * FROM {name}", query))
                assert got == want, f"{name} after {when}"

        for statement in sql.parse(block):
            db.execute(statement.text)
            if isinstance(statement, ast.CreateView):
                views[statement.name[-1]] = statement.text.partition(" AS ")[2]
            compare(statement.text)
        for name, query in views.items():
            db.execute(f"DROP MATERIALIZED VIEW {name}")
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS {query}")
        compare("all was there")
