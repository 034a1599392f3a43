"""Variables, the configuration file and colours on the command line: over fake sessions, and as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repl.variables import unset
from tests.repl.conftest import Command
from tests.repl.test_real import ROOT
from tests.server.forked import completed


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration but the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SQLENGINE_CONFIG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "sqlengine").mkdir()
    return tmp_path / "sqlengine" / "config.toml"


def test_variables_are_filled_in(sqlengine: Command) -> None:
    done = sqlengine("-v", "x=it's", "--set", "n=5", "-c", "SELECT :'x' AS a, :n AS b", "--format", "csv")
    assert (done.status, done.out) == (0, "a,b\nit's,5\n")
    assert done.session.executed == ["SELECT 'it''s' AS a, 5 AS b"]


@pytest.mark.parametrize("wrong", ["x", "=1", "1x=2", "a-b=1"])
def test_variables_that_set_nothing(sqlengine: Command, wrong: str) -> None:
    done = sqlengine("-v", wrong, "-c", "SELECT 1")
    assert done.status == 2 and "sets no variable" in done.err and "NAME=VALUE" in done.err


def test_variables_of_the_configuration_come_after_those_of_the_command(sqlengine: Command, home: Path) -> None:
    home.write_text('[variables]\na = "1"\nb = "2"\n')
    done = sqlengine("-v", "a=3", "-c", "SELECT :a AS a, :b AS b", "--format", "csv", "--no-header")
    assert done.out == "3,2\n"


def test_errors_point_into_the_text_with_its_variables(sqlengine: Command) -> None:
    done = sqlengine("-v", "c=prcie", "-c", "SELECT 1;\nMISSING :c", "--format", "csv")
    assert done.status == 1 and "at line 2:9" in done.err and "^^^^^" in done.err


@pytest.mark.parametrize("written", [":unknown", ":'unknown'"])
def test_a_variable_that_is_not_set_is_named(written: str) -> None:
    done = completed("-c", f"SELECT 1 + {written}")
    assert 'variable "unknown" is not set' in done.stderr and "-v unknown=VALUE" in done.stderr


def test_colons_of_other_errors_are_no_variables() -> None:
    assert unset("SELECT a:b", 8, "42601") is None and unset("SELECT nothing", 7, "42703") is None


def test_scripts_set_variables_for_what_follows(sqlengine: Command) -> None:
    done = sqlengine(
        "--format", "csv", "--no-header", stdin="\\set day 7\nSELECT :day AS d;\n\\unset day\nSELECT 8 AS d;\n"
    )
    assert (done.status, done.out) == (0, "7\n8\n")


def test_scripts_are_not_asked(sqlengine: Command) -> None:
    done = sqlengine("-c", "DROP TABLE t")
    assert done.status == 0 and done.session.executed == ["DROP TABLE t"]


def test_connections_have_names(sqlengine: Command, home: Path) -> None:
    home.write_text('[connections]\nlocal = "some/where"\n')
    assert sqlengine("local", "-c", "SELECT 1").databases[0].path == "some/where"
    assert sqlengine("other", "-c", "SELECT 1").databases[0].path == "other"


def test_a_configuration_that_makes_no_sense_is_an_error(sqlengine: Command, home: Path) -> None:
    home.write_text('edting = "vi"\n')
    done = sqlengine("-c", "SELECT 1")
    assert done.status == 1 and 'unknown setting "edting"' in done.err and "editing" in done.err
    assert done.databases == []


def test_a_configuration_of_ones_own(sqlengine: Command, home: Path, tmp_path: Path) -> None:
    home.write_text("nonsense")
    other = tmp_path / "other.toml"
    other.write_text('[variables]\nx = "9"\n')
    assert sqlengine("--config", str(other), "-c", "SELECT :x AS x", "--format", "csv").out == "x\n9\n"
    missing = sqlengine("--config", str(tmp_path / "none.toml"), "-c", "SELECT 1")
    assert missing.status == 1 and "no such file" in missing.err


ON_A_TERMINAL = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "environ", "colored"), [((), {}, True), (("--no-color",), {}, False), ((), {"NO_COLOR": "1"}, False)]
)
def test_colours_can_be_left_out(arguments: tuple[str, ...], environ: dict[str, str], colored: bool) -> None:
    command = [sys.executable, "-c", ON_A_TERMINAL, sys.executable, "-m", "repl", "-c", "SELECT NULL AS a", *arguments]
    command += ["--progress", "never"]
    done = subprocess.run(
        command,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        env=os.environ | {"TERM": "xterm"} | environ,
        stdin=subprocess.DEVNULL,
    )
    assert b"NULL" in done.stdout and (b"\x1b[" in done.stdout) is colored


@pytest.mark.slow
def test_the_whole_of_it_over_the_real_engine(tmp_path: Path) -> None:
    script = tmp_path / "load.sql"
    script.write_text('CREATE TABLE :"name" (a text);\nINSERT INTO :"name" VALUES (:\'value\');\n')
    done = completed(
        "-v", "name=Odd name", "-v", "value=x'y", "-f", str(script), "-c", 'SELECT * FROM :"name"', "--format", "csv"
    )
    assert (done.returncode, done.stdout) == (0, "a\nx'y\n"), done.stderr
