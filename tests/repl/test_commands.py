"""Backslash commands over the real engine."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from repl.app import run_text
from repl.commands.loading import stream_name
from repl.commands.tutorial import STEPS
from repl.shell import Display, Shell
from repl.statements import Statement
from repl.terminal import Output, Screen
from sqlengine import Database, connect


class Typed:
    """A shell that is typed to: `run` gives what it wrote to its results and messages."""

    def __init__(self, database: Database, interactive: bool = False) -> None:
        self._out, self._err = io.BytesIO(), io.StringIO()
        self.session = database.session()
        self.shell = Shell(
            self.session, lambda: Output(self._out, Screen()), self._err,
            display=Display("csv"), interactive=interactive, open_session=database.session,
        )  # fmt: skip

    def run(self, *lines: str) -> str:
        self.good = self.shell.run_script([f"{line}\n" for line in lines])
        told = self._out.getvalue().decode() + self._err.getvalue()
        self._out.seek(0), self._out.truncate(), self._err.seek(0), self._err.truncate()
        return told


@pytest.fixture
def typed() -> Iterator[Typed]:
    with connect() as database:
        made = Typed(database)
        yield made
        made.shell.close()
        made.session.close()


def test_an_object_is_described_with_its_readers(typed: Typed) -> None:
    typed.run(
        "CREATE STREAM s (a bigint, ts timestamp, WATERMARK FOR ts AS ts);",
        "CREATE MATERIALIZED VIEW v AS SELECT a, count(*) AS n FROM s GROUP BY a;",
    )
    told = typed.run("\\d s")
    assert "a,bigint,t," in told and "watermark: ts AS ts" in told and "read by: v" in told
    told = typed.run("\\d v")
    assert "n,bigint" in told and "query: SELECT a, count(*) AS n FROM s GROUP BY a" in told and "read by" not in told


@pytest.mark.parametrize(
    ("command", "found"),
    [("\\dt", "t,"), ("\\dt t*", "t,"), ("\\dt x*", "there are no tables like x*"), ("\\dv", "there are no views"),
     ("\\df ab*", "abs"), ("\\dn", "public"), ("\\du", "pg_maintain"), ("\\l", "sqlengine"),
     ("\\dq", "there are no queries"), ("\\explain SELECT * FROM t", "QUERY PLAN")],
)  # fmt: skip
def test_lists(typed: Typed, command: str, found: str) -> None:
    typed.run("CREATE TABLE t (a bigint);")
    assert found in typed.run(command)


def test_variables_are_set_and_forgotten(typed: Typed) -> None:
    assert "it's" in typed.run("\\set x it's", "SELECT :'x' AS x;")
    assert "x = it's" in typed.run("\\set")
    assert "42601" in typed.run("\\unset x", "SELECT :'x' AS x;")
    assert 'there is no variable "y"' in typed.run("\\unset y")
    assert 'no variable can be called "1"' in typed.run("\\set 1 2")
    assert "editing is emacs or vi" in typed.run("\\set editing nano")
    typed.run("\\set editing vi")
    assert typed.shell.editing == "vi"


def test_the_dialect(typed: Typed) -> None:
    typed.run("\\dialect hive")
    assert "hive" in typed.run("\\dialect")
    assert "did you mean" in typed.run("\\dialect hvie")


def test_pset(typed: Typed) -> None:
    assert '{"a":1}' in typed.run("\\pset format ndjson", "SELECT 1 AS a;")
    assert typed.run("\\pset format csv", "\\pset tuples_only on", "SELECT 1 AS a;").startswith("1\n")
    assert 'pset knows no "frmat"' in typed.run("\\pset frmat csv")
    typed.run("\\pset tuples_only off", "\\dialect hive", "SET hive.cli.print.header=true;")
    assert "a\n[1,null]\n" in typed.run("\\pset format hive", "SELECT array(1, NULL) AS a;")
    assert 'did you mean "hive"?' in typed.run("\\pset format hiv")


def test_a_file_becomes_a_stream(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "Some items.csv"
    file.write_text("id,name,at\n1,tea,2024-01-01 00:00:00\n2,milk,2024-01-02 00:00:00\n")
    told = typed.run(f'\\import "{file}"', "SELECT * FROM some_items ORDER BY id;")
    assert typed.good and "COPY 2" in told and "1,tea,2024-01-01 00:00:00" in told
    typed.run(f'\\import "{file}" other')
    assert "2" in typed.run("SELECT count(*) FROM other;")
    assert "takes a file" in typed.run("\\import") and not typed.good
    assert "error" in typed.run("\\import none.csv") and not typed.good


def test_a_prompt_asks_before_it_imports(tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("id\n1\n")
    with connect() as database:
        typed = Typed(database, interactive=True)
        typed.shell.read_answer = lambda: "n"
        told = typed.run(f"\\import {file}")
        assert '"id" bigint' in told and "not done" in told
        assert "there are no streams" in typed.run("\\ds")
        typed.shell.close()
        typed.session.close()


@pytest.mark.parametrize(
    ("path", "name"), [("/a/B-c d.csv.gz", "b_c_d"), ("2024.json", "file_2024"), ("?.csv", "file")]
)
def test_names_of_imported_streams(path: str, name: str) -> None:
    assert stream_name(path) == name


def test_copy(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    assert "COPY 1" in typed.run("CREATE TABLE t (a bigint);", "INSERT INTO t VALUES (7);", f"\\copy t to '{file}'")
    assert "7" in file.read_text()


@pytest.mark.parametrize("taken", ["clicks", "per_page"])
def test_a_demo_that_finds_its_names_taken_leaves_nothing_and_says_which_it_needs(taken: str) -> None:
    with connect() as database:
        typed = Typed(database, interactive=True)
        typed.shell.read_answer = lambda: pytest.fail("nobody is asked about what \\demo itself has made")
        typed.run(f"CREATE TABLE {taken} (a INT);")
        said = typed.run("\\demo")
        assert f'relation "{taken}" already exists [42P07]' in said and '"clicks" and "per_page"' in said
        assert "there are no streams" in typed.run("\\ds") and typed.shell.confirms
        typed.shell.close()
        typed.session.close()


def test_the_demo_has_rows(typed: Typed) -> None:
    assert "per_page follows it" in typed.run("\\demo")
    assert "clicks" in typed.run("\\ds") and "per_page" in typed.run("\\dv")
    late = "SELECT count(*) AS late FROM clicks WHERE at < now()::timestamp - INTERVAL '10 minutes';"
    assert typed.run("SELECT pg_sleep(0.2);", late).endswith("late\n0\n")
    typed.run("DROP STREAM clicks CASCADE;")


def test_the_tutorial_is_done_by_its_own_examples(typed: Typed) -> None:
    for number, step in enumerate(STEPS, 1):
        assert f"step {number} of 8" in typed.run("\\tutorial")
        told = typed.run(step.example)
        assert typed.good, told
    assert "step 8 is done" in typed.run("\\tutorial")
    told = typed.run("\\tutorial restart")
    assert "still there" in told and "step 8 is done" in told
    typed.run("DROP STREAM lesson CASCADE;", "DROP TABLE lesson_names CASCADE;")
    assert "step 1 of 8" in typed.run("\\tutorial restart")
    assert 'unknown argument "stop"' in typed.run("\\tutorial stop")


def test_at_the_prompt_the_tutorial_goes_on_by_itself(typed: Typed) -> None:
    def prompt(text: str) -> str:
        run_text(typed.shell, text)
        return typed.run()

    assert "step" not in prompt("SELECT 1;")
    assert "step 1 of 8" in prompt("\\tutorial")
    assert "step" not in prompt("CREATE STREAM lessons (item TEXT);")
    assert "step" not in prompt("CREATE STREAM lesson (item TEXT, price BIGNUM);")
    for number, step in enumerate(STEPS, 1):
        told = prompt(step.example)
        assert f"step {number} is done" in told and (f"step {number + 1} of 8" in told or number == 8), told
    assert "That was the tutorial" in told and "step" not in prompt("SELECT 1;")
    prompt("DROP STREAM lesson CASCADE; DROP TABLE lesson_names CASCADE;")
    assert "step 1 of 8" in prompt("\\tutorial")


def test_the_editor(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.sql"
    script.write_text("SELECT 1 AS a;\n")
    monkeypatch.setenv("VISUAL", "sed -i s/1/2/")
    assert "a\n2\n" in typed.run(f"\\e {script}")
    assert "needs a prompt" in typed.run("\\e")
    typed.shell.interactive, typed.shell.last_text = True, "SELECT 1;"
    assert typed.shell.run(Statement("\\e")) and typed.shell.next_text == "SELECT 2;"
    monkeypatch.setenv("VISUAL", "false")
    assert "ended with status 1" in typed.run("\\e")
    monkeypatch.setenv("VISUAL", str(tmp_path / "none"))
    assert "cannot run the editor" in typed.run("\\e")
