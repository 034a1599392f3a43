"""A server that hangs: typing goes on, and Ctrl-C twice or Ctrl-D leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from repl.__main__ import INTERRUPTED
from tests.repl.real_terminal import Terminal
from tests.server.process import served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    """Where it listens, and its process."""
    command = [sys.executable, "-m", "repl", "serve", "--pg", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)", process.stderr.readline())
        assert found is not None
        try:
            yield f"postgresql://sqlengine@127.0.0.1:{found[1]}/sqlengine", process.pid
        finally:
            os.kill(process.pid, signal.SIGCONT)
            process.terminate()


@pytest.mark.parametrize("way", ["c-c", "c-d"])
def test_the_prompt_is_not_held_up(server: tuple[str, int], tmp_path: Path, way: str) -> None:
    address, pid = server
    with Terminal(address, state_home=tmp_path, cold=True) as terminal:
        terminal.wait_for("sql>")
        terminal.run("CREATE TABLE IF NOT EXISTS orders (id BIGINT PRIMARY KEY, price BIGINT);")
        terminal.wait_for("CREATE TABLE (")
        terminal.type("SELECT o.id FROM orders o WHERE o.")
        terminal.wait(lambda text: re.search(r"price\s+bigint", text) is not None)
        terminal.press("c-c")
        os.kill(pid, signal.SIGSTOP)
        try:
            terminal.type("SELECT o.id FROM orders o WHERE o.")
            terminal.wait(lambda text: text.count("price") > 1)
            terminal.press("c-c")
            if way == "c-c":
                terminal.run("\\dt")
                terminal.wait_for("running, Ctrl-C ends it")
                terminal.press("c-c")
                time.sleep(2.5)  # within two seconds a second Ctrl-C is taken for impatience
            else:
                terminal.wait(lambda screen: screen.rstrip().endswith("sql>"))
            terminal.press(way)
            assert terminal.exit_status() == (INTERRUPTED if way == "c-c" else 0)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_server_that_was_stopped_heeds_what_ended_it_meanwhile() -> None:
    """The signal may go to any thread of a process that is continued; Python's handlers run on one."""
    with served() as process:
        os.kill(process.process.pid, signal.SIGSTOP)
        time.sleep(0.05)
        os.kill(process.process.pid, signal.SIGTERM)
        os.kill(process.process.pid, signal.SIGCONT)
        assert process.process.wait(30) == 0
