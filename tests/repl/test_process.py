"""The command as a process: pipes that close, Ctrl-C, terminals, and what it loads."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repl.fake import wait_until

COMMAND = [sys.executable, str(Path(__file__).with_name("fake_command.py"))]


def start(*arguments: str, **options: int) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([*COMMAND, *arguments], **pipes)


@pytest.mark.parametrize("format_name", ["csv", "table"])
def test_a_reader_that_goes_away_ends_it_quietly(format_name: str) -> None:
    process = start("-c", "SELECT range FROM range(300000)", "--format", format_name)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 141


def test_ctrl_c_ends_a_script_with_130() -> None:
    with start("-c", "ENDLESS 100000 1", "-c", "SELECT 1", "--format", "ndjson") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b'{"n":0,"name":"row 0"}\n'
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert rest.endswith(b"}\n") or rest == b"", "whole lines only, and nothing of the second statement"
        assert b'"1":1' not in rest
        assert process.stderr.read() == b""
        assert process.wait(60) == 130


def test_ctrl_c_cancels_a_statement_that_has_not_answered() -> None:
    with start("-c", "SLEEP", "--progress", "always", "-c", "SELECT 1") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stderr.read(1) != b"", "it says that it runs"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == b""
        assert process.wait(60) == 130


def test_a_first_statement_runs_before_the_second_is_written() -> None:
    with start("--format", "ndjson", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"SELECT 1 AS a;\n")
        process.stdin.flush()
        assert process.stdout.readline() == b'{"a":1}\n'
        process.stdin.write(b"SELECT 2 AS a")
        process.stdin.close()
        assert process.stdout.readline() == b'{"a":2}\n'
        assert process.wait(60) == 0


HEAVY = ("prompt_toolkit", "pandas", "polars", "sqlglot", "lark", "wcwidth", "pyarrow.dataset", "asyncio")


def test_one_statement_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['x', '-c', 'SHOW TABLES']\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "import repl.__main__ as command\n"
        "from tests.repl.fake import FakeDatabase\n"
        "command.connect = FakeDatabase\n"
        "assert command.main() == 0\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_pandas_still_works_after_the_cold_start() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from repl.coldstart import keep_pandas_out\n"
        "import pyarrow as pa\n"
        "keep_pandas_out()\n"
        "pa.array([1])\n"
        "assert 'pandas' not in sys.modules\n"
        "assert pa.table({'a': [1]}).to_pandas()['a'].tolist() == [1]\n"
        "import pandas as pd\n"
        "assert pa.Table.from_pandas(pd.DataFrame({'a': ['x', None]})).to_pydict() == {'a': ['x', None]}\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=60, check=True)


OWN_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "os.setsid()\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # so that Ctrl-C is a signal to the command
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)


class Terminal:
    """The command on a terminal of its own, 80 cells wide."""

    def __init__(self, tmp_path: Path, *arguments: str) -> None:
        environ = os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24", "XDG_STATE_HOME": str(tmp_path)}
        environ |= {"PROMPT_TOOLKIT_NO_CPR": "1", "LANG": "C.UTF-8"}
        environ.pop("NO_COLOR", None)
        self.shown = b""
        self._fd, inside = pty.openpty()
        command = [sys.executable, "-c", OWN_TERMINAL, *COMMAND, *arguments]
        self._process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=environ)
        os.close(inside)
        os.set_blocking(self._fd, False)

    def sees(self, text: str) -> bool:
        """True once the text is on the screen; it then counts as read."""
        try:
            self.shown += os.read(self._fd, 65_536)
        except (BlockingIOError, OSError):
            pass  # nothing new, or the command has left: what was shown is all there is
        before, found, after = self.shown.partition(text.encode())
        if found:
            self.shown = after
        return bool(found)

    def expect(self, text: str) -> None:
        """Wait until the text is shown."""
        wait_until(lambda: self.sees(text))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    def leave(self) -> int:
        """The exit status of the command, which is leaving."""
        status = self._process.wait(60)
        os.close(self._fd)
        return status


@pytest.mark.slow
def test_the_prompt_on_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.expect("in memory: nothing is kept")
    terminal.expect("sql>")
    terminal.type("SELECT 41 + 1 AS answer,\r")
    terminal.expect("...>")
    terminal.type("NULL AS nothing;\r")
    terminal.expect("│      42 │ \x1b[2mNULL   \x1b[0m │")
    terminal.expect("sql>")
    terminal.type("SLEEP;\r")
    terminal.expect("25%")
    terminal.type("\x03")
    terminal.expect("cancelled")
    terminal.expect("sql>")
    terminal.type("SELECT nonsense\x03")
    terminal.expect("sql>")
    terminal.type("ENDLESS 2 1;\r")
    terminal.expect("row 1")
    terminal.type("\x03")
    terminal.expect("2 changes, 2 rows")
    terminal.expect("sql>")
    terminal.type("MISSING prcie;\r")
    terminal.expect("^^^^^")
    terminal.expect("sql>")
    terminal.type("\x04")
    assert terminal.leave() == 0
    history = (tmp_path / "sqlengine" / "history").read_text()
    assert "+SELECT 41 + 1 AS answer,\n+  NULL AS nothing;\n" in history
    assert (tmp_path / "sqlengine" / "history").stat().st_mode & 0o077 == 0


def test_arrow_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "-c", "SELECT 1", "--format", "arrow")
    terminal.expect("would garble the terminal")
    assert terminal.leave() == 1
