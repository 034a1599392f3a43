"""Paths into JSON answer as PostgreSQL's do: each alone, and as columns of a table in a SELECT and in a view."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.errors import DataError, Error
from sqlengine.functions.jsonpath import path
from sqlengine.functions.jsonpath.items import read, written
from sqlengine.json_canonical import canonical
from sqlengine.sql.jsonpath.show import shown_path
from tests.depth import rounds

VARS = {"x": 1, "s": "a", "o": {"v": 2}}
ASKED: dict[str, Callable[..., Any]] = {
    "query": lambda made, document: "[" + ",".join(map(written, path.items(made, document, VARS))) + "]",
    "exists": lambda made, document: path.exists(made, document, VARS),
    "match": lambda made, document: path.match(made, document, VARS),
}


def cases(kind: str) -> list[list[str]]:
    """Rows of the file that begin with a word, without it."""
    lines = Path(__file__).with_name("jsonpath_by_postgresql.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[1:] for line in lines if line.startswith(f"{kind}\t")]


def plain(answer: Any) -> Any:
    """An answer without the ids of keyvalue(), which PostgreSQL takes from its binary form, and numbers as written."""
    if answer is None or isinstance(answer, bool):
        return answer
    if answer in ("NULL", "true", "false"):
        return {"true": True, "false": False}.get(answer)
    return _without_ids(json.loads(answer, parse_float=str, parse_int=str))


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_ids(v) for k, v in value.items() if not (k == "id" and "key" in value)}
    return [_without_ids(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", ASKED)
def test_answers_and_refusals(kind: str) -> None:
    for document, text, answer in cases(kind):
        if not answer.startswith("!"):
            assert plain(ASKED[kind](path.ready(text), read(document))) == plain(answer), (document, text)
            continue
        with pytest.raises(DataError) as raised:
            ASKED[kind](path.ready(text), read(document))
        assert raised.value.sqlstate == answer[1:], (document, text)


def test_the_canonical_text() -> None:
    for text, answer in cases("shown"):
        if re.fullmatch("![0-9A-Z]{5}", answer) is None:
            assert shown_path(text) == answer
            assert path.check(shown_path(text)) is None
            continue
        with pytest.raises(Error) as raised:
            path.check(text)
        assert raised.value.sqlstate == answer[1:], text


CALLS = {"query": "jsonb_path_query_array", "exists": "jsonb_path_exists", "match": "jsonb_path_match"}


@pytest.mark.parametrize("kind", CALLS)
def test_columns_of_documents_and_paths(kind: str) -> None:
    """Rows come in several transactions; half of them go again."""
    rows = [row for row in cases(kind) if not row[-1].startswith("!")]
    vars_text = json.dumps(VARS)
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, j JSONB, p TEXT)")
        query = f"SELECT id, {CALLS[kind]}(j, p, '{vars_text}') AS x FROM t"
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        numbered = [(number, document, text) for number, (document, text, _) in enumerate(rows)]
        for at in range(0, len(numbered), 50):
            some = numbered[at : at + 50]
            places = ", ".join("(?, ?, ?)" for _ in some)
            db.execute(f"INSERT INTO t VALUES {places}", [value for row in some for value in row])
        db.execute("DELETE FROM t WHERE id % 2 = 1")
        expected = [(number, plain(row[-1])) for number, row in enumerate(rows) if number % 2 == 0]
        for asked in (query, "SELECT * FROM v"):
            assert [(n, plain(x)) for n, x in db.execute(f"{asked} ORDER BY id").fetchall()] == expected


def test_rows_of_items() -> None:
    """jsonb_path_query in a select list and in FROM, in views that follow the table."""
    rows = [row for row in cases("query") if not row[-1].startswith("!")]
    chosen = random.Random(5).sample(sorted({text for _, text, _ in rows}), rounds(12, 60))
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, j JSONB)")
        for place, text in enumerate(chosen):
            spelt = text.replace("'", "''")
            call = f"jsonb_path_query(j, '{spelt}', '{json.dumps(VARS)}', silent => true)"
            for name, query in (("s", f"SELECT id, {call} AS x FROM t"), ("f", f"SELECT id, x FROM t, {call} AS x")):
                db.execute(f"CREATE MATERIALIZED VIEW {name}{place} AS {query}")
        documents = sorted({document for document, _, _ in rows})
        for half in (0, 1):
            some = [(number, document) for number, document in enumerate(documents) if number % 2 == half]
            places = ", ".join("(?, ?)" for _ in some)
            db.execute(f"INSERT INTO t VALUES {places}", [value for row in some for value in row])
        db.execute("DELETE FROM t WHERE id % 3 = 1")
        for place, text in enumerate(chosen):
            expected: list[Any] = []
            for number, document in enumerate(documents):
                found = (
                    path.items(path.ready(text), read(canonical(document)), VARS, silent=True)
                    if number % 3 != 1
                    else []
                )
                expected += [(number, canonical(written(item))) for item in found]
            for name in "sf":
                assert sorted(db.execute(f"SELECT * FROM {name}{place}").fetchall()) == sorted(expected), text


def test_a_wrong_path_is_refused_at_once_and_a_wrong_row_alone() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, j JSONB, p TEXT)")
        for statement in ("SELECT", "CREATE MATERIALIZED VIEW v AS SELECT"):
            with pytest.raises(Error) as raised:
                db.execute(f"{statement} jsonb_path_exists(j, '$.a[') AS x FROM t")
            assert raised.value.sqlstate == "42601"
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT id, jsonb_path_query_first(j, p) AS x FROM t")
        db.execute("""INSERT INTO t VALUES (1, '{"a": 5}', '$.a'), (2, '{"a": 5}', '$.a['), (3, '[]', 'strict $.a')""")
        assert db.execute("SELECT * FROM v").fetchall() == [(1, "5")]
        with pytest.raises(Error) as raised:
            db.execute("SELECT jsonb_path_query_first(j, p) FROM t WHERE id = 3")
        assert raised.value.sqlstate == "2203A"


def test_what_is_nested_too_deeply() -> None:
    """A document that is, or a path, is an error like any other, of its row alone."""
    deep = "[" * 3000 + "]" * 3000
    sum_of_sums = "1 + (" * 3000 + "1" + ")" * 3000
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, j JSONB)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT id, jsonb_path_query_first(j, '$.**') AS x FROM t")
        with pytest.raises(Error) as raised:
            db.execute("INSERT INTO t VALUES (2, ?)", (deep,))
        assert raised.value.sqlstate == "54001"
        db.execute("INSERT INTO t VALUES (1, '[1]')")
        assert db.execute("SELECT * FROM v").fetchall() == [(1, "[1]")]
        for query in (
            f"SELECT jsonb_path_query_first(('{deep}'::json), '$.**')",
            f"SELECT jsonb_path_exists('1', '{sum_of_sums}')",
        ):
            with pytest.raises(Error) as raised:
                db.execute(query)
            assert raised.value.sqlstate == "54001"
        assert db.execute("SELECT jsonb_path_exists('1', '$ ? (@ == 1)')").fetchall() == [(True,)]


def test_digits_stay() -> None:
    """A number keeps the digits it is written with, and a quotient has PostgreSQL's."""
    document = '{"n": 1.50, "big": 12345678901234567890.123456789, "e": 1e3}'
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (j JSONB)")
        db.execute("INSERT INTO t VALUES (?)", (document,))
        found = db.execute("SELECT jsonb_path_query_array(j, '$.*'), JSON_VALUE(j, '$.n / 3') FROM t").fetchall()
    assert found == [("[1000, 1.50, 12345678901234567890.123456789]", "0.50000000000000000000")]


def test_objects_are_numbered_in_their_order() -> None:
    """What keyvalue() calls id: the number of the object in the document."""
    found = path.items(
        path.ready('$.** ? (@.type() == "object").keyvalue()'), read('{"a": {"b": 1}, "c": {"d": {"e": 2}}}'), {}
    )
    assert [(item["id"], item["key"]) for item in found] == [(0, "a"), (0, "c"), (1, "b"), (2, "d"), (3, "e")]
