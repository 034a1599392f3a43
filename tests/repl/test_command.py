"""The command as a user types it, mistakes included; over the fake session, in this process."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pyarrow as pa
import pytest

from tests.repl.conftest import Command


def test_one_statement(sqlengine: Command) -> None:
    run = sqlengine("-c", "SELECT 1 AS a, 'x' AS b")
    assert run.status == 0
    assert run.out.splitlines()[3:] == ["├─────────┼──────┤", "│       1 │ x    │", "└─────────┴──────┘", "(1 row)"]
    assert run.err == ""


def test_data_and_everything_else_go_different_ways(sqlengine: Command) -> None:
    run = sqlengine("-c", "CREATE STREAM s (a INT)", "-c", "NOTICE", "-c", "SELECT 1 AS a", "--format", "csv")
    assert run.out == "a\n1\n"
    assert run.err == "CREATE STREAM\nNOTICE: the view is recomputed as a whole\nCREATE VIEW\n"


def test_quiet_leaves_results_only(sqlengine: Command) -> None:
    run = sqlengine("--quiet", "-c", "NOTICE; SELECT 1 AS a", "--no-header")
    assert (run.status, run.err) == (0, "")
    assert run.out == "┌───┐\n│ 1 │\n└───┘\n"


def test_commands_and_files_run_in_the_order_typed(sqlengine: Command, tmp_path: Path) -> None:
    script = tmp_path / "two.sql"
    script.write_text("SELECT 2 AS a;\n-- a comment\nSELECT\n3 AS a")
    run = sqlengine("-c", "SELECT 1 AS a", "-f", str(script), "-c", "SELECT 4 AS a", "--format", "csv", "--no-header")
    assert run.out == "1\n2\n3\n4\n"


def test_standard_input_is_a_script(sqlengine: Command) -> None:
    for arguments in ([], ["-f", "-"]):
        run = sqlengine(
            "--format", "ndjson", *arguments, stdin="SELECT 1 AS a; SELECT\n 2 AS a;\n\\timing on\nSELECT 3 AS a"
        )
        assert [json.loads(line) for line in run.out.splitlines()] == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_stops_at_the_first_error(sqlengine: Command) -> None:
    script = "SELECT 1 AS a;\nMISSING prcie;\nSELECT 2 AS a;"
    run = sqlengine("-c", script, "--format", "csv")
    assert (run.status, run.out) == (1, "a\n1\n")
    assert run.err == (
        'error: column "prcie" does not exist [42703]\n'
        "  at line 2:9\n"
        "2 | MISSING prcie;\n"
        "  |         ^^^^^\n"
        "detail: t has 3 columns\n"
        'hint: did you mean "price"?\n'
    )
    run = sqlengine("-c", script, "--format", "csv", "--keep-going")
    assert (run.status, run.out) == (1, "a\n1\na\n2\n")


def test_errors_in_files_name_the_file(sqlengine: Command, tmp_path: Path) -> None:
    script = tmp_path / "bad.sql"
    script.write_text("SELECT 1; MISSING\n\tprcie\n;")
    run = sqlengine("-f", str(script), "-c", "SELECT 2")
    assert run.status == 1
    assert f"at {script}:2:2\n2 |     prcie\n  |     ^^^^^\n" in run.err


def test_faults_of_our_own_are_told_as_such(sqlengine: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    run = sqlengine("-c", "BUG; SELECT 1")
    assert run.status == 1
    assert run.err.startswith("error: internal error: ValueError: a fault on purpose [XX000]\n")
    assert "Traceback" not in run.err
    monkeypatch.setenv("SQLENGINE_DEBUG", "1")
    assert "Traceback" in sqlengine("-c", "BUG").err


def test_an_error_in_the_middle_of_the_rows(sqlengine: Command) -> None:
    run = sqlengine("-c", "BROKEN 3", "--format", "csv")
    assert (run.status, run.out) == (1, "n\n0\n1\n2\n")
    assert run.err == "error: the rest is gone [42P01]\n"
    assert all(result.closed for result in run.session.results)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "cvs"], 'did you mean "csv"?'),
        (["--formt", "csv"], 'did you mean "--format"?'),
        (["--dialect", "hve"], 'did you mean "hive"?'),
        (["SELECT 1"], "run it with -c"),
        (["one", "two"], "only one data directory"),
        ([""], "leave it out to work in memory"),
        ([__file__], f"-f {__file__}"),
        (["--max-rows", "many"], '"many" is not a number of rows'),
        (["--timeout", "soon"], '"soon" is not a time'),
        (["-c"], "expected one argument"),
        (["--progress", "sometimes"], "auto, always, never"),
    ],
)
def test_wrong_command_lines(sqlengine: Command, arguments: list[str], told: str) -> None:
    run = sqlengine(*arguments)
    assert (run.status, run.out, run.databases) == (2, "", [])
    assert told in run.err


def test_files_that_cannot_be_read(sqlengine: Command, tmp_path: Path) -> None:
    run = sqlengine("-f", str(tmp_path / "none.sql"))
    assert run.status == 1
    assert run.err == f'error: cannot read "{tmp_path}/none.sql": no such file or directory [58P01]\n'
    binary = tmp_path / "binary.sql"
    binary.write_bytes(b"SELECT '\xff'")
    assert "not UTF-8 text" in sqlengine("-f", str(binary)).err
    itself = tmp_path / "itself.sql"
    itself.write_text(f"\\i {itself}\n")
    assert "too deeply" in sqlengine("-f", str(itself)).err


def test_version_and_help(sqlengine: Command) -> None:
    version = sqlengine("--version")
    assert version.out.startswith("sqlengine ") and version.databases == []
    assert "exit status" in sqlengine("--help").out


def test_the_database_gets_what_was_typed(sqlengine: Command, tmp_path: Path) -> None:
    run = sqlengine(str(tmp_path), "--dialect", "hive", "-c", "SELECT 1")
    assert (run.databases[0].path, run.databases[0].settings) == (str(tmp_path), {"dialect": "hive", "replicas": None})
    run = sqlengine(str(tmp_path), "--replica", "x", "--replica=y", "-c", "SELECT 1")
    assert run.databases[0].settings["replicas"] == ("x", "y")
    assert sqlengine("-c", "SELECT 1").databases[0].path == ":memory:"


def test_results_without_end_stop_where_told(sqlengine: Command) -> None:
    run = sqlengine("-c", "ENDLESS 1000 1", "--max-rows", "5", "--format", "csv")
    assert (run.status, run.out.splitlines()[1:]) == (0, [f"{n},row {n}" for n in range(5)])
    run = sqlengine("-c", "ENDLESS 3 0; SELECT 1 AS a", "--until-idle", "--format", "csv", "--no-header")
    assert (run.status, run.out) == (0, "0,row 0\n1,row 1\n2,row 2\n1\n")
    run = sqlengine("-c", "ENDLESS 3 0", "--timeout", "1s")
    assert run.status == 0
    assert run.out.endswith("└──────────┴──────────────┘\n(3 rows)\n")
    assert run.session.results[0].closed


def test_rows_beyond_the_limit_are_left_out(sqlengine: Command) -> None:
    run = sqlengine("-c", "SELECT range AS n FROM range(5000)", "--max-rows", "1500", "--format", "csv", "--no-header")
    assert (run.status, run.out) == (0, "".join(f"{n}\n" for n in range(1500)))
    assert "(1 row, more exist)" in sqlengine("-c", "SELECT range FROM range(2)", "--max-rows", "1").out
    assert "(2 rows)" in sqlengine("-c", "SELECT range FROM range(2)", "--max-rows", "2").out
    assert "(0 rows, more exist)" in sqlengine("-c", "SELECT range FROM range(2)", "--max-rows", "0").out


def test_timeouts_cancel_other_statements(sqlengine: Command) -> None:
    began = time.monotonic()
    run = sqlengine("-c", "SLEEP", "--timeout", "200ms")
    assert run.status == 1
    assert run.err == "error: statement cancelled after 0.2 s [57014]\nhint: --timeout sets this limit\n"
    assert time.monotonic() - began < 30, "the statement would have slept a minute"


def test_progress_is_written_when_asked_for(sqlengine: Command) -> None:
    run = sqlengine("-c", "SLEEP", "--timeout", "1s", "--progress", "always")
    assert re.search(r"25%  1,000 rows  [\d.k]+ rows/s  ETA [\d.]+ s", run.err), run.err
    assert "25%" not in sqlengine("-c", "SLEEP", "--timeout", "1s").err


def test_arrow_goes_to_a_pipe(sqlengine: Command, tmp_path: Path) -> None:
    path = tmp_path / "out.arrows"
    sqlengine("-c", f"\\format arrow\n\\o {path}\nSELECT 1 AS a; SELECT 'x' AS b;")
    with path.open("rb") as stream:
        assert pa.ipc.open_stream(stream).read_all().to_pydict() == {"a": [1]}
        assert pa.ipc.open_stream(stream).read_all().to_pydict() == {"b": ["x"]}


def test_backslash_commands(sqlengine: Command, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    included = tmp_path / "more sql.sql"
    included.write_text("SELECT 2 AS a;")
    run = sqlengine(
        "-c",
        f"""
        \\format csv
        \\o {out}
        SELECT 1 AS a;
        \\o
        \\i '{included}'
        \\format vertical
        SELECT 3 AS a;
        \\format table
        \\x
        SELECT 4 AS a;
        \\q
        SELECT 5 AS a;
        """,
    )
    assert (run.status, out.read_text()) == (0, "a\n1\n")
    assert run.out == "a\n2\n─[ row 1 ]─\na │ 3\n(1 row)\n─[ row 1 ]─\na │ 4\n(1 row)\n"
    assert run.session.executed[-1].startswith("SELECT 4")


def test_looking_around(sqlengine: Command) -> None:
    assert sqlengine("-c", "\\d").out.splitlines()[0] == "streams"
    assert "price" in sqlengine("-c", "\\d orders", "--format", "csv").out
    assert sqlengine("-c", "\\dt", "--format", "csv").out == "name\npeople\n"
    assert sqlengine("-c", "\\dv").err == "there are no views\n"
    run = sqlengine("-c", "\\?")
    assert all(name in run.err for name in ("\\q", "\\d [NAME]", "\\timing [on|off]", "Ctrl-R"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("\\fromat csv", "did you mean \\format?"),
        ("\\zzzzzz", "\\? lists the commands"),
        ("\\format cvs", 'did you mean "csv"?'),
        ("\\x maybe", "on, off or auto"),
        ("\\timing maybe", "on or off"),
        ("\\rows few", "a number or all"),
        ("\\i", "needs the name of a file"),
        ("\\o /nonexistent/x", 'cannot write "/nonexistent/x": no such file'),
    ],
)
def test_wrong_backslash_commands(sqlengine: Command, line: str, told: str) -> None:
    run = sqlengine("-c", line, "-c", "SELECT 1")
    assert run.status == 1
    assert told in run.err
