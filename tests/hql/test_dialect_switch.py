"""`SET dialect` within a script: what stands behind it is cut and read by the other dialect's rules, and back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import psycopg
import pytest

import sqlengine
from repl.__main__ import main
from repl.remote import RemoteDatabase
from repl.statements import cut, needs_more, read_statements
from sqlengine.errors import Error
from sqlengine.sql import is_complete, split

SCRIPT = r"""
CREATE SCHEMA shop; SET search_path = shop;  -- not here: SET dialect = 'spark';
SELECT 'a\' || 'SET dialect = ''hive'';', 5 / 2;
SET dialect = 'hive';
CREATE TABLE t (s STRING);
INSERT INTO t VALUES ('it\'s; SET dialect = postgres;'), ("double"), ('a' 'b');
SET hivevar:x=5;
SELECT `s`, 5 / 2 FROM t WHERE s <> "zz;" ORDER BY s;
SET dialect = postgres;
SELECT "s", 5 / 2 FROM shop.t ORDER BY 1 LIMIT 1;
SET SESSION dialect TO hive;
SELECT ${x} / 2, 'it\'s';
RESET dialect;
SELECT 5 / 2, 'a\'
"""
ANSWERS = [
    [("a\\SET dialect = 'hive';", 2)],
    [("ab", 2.5), ("double", 2.5), ("it's; SET dialect = postgres;", 2.5)],
    [("ab", 2)],
    [(2.5, "it's")],
    [(2, "a\\")],
]


def test_a_script_goes_from_dialect_to_dialect() -> None:
    with sqlengine.connect() as database:
        session = database.session()
        results = [result.fetchall() for result in session.execute_script(SCRIPT) if result.schema is not None]
        assert results == ANSWERS
        wrong = "SELECT 1; SET dialect = 'hive';\nSELECT 'a\\'b', zork FROM shop.t"
        with pytest.raises(Error) as told:
            session.execute(wrong)
        assert told.value.position == wrong.index("zork") and session.execute("SELECT 1").fetchall() == [(1,)]
        with pytest.raises(Error, match="invalid value for setting"):
            session.execute("SET dialect = 'hivex'; SELECT 'a'")
        session.execute("SET dialect = spark; SELECT `a` FROM VALUES ('it\\'s;') AS t (a)")


def test_a_wire_script_and_the_command_over_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with sqlengine.connect() as database, database.serve(host="127.0.0.1", port=0) as server:
        address = f"postgresql://sqlengine@127.0.0.1:{server.port}/sqlengine"
        with psycopg.connect(address, autocommit=True) as client, client.cursor() as cursor:
            cursor.execute(SCRIPT)
            answers: list[Any] = [cursor.fetchall() if cursor.description else None]
            while cursor.nextset():
                answers.append(cursor.fetchall() if cursor.description else None)
        assert [answer for answer in answers if answer is not None] == ANSWERS
        session = RemoteDatabase(address).session()
        assert session.settings.dialect == "postgres"
        session.execute("SET dialect = 'hive'")
        assert session.settings.dialect == "hive"
        assert session.execute("SELECT 'it\\'s;'").fetchall() == [("it's;",)]
        session.close()
        script = tmp_path / "a.sql"
        script.write_text("SET dialect = 'hive';\nSELECT 'it\\'s;\n', '${x}';\nRESET dialect;\nSELECT 'a\\' AS b;\n")
        assert main([address, "--hivevar", "x=1;2", "-f", str(script), "--format", "csv", "--quiet"]) == 0
        assert capsys.readouterr().out == '_c0,_c1\n"it\'s;\n",1;2\nb\na\\\n'


def test_the_command_reads_files_and_pipes_by_the_dialect(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "a.hql"
    script.write_text(
        "-- it's a comment; really\nSELECT 'it\\'s;', \"x\n;y\", ${n}, '${hiveconf:m}';\nSET dialect = 'postgres';\n"
        "SELECT 'a\\', \"n\" FROM (SELECT 5 / 2 AS \"n\") AS t; SET dialect = hive; SELECT 'b\\';', 5 / 2;\n"
    )
    expected = "_c0,_c1,_c2,_c3\nit's;,\"x\n;y\",7,a;b\n?column?,n\na\\,2\n_c0,_c1\nb';,2.5\n"
    options = ["--hivevar", "n=7", "--hiveconf", "m=a;b", "--format", "csv", "--quiet"]
    assert main(["--dialect", "hive", "-f", str(script), *options]) == 0
    assert capsys.readouterr().out == expected
    monkeypatch.setattr("sys.stdin", io.StringIO("SET dialect = 'hive';\n" + script.read_text()))
    assert main(options) == 0
    assert capsys.readouterr().out == expected
    with pytest.raises(SystemExit):
        main(["--hivevar", "n"])
    assert '"n" sets no variable' in capsys.readouterr().err


def test_where_a_script_is_cut() -> None:
    def texts(text: str, dialect: str) -> list[str]:
        return [piece.text for piece in split(text, dialect)]

    assert texts(r"SELECT 'a\';'; SELECT 2", "hive") == [r"SELECT 'a\';'", "SELECT 2"]
    assert texts(r"SELECT 'a\'; SELECT 2", "postgres") == [r"SELECT 'a\'", "SELECT 2"]
    assert texts(r"SET x=a\;b; SELECT 1", "hive") == [r"SET x=a\;b", "SELECT 1"]
    both = "SELECT 1; /* ; */ SET dialect = hive; SELECT 'it\\'s;'; RESET dialect ; SELECT '\\'"
    assert [both[p.position :].startswith(p.text) for p in split(both)] == [True] * 5
    for dialect, text, wanted in (
        ("hive", "SELECT 'a;", False),
        ("hive", "SELECT 'a\\';", False),
        ("hive", "SELECT 1 /* ;", False),
        ("hive", "SELECT 'a\\'';", True),
        ("hive", "SET x=a\\;", False),
        ("postgres", "SELECT 'a\\';", True),
        ("postgres", "SET dialect = hive; SELECT 'a\\';", False),
        ("hive", "SET dialect = postgres; SELECT 'a\\';", True),
    ):
        assert is_complete(text, dialect) == wanted, text
        assert needs_more(text, dialect) != wanted
    assert [one.text for one in cut(r"SELECT '\'' ; SELECT 1", dialect="hive")] == [r"SELECT '\''", "SELECT 1"]
    (one,) = read_statements([r"SELECT '\'", "\n;';\n"], dialect=lambda: "hive")
    assert one.text == "SELECT '\\'\n;'"
