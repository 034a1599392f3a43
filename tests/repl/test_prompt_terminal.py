"""The prompt in a real terminal, over the real engine: a table, an error, the menu of completions, Ctrl-C."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repl.golden import assert_screen
from tests.repl.real_terminal import Terminal

SETUP = """
CREATE STREAM orders (id BIGINT, item TEXT, price DOUBLE PRECISION, note TEXT);
CREATE MATERIALIZED VIEW per_item AS SELECT item, count(*) AS n, sum(price) AS total FROM orders GROUP BY item;
INSERT INTO orders VALUES (1, 'tea', 2.5, 'hot'), (2, '牛乳', 1.25, NULL), (3, 'bread', 12.75, repeat('long ', 40));
"""
SIZES = pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])


@pytest.fixture
def terminal(tmp_path: Path, width: int, height: int) -> Iterator[Terminal]:
    """The prompt after the setup, on a clear screen."""
    script = tmp_path / "setup.sql"
    script.write_text(SETUP)
    quiet = {"XDG_CONFIG_HOME": str(tmp_path), "NO_COLOR": "", "COLUMNS": str(width), "LINES": str(height)}
    with Terminal("--quiet", "--no-timing", width=width, height=height, state_home=tmp_path, environ=quiet) as opened:
        opened.wait_for("sql>")
        opened.run(f"\\i {script}")
        opened.run("SELECT 'ready' AS state;")
        opened.wait_for("│ ready │")
        opened.press("\x0c")
        opened.wait(lambda screen: "ready" not in screen and "sql>" in screen)
        yield opened


@SIZES
def test_a_result(terminal: Terminal, width: int, height: int) -> None:
    terminal.run("SELECT * FROM orders ORDER BY id;")
    screen = terminal.wait(lambda text: text.count("sql>") == 2)
    assert "牛" in screen and "NULL" in screen
    assert_screen(f"prompt_table_{width}x{height}", screen)


@SIZES
def test_an_error(terminal: Terminal, width: int, height: int) -> None:
    terminal.run("SELECT prcie FROM orders;")
    screen = terminal.wait(lambda text: text.count("sql>") == 2)
    assert "^^^^^" in screen and 'did you mean "price"?' in screen
    assert_screen(f"prompt_error_{width}x{height}", screen)


@SIZES
def test_the_menu_of_completions(terminal: Terminal, width: int, height: int) -> None:
    terminal.type("SELECT o.id FROM orders o WHERE o.")
    screen = terminal.wait(lambda text: re.search(r"price\s+double precision", text) is not None)
    assert_screen(f"prompt_menu_{width}x{height}", screen)
    terminal.press("tab", "tab", "tab", "enter")
    terminal.run(" > 12;")
    terminal.wait_for("WHERE o.price > 12;", "│      3 │")


@pytest.mark.parametrize(("width", "height"), [(80, 24)])
def test_ctrl_c_cancels_what_runs_and_ctrl_d_leaves(terminal: Terminal) -> None:
    terminal.run("SELECT count(*) FROM range(100000000) a, range(1000000) b;")
    terminal.wait_for("b;")
    time.sleep(1.5)  # until it runs; before that Ctrl-C clears the line
    terminal.press("c-c")
    terminal.wait_for("cancelled")
    terminal.run("SELECT 41 + 1 AS answer;")
    terminal.wait_for("42")


@pytest.mark.parametrize(("width", "height"), [(80, 24)])
def test_colours_are_on_the_screen(terminal: Terminal) -> None:
    terminal.type("SELECT 'a', 1")
    terminal.wait_for("SELECT 'a', 1")
    found = terminal.wait(lambda _text: {"blue", "green", "magenta"} <= terminal.colors(0))
    assert "SELECT 'a', 1" in found
