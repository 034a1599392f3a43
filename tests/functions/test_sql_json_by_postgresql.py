"""JSON_VALUE, JSON_QUERY, JSON_EXISTS and JSON_TABLE answer as PostgreSQL's: in a SELECT, and in a view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.api.database import Database
from sqlengine.errors import Error


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with sqlengine.connect() as made:
        yield made


def cases(kind: str) -> list[tuple[str, str]]:
    """(text, answer) of the rows of the file that begin with a word."""
    lines = Path(__file__).with_name("sql_json_by_postgresql.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return [(row[1], row[2]) for row in rows if row[0] == kind]


def shown(value: Any) -> str:
    """A value as psql prints it, JSON without its spaces."""
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "t", False: "f"}[value]
    if isinstance(value, list):
        return "{" + ",".join(map(str, value)) + "}"
    return str(value).replace(", ", ",").replace(": ", ":")


def as_expected(value: Any, wanted: Any) -> Any:
    """A value of a row as json_agg has it: JSON is there taken apart, and moments are texts."""
    if isinstance(value, str) and (not isinstance(wanted, str) or value.startswith('"') and wanted != value):
        return json.loads(value)
    if isinstance(value, str) and wanted != value:
        return value.replace(",", ", ")
    return value.isoformat() if hasattr(value, "isoformat") else value


@pytest.mark.parametrize(("call", "answer"), cases("call"))
def test_calls(db: Database, call: str, answer: str) -> None:
    if answer.startswith("!"):
        with pytest.raises(Error) as raised:
            db.execute(f"SELECT {call}")
        assert raised.value.sqlstate == answer[1:]
        return
    db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW call AS SELECT {call} AS x")
    for query in (f"SELECT {call}", "SELECT x FROM call"):
        assert shown(db.execute(query).fetchall()[0][0]) == shown(answer if answer != "NULL" else None), query


@pytest.mark.parametrize(("table", "answer"), cases("table"))
def test_tables(db: Database, table: str, answer: str) -> None:
    if answer.startswith("!"):
        with pytest.raises(Error) as raised:
            db.execute(f"SELECT * FROM {table}")
        assert raised.value.sqlstate == answer[1:]
        return
    expected = json.loads(answer)
    db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW rows AS SELECT * FROM {table}")
    for query in (f"SELECT * FROM {table}", "SELECT * FROM rows"):
        result = db.execute(query)
        found = [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]
        assert len(found) == len(expected)
        made = [{k: as_expected(v, w[k]) for k, v in f.items()} for f, w in zip(found, expected, strict=True)]
        assert sorted(made, key=repr) == sorted(expected, key=repr)


COLUMNS = (
    "COLUMNS (n FOR ORDINALITY, sku TEXT, qty INT DEFAULT 0 ON EMPTY, "
    "NESTED PATH '$.tags[*]' COLUMNS (tag TEXT PATH '$'))"
)
QUERIES = (
    f"SELECT o.id, i.* FROM o, JSON_TABLE(o.doc, '$.items[*]' {COLUMNS}) AS i",
    f"SELECT o.id, i.sku, i.tag FROM o LEFT JOIN JSON_TABLE(o.doc, '$.items[*]' {COLUMNS}) AS i ON true",
    "SELECT o.id, i.sku FROM o CROSS JOIN JSON_TABLE(o.doc, '$.items[*]' COLUMNS (sku TEXT)) i",
    "SELECT o.id, i.sku, i.big FROM o, JSON_TABLE(o.doc, '$.items[*] ? (@.qty >= $l)' PASSING o.low AS l "
    "COLUMNS (sku TEXT, qty INT, big BOOLEAN EXISTS PATH '$ ? (@.qty > $l)')) i WHERE i.qty < 100",
    "SELECT i.sku, sum(i.qty) AS q FROM o, LATERAL JSON_TABLE(o.doc, '$.items[*]' COLUMNS (sku TEXT, qty INT)) AS i "
    "GROUP BY i.sku",
    "SELECT o.id, i.sku FROM o JOIN JSON_TABLE(o.doc, '$.items[*]' COLUMNS (sku TEXT, qty INT)) AS i ON i.qty = o.low",
)
CHANGES = (
    """INSERT INTO o VALUES (1, 2, '{"items": [{"sku": "a", "qty": 2, "tags": ["x", "y"]}, {"sku": "b", "tags": []}]}'),
    (2, 1, '{"items": {"sku": "c", "qty": 7}}'), (3, 0, '{}'), (4, NULL, NULL), (5, 5, '{"items": [{"sku": "a",
    "qty": 5}]}')""",
    """UPDATE o SET doc = '{"items": [{"sku": "z", "qty": 9}]}', low = 9 WHERE id = 1""",
    "DELETE FROM o WHERE id = 2",
)


@pytest.mark.parametrize("query", QUERIES)
def test_tables_of_a_column_follow_it(query: str) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE o (id INT PRIMARY KEY, low INT, doc JSONB)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        plan = "\n".join(str(row) for row in db.execute(f"EXPLAIN {query} EMIT CHANGES").fetchall())
        assert "maintained incrementally" in plan
        for change in CHANGES:
            db.execute(change)
            selected = sorted(db.execute(query).fetchall(), key=repr)
            assert selected
            assert sorted(db.execute("SELECT * FROM v").fetchall(), key=repr) == selected


def test_a_table_without_a_name_is_json_table() -> None:
    with sqlengine.connect() as db:
        query = "SELECT json_table.a FROM JSON_TABLE('[1, 2]', '$[*]' COLUMNS (a INT PATH '$')) WHERE a > 1"
        assert db.execute(query).fetchall() == [(2,)]


WRONG = {
    "SELECT * FROM JSON_TABLE('[1]', '$[*]')": "42601",
    "SELECT * FROM JSON_TABLE('[1]' COLUMNS (a INT))": "42601",
    "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a)) AS t": "42601",
    "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (NESTED PATH '$' (a INT))) AS t": "42601",
    "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT) NULL ON ERROR) AS t": "42601",
    "SELECT JSON_VALUE('[1]', '$[*]' PASSING 1)": "42601",
    "SELECT JSON_VALUE('[1]', '$[*]' FOO ON ERROR)": "42601",
    "SELECT JSON_VALUE('[1]', '$[*]' NULL ON EMPTY NULL ON EMPTY)": "42601",
    "SELECT JSON_VALUE('[1]', '$[*]' WITH WRAPPER)": "42601",
    "SELECT JSON_EXISTS('[1]', '$[*]' TRUE ON EMPTY)": "42601",
    "SELECT JSON_QUERY('[1]', '$[*]' WITH FOO WRAPPER)": "42601",
    "SELECT JSON_EXISTS('[1]', '$[*]' RETURNING INT)": "0A000",
    "SELECT JSON_QUERY('[\"1\"]', '$[0].datetime(\"HH\")')": "0A000",
}


@pytest.mark.parametrize("statement", WRONG)
def test_what_is_no_call(statement: str) -> None:
    with sqlengine.connect() as db, pytest.raises(Error) as raised:
        db.execute(statement)
    assert raised.value.sqlstate == WRONG[statement]
