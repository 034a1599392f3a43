"""Functions of JSON that answer as PostgreSQL does: of constants, columns and in views, in both executors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sqlengine

KEYS = {"any": "j ?| k", "all": "j ?& k"}


def cases(kind: str) -> list[list[str | None]]:
    """Rows of the file that begin with a word, without it; `NULL` is none."""
    lines = Path(__file__).with_name("json_by_postgresql.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [[None if cell == "NULL" else cell for cell in row[1:]] for row in rows if row[0] == kind]


def literal(text: str | None, kind: str) -> str:
    return f"NULL::{kind}" if text is None else "'" + text.replace("'", "''") + f"'::{kind}"


def read(answer: str | None) -> Any:
    """The value, so that spaces in JSON do not count; `NULL` apart from `null`."""
    return () if answer is None else json.loads({"t": "true", "f": "false"}.get(answer, answer))


def shown(value: Any) -> Any:
    return () if value is None else json.loads(value) if isinstance(value, str) else value


def answers(call: str, columns: dict[str, str], rows: list[list[str | None]]) -> list[list[Any]]:
    """What a call over a table's columns gives: in a SELECT, and in a view of the rows that come after it is made."""
    written: list[str] = []
    with sqlengine.connect() as db:
        kinds = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        db.execute(f"CREATE TABLE t (id INT PRIMARY KEY, {kinds})")
        db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT id, {call} AS x FROM t")
        for number, row in enumerate(rows):
            values = [literal(cell, kind) for cell, kind in zip(row, columns.values(), strict=True)]
            written.append(f"({', '.join((str(number), *values))})")
        db.execute(f"INSERT INTO t VALUES {', '.join(written)}")
        queries = (f"SELECT {call} FROM t ORDER BY id", "SELECT x FROM v ORDER BY id")
        return [[shown(x) for (x,) in db.execute(query).fetchall()] for query in queries]


@pytest.mark.parametrize("kind", KEYS)
def test_strings_among_several(kind: str) -> None:
    rows = cases(kind)
    expected = [read(row[-1]) for row in rows]
    assert answers(KEYS[kind], {"j": "JSONB", "k": "TEXT[]"}, [row[:-1] for row in rows]) == [expected, expected]
    with sqlengine.connect() as db:
        for j, k, answer in rows:
            call = f"{literal(j, 'jsonb')} {KEYS[kind].split()[1]} {literal(k, 'text[]')}"
            assert shown(db.execute(f"SELECT {call}").fetchall()[0][0]) == read(answer), call


def test_a_string() -> None:
    for key in dict.fromkeys(row[1] for row in cases("one")):
        rows = [row for row in cases("one") if row[1] == key]
        expected = [read(row[-1]) for row in rows]
        found = answers(f"j ? {literal(key, 'text').removesuffix('::text')}", {"j": "JSONB"}, [row[:1] for row in rows])
        assert found == [expected, expected], key


def test_strip_nulls() -> None:
    rows = cases("strip")
    expected = [read(row[-1]) for row in rows]
    for name in ("json_strip_nulls", "jsonb_strip_nulls"):
        assert answers(f"{name}(j)", {"j": "JSONB"}, [row[:1] for row in rows]) == [expected, expected]
    with sqlengine.connect() as db:
        for j, answer in rows:
            call = f"json_strip_nulls({literal(j, 'json')})"
            assert shown(db.execute(f"SELECT {call}").fetchall()[0][0]) == read(answer), call
