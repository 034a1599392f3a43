"""COPY's options and headers, as PostgreSQL 15 has them (postgres_copy.txt)."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine.server.pg.server import PgOptions, PgServer
from tests.server.copy_cases import TABLE, answer, cases, recorded

psycopg = pytest.importorskip("psycopg")


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0)) as server:
        db.execute(TABLE)
        dsn = f"host=127.0.0.1 port={server.port} user=me dbname=db"
        with psycopg.connect(dsn, autocommit=True) as made:
            yield made


def test_the_file_is_of_these_cases() -> None:
    assert [(statement, data) for statement, data, _, _ in recorded()] == cases()


@pytest.mark.parametrize(("statement", "data", "sqlstate", "said"), recorded())
def test_it_is_as_in_postgresql(connection: Any, statement: str, data: str, sqlstate: str, said: str) -> None:
    connection.execute("DELETE FROM copied")
    assert answer(connection, statement, data) == (sqlstate, said)


TEXTS = ["x", "", None, 'say "hi"', "back\\slash", "a,b", "two\nlines", '\\"', "'", " padded "]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("escape", ['"', "\\", "'"])
@pytest.mark.parametrize("forced", ["", "FORCE_QUOTE *", "FORCE_QUOTE (b)", "FORCE_QUOTE (id, b)"])
def test_what_is_quoted_is_read_by_another(connection: Any, seed: int, escape: str, forced: str) -> None:
    draw = random.Random(seed)
    rows = [(str(i), draw.choice(TEXTS), draw.choice(TEXTS)) for i in range(30)]
    values = ", ".join(["(%s::bigint, %s::text, %s::text)"] * len(rows))
    query = f"COPY (SELECT * FROM (VALUES {values}) AS v(id, b, c) ORDER BY id) TO STDOUT"
    options = ["FORMAT csv", "NULL 'nil'", f"ESCAPE '{escape.replace(chr(39), chr(39) * 2)}'", *filter(None, [forced])]
    with connection.cursor().copy(f"{query} ({', '.join(options)})", [v for row in rows for v in row]) as copy:
        sent = b"".join(map(bytes, copy)).decode()
    form = {"doublequote": True} if escape == '"' else {"doublequote": False, "escapechar": escape}
    if escape == '"':
        found = [tuple(None if v == "nil" else v for v in row) for row in csv.reader(io.StringIO(sent), **form)]
        assert found == rows
    always = {"": "", "FORCE_QUOTE *": "abc", "FORCE_QUOTE (b)": "b", "FORCE_QUOTE (id, b)": "ab"}[forced]
    assert sent == "".join(",".join(map(_field, row, "abc", [always] * 3, [escape] * 3)) + "\n" for row in rows)


def _field(value: str | None, column: str, always: str, escape: str) -> str:
    """A field as PostgreSQL's CopyAttributeOutCSV writes it, by characters; spaces at its ends are quoted, too."""
    if value is None:
        return "nil"
    if column not in always and not set(value) & set('",\r\n') and value.strip(" ") == value:
        return value
    return '"' + "".join((escape if c in ('"', escape) else "") + c for c in value) + '"'


@pytest.mark.parametrize(
    ("statement", "sqlstate", "said"),
    [
        ("TO STDOUT (FORCE_QUOTE *)", "0A000", "COPY force quote available only in CSV mode"),
        ("FROM STDIN (FORMAT csv, FORCE_QUOTE *)", "0A000", "COPY force quote only available using COPY TO"),
        ("TO STDOUT (FORMAT csv, FORCE_NULL (id))", "0A000", "COPY force null only available using COPY FROM"),
        ("TO STDOUT (FORMAT csv, FORCE_NOT_NULL *)", "0A000", "COPY force not null only available using COPY FROM"),
        ("FROM STDIN (FORMAT csv, FORCE_NULL (id))", "0A000", "COPY force null is not supported"),
        ("FROM STDIN (FORCE_NOT_NULL (id))", "0A000", "COPY force not null available only in CSV mode"),
        ("FROM STDIN (FORMAT csv, ESCAPE '$')", "0A000", "ESCAPE other than the quote"),
        ("TO STDOUT (FORMAT csv, FORCE_QUOTE (nope))", "42703", 'column "nope" does not exist'),
        ("TO STDOUT (FORMAT csv, FORCE_QUOTE id)", "22023", "must be a list of column names"),
        ("TO STDOUT (FORMAT csv, FORCE_QUOTE)", "22023", "must be a list of column names"),
    ],
)
def test_columns_that_cannot_be_forced(connection: Any, statement: str, sqlstate: str, said: str) -> None:
    with pytest.raises(psycopg.Error, match=said) as caught:
        connection.execute(f"COPY copied {statement}")
    assert caught.value.sqlstate == sqlstate
