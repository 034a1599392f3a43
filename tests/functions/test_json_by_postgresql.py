"""Functions of JSON that answer as PostgreSQL does: of constants, columns and in views, in both executors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.errors import DataError, Error

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


def refused(row: list[str | None]) -> bool:
    return str(row[-1]).startswith("!")


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


OBJECTS = {
    "two": ("json_object(k, i)", "jsonb_object(k, i)", "CASE WHEN true THEN json_object(k, i) END"),
    "pairs": ("json_object(k)", "jsonb_object(k)"),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_of_texts(kind: str) -> None:
    rows = [row for row in cases(kind) if not refused(row) and "{{" not in str(row[0])]
    columns = {"k": "TEXT[]", "i": "TEXT[]"} if kind == "two" else {"k": "TEXT[]"}
    expected = [read(row[-1]) for row in rows]
    for call in OBJECTS[kind]:
        assert answers(call, columns, [row[:-1] for row in rows]) == [expected, expected], call


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_of_constants(kind: str) -> None:
    with sqlengine.connect() as db:
        for number, row in enumerate(cases(kind)):
            texts = ", ".join(literal(cell, "text[]").removesuffix("::text[]" if cell else "") for cell in row[:-1])
            call = f"json_object({texts})"
            if refused(row):
                with pytest.raises(DataError) as raised:
                    db.execute(f"SELECT {call}")
                assert raised.value.sqlstate == str(row[-1])[1:], call
                continue
            db.execute(f"CREATE MATERIALIZED VIEW v{number} AS SELECT {call} AS x")
            for query in (f"SELECT {call}", f"SELECT x FROM v{number}"):
                assert shown(db.execute(query).fetchall()[0][0]) == read(row[-1]), query


def test_pairs_stay_pairs() -> None:
    same = ("json_object('a', 1)", "json_object('a': 1)", "json_object('a' VALUE 1)", "json_object(KEY 'a' VALUE 1)")
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (k TEXT, n INT); INSERT INTO t VALUES ('a', 1)")
        for number, call in enumerate((*same, "json_object(k, n)", "json_object(k VALUE n)")):
            db.execute(f"CREATE MATERIALIZED VIEW v{number} AS SELECT {call} AS x FROM t")
            for query in (f"SELECT {call} FROM t", f"SELECT x FROM v{number}"):
                assert shown(db.execute(query).fetchall()[0][0]) == {"a": 1}, query


def test_deleted() -> None:
    rows = cases("delete")
    expected = [read(row[-1]) for row in rows]
    for call in ("j #- p", "jsonb_delete_path(j, p)"):
        assert answers(call, {"j": "JSONB", "p": "TEXT[]"}, [row[:-1] for row in rows]) == [expected, expected], call
    with sqlengine.connect() as db:
        for j, p, answer in rows:
            call = f"{literal(j, 'jsonb')} #- {literal(p, 'text[]').removesuffix('::text[]' if p else '')}"
            assert shown(db.execute(f"SELECT {call}").fetchall()[0][0]) == read(answer), call
        for call, sqlstate in (("'1'::jsonb #- '{a}'", "22023"), ("'{\"a\": [1]}'::jsonb #- '{a,x}'", "22P02")):
            with pytest.raises(Error) as raised:
                db.execute(f"SELECT {call}")
            assert raised.value.sqlstate == sqlstate
