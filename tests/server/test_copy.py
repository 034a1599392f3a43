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
from tests.depth import rounds
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


@pytest.mark.parametrize("seed", range(rounds(4, 10)))
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


@pytest.mark.parametrize("form", ["FORMAT csv", "FORMAT text"])
def test_default_takes_the_columns_default(connection: Any, form: str) -> None:
    connection.execute("DROP TABLE IF EXISTS defaults")
    connection.execute("CREATE TABLE defaults (id BIGINT, word TEXT DEFAULT 'none', n INT DEFAULT 7)")
    mark = "," if "csv" in form else "\t"
    lines = [["1", r"\D", r"\D"], ["2", "x", r"\D"], ["3", r"\D", "8"], ["4", "y", "9"]]
    with connection.cursor().copy(f"COPY defaults FROM STDIN ({form}, DEFAULT '\\D')") as copy:
        copy.write("".join(mark.join(line) + "\n" for line in lines))
        if "csv" in form:
            copy.write('5,"\\D",\n')
    found = connection.execute("SELECT * FROM defaults ORDER BY id").fetchall()
    quoted = [(5, "\\D", None)] if "csv" in form else []
    assert found == [(1, "none", 7), (2, "x", 7), (3, "none", 8), (4, "y", 9), *quoted]
    with pytest.raises(psycopg.errors.BadCopyFileFormat, match="unexpected default marker"):
        with connection.cursor().copy(f"COPY defaults FROM STDIN ({form}, DEFAULT '\\D')") as copy:
            copy.write(mark.join([r"\D", "x", "1"]) + "\n")


@pytest.mark.parametrize(
    ("statement", "sqlstate", "said"),
    [
        ("TO STDOUT (DEFAULT 'x')", "0A000", "COPY DEFAULT only available using COPY FROM"),
        ("FROM STDIN (FORMAT binary, DEFAULT 'x')", "42601", "cannot specify DEFAULT in BINARY mode"),
        ("FROM STDIN (DEFAULT '\\N')", "0A000", "NULL specification and DEFAULT specification cannot be the same"),
        ("FROM STDIN (DEFAULT E'a\\tb')", "0A000", "COPY delimiter must not appear in the DEFAULT specification"),
        ("FROM STDIN (DEFAULT E'a\\nb')", "22023", "COPY default representation cannot use newline or carriage return"),
        ("FROM STDIN (ON_ERROR nope)", "22023", 'COPY ON_ERROR "nope" not recognized'),
        ("TO STDOUT (ON_ERROR stop)", "22023", "COPY ON_ERROR cannot be used with COPY TO"),
        ("FROM STDIN (FORMAT binary, ON_ERROR ignore)", "42601", "only ON_ERROR STOP is allowed in BINARY mode"),
        ("FROM STDIN (LOG_VERBOSITY nope)", "22023", 'COPY LOG_VERBOSITY "nope" not recognized'),
    ],
)
def test_options_of_later_versions_are_checked(connection: Any, statement: str, sqlstate: str, said: str) -> None:
    assert answer(connection, f"COPY copied {statement}", "") == (sqlstate, said)


def test_bad_rows_may_be_passed_over_with_or_without_a_word(connection: Any) -> None:
    heard: list[str] = []
    connection.add_notice_handler(lambda diag: heard.append(diag.message_primary))
    for verbosity, told in (("default", 1), ("verbose", 2), ("silent", 2)):
        connection.execute("DELETE FROM copied")
        with connection.cursor().copy(f"COPY copied FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY {verbosity})") as copy:
            copy.write("1\ta\tb\nx\ta\tb\n2\tc\td\n")
        assert connection.execute("SELECT id FROM copied ORDER BY id").fetchall() == [(1,), (2,)]
        assert len(heard) == told


def test_files_of_the_server_take_the_same_options(connection: Any, tmp_path: Any) -> None:
    path = tmp_path / "rows.csv"
    connection.execute("DELETE FROM copied")
    connection.execute("INSERT INTO copied VALUES (1, 'say \"a\\b\"', ''), (2, NULL, 'nil')")
    options = "(FORMAT csv, NULL 'nil', ESCAPE E'\\\\', FORCE_QUOTE (id))"
    connection.execute(f"COPY (SELECT * FROM copied ORDER BY id) TO '{path}' {options}")
    assert path.read_text() == 'id,a b,na"me\n"1","say \\"a\\\\b\\"",\n"2",nil,"nil"\n'.replace('na"me', '"na\\"me"')
    before = connection.execute("SELECT * FROM copied ORDER BY id").fetchall()
    connection.execute("DELETE FROM copied")
    connection.execute(f"COPY copied FROM '{path}' (FORMAT csv, NULL 'nil', ESCAPE E'\\\\', HEADER MATCH)")
    assert connection.execute("SELECT * FROM copied ORDER BY id").fetchall() == before
    connection.execute("DELETE FROM copied")
    forced = """FORCE_NULL ("na""me"), FORCE_NOT_NULL ("a b")"""
    connection.execute(f"COPY copied FROM '{path}' (FORMAT csv, NULL 'nil', ESCAPE E'\\\\', {forced})")
    assert connection.execute("SELECT * FROM copied ORDER BY id").fetchall() == [before[0], (2, "nil", None)]
    with pytest.raises(psycopg.errors.BadCopyFileFormat, match='field 1: got "id", expected "a b"'):
        connection.execute(
            f"""COPY copied ("a b", id, "na""me") FROM '{path}' (FORMAT csv, ESCAPE E'\\\\', HEADER MATCH)"""
        )


def test_a_binary_cursor_answers_in_binary(connection: Any) -> None:
    with connection.transaction():
        connection.execute("DECLARE b BINARY CURSOR FOR SELECT 1::bigint AS n, 'x' AS t, 'copied'::regclass AS r")
        result = connection.pgconn.exec_(b"FETCH ALL FROM b")
        assert [result.fformat(column) for column in range(3)] == [1, 1, 1]
        assert result.get_value(0, 0) == (1).to_bytes(8, "big")
        assert result.get_value(0, 1) == b"x"
        oid = connection.execute("SELECT 'copied'::regclass::oid").fetchone()[0]
        assert result.get_value(0, 2) == oid.to_bytes(4, "big")
        connection.execute("DECLARE t CURSOR FOR SELECT 1::bigint")
        assert connection.pgconn.exec_(b"FETCH ALL FROM t").get_value(0, 0) == b"1"
