"""Ways out, in a real terminal: Ctrl-C twice, Ctrl-D, keys typed while a view closes; a pager of one's own."""

from __future__ import annotations

import time
from pathlib import Path

from repl.__main__ import INTERRUPTED
from tests.repl.fake import wait_until
from tests.repl.real_terminal import Terminal

FAKE = str(Path(__file__).with_name("fake_command.py"))
NUMBERS = "SELECT n FROM generate_series(1, 1000) AS g(n);"


def test_a_second_ctrl_c_aborts_what_does_not_stop(tmp_path: Path) -> None:
    with Terminal(state_home=tmp_path, command=[FAKE]) as terminal:
        terminal.wait_for("sql>")
        terminal.run("STUBBORN;")
        terminal.wait_for("running, Ctrl-C ends it")
        terminal.press("c-c")
        time.sleep(2.5)  # within two seconds a second Ctrl-C is taken for impatience
        terminal.press("c-c")
        assert terminal.exit_status() == INTERRUPTED
        assert "leaving without it" in terminal.text


def test_ctrl_c_clears_the_line_and_ctrl_d_leaves(tmp_path: Path) -> None:
    with Terminal(state_home=tmp_path, command=[FAKE]) as terminal:
        terminal.wait_for("sql>")
        terminal.type("SELECT what is this")
        terminal.wait_for("what is this")
        terminal.press("c-c")
        terminal.wait(lambda screen: screen.rstrip().endswith("sql>"))
        terminal.run("SELECT 41 + 1 AS answer;")
        terminal.wait_for("42")
        terminal.type("SELECT")
        terminal.wait_for("sql> SELECT")
        terminal.press("c-d")  # not while something is typed
        terminal.press("c-c")
        terminal.wait(lambda screen: screen.rstrip().endswith("sql>"))
        terminal.press("c-d")
        assert terminal.exit_status() == 0


def test_keys_typed_while_a_view_closes_are_not_lost(tmp_path: Path) -> None:
    with Terminal("--no-timing", state_home=tmp_path, cold=True) as terminal:
        terminal.wait_for("sql>")
        for number in range(3):
            terminal.run(NUMBERS)
            terminal.wait_for("row 1 of 1,000")
            terminal.type(f"qSELECT {number} + 40 AS answer;\r")
            terminal.wait_for(f"SELECT {number} + 40 AS answer;", f"│      {number + 40} │")
        terminal.press("c-d")
        assert terminal.exit_status() == 0


def test_the_pager_of_the_configuration(tmp_path: Path) -> None:
    paged = tmp_path / "paged.txt"
    (tmp_path / "config.toml").write_text(f"pager = \"sh -c 'cat > {paged}'\"\n")

    def wait_for(*texts: str) -> None:
        wait_until(lambda: paged.exists() and all(text in paged.read_text() for text in texts), 60.0)

    with Terminal("--config", str(tmp_path / "config.toml"), state_home=tmp_path, cold=True) as terminal:
        terminal.wait_for("sql>")
        terminal.run(NUMBERS)
        terminal.wait_for("(1000 rows, 40 shown")
        wait_for("│      1 │", "│    500 │", "│   1000 │")
        terminal.run("SELECT 7 AS seven;")
        terminal.wait_for("seven")
        terminal.run("\\last")
        wait_for("seven")
        terminal.run("\\?")
        wait_for("\\copy")
        terminal.run("\\pset pager off")
        terminal.wait_for("no result opens")
        terminal.run("SELECT n + 1 AS m FROM generate_series(1, 100) AS g(n);")
        terminal.wait_for("(100 rows, 40 shown")
        terminal.run("SELECT 'then' AS b;")
        terminal.wait_for("│ then │")
        assert "\\copy" in paged.read_text()
