"""The prompt in a real terminal, over the real engine: a table, an error, the menu of completions, Ctrl-C."""

from __future__ import annotations

import re
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlengine import connect
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


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """A server with the tables of the setup."""
    with connect() as database, database.serve(host="127.0.0.1", port=0) as server:
        for statement in SETUP.strip().split("\n"):
            database.execute(statement)
        yield f"postgresql://sqlengine@127.0.0.1:{server.port}/sqlengine"


@SIZES
def test_a_server_is_the_same_prompt(served: str, tmp_path: Path, width: int, height: int) -> None:
    arguments = (served, "--quiet", "--no-timing")
    quiet = {"XDG_CONFIG_HOME": str(tmp_path), "NO_COLOR": "", "COLUMNS": str(width), "LINES": str(height)}
    with Terminal(*arguments, width=width, height=height, state_home=tmp_path, environ=quiet) as terminal:
        terminal.wait_for("sql>")
        for statement, name in (("SELECT * FROM orders ORDER BY id;", "table"), ("SELECT prcie FROM orders;", "error")):
            terminal.run(statement)
            assert_screen(f"prompt_{name}_{width}x{height}", terminal.wait(lambda text: text.count("sql>") == 2))
            terminal.press("\x0c")
            terminal.wait(lambda screen: screen.strip() == "sql>")
        terminal.type("SELECT o.id FROM orders o WHERE o.")
        screen = terminal.wait(lambda text: re.search(r"price\s+double precision", text) is not None)
        assert_screen(f"prompt_menu_{width}x{height}", screen)


FILLED = (
    "CREATE STREAM many (n BIGINT); INSERT INTO many SELECT range FROM range(100000); SET backfill_rate_limit = 20000;"
)


@pytest.mark.parametrize("place", ["embedded", "remote"])
def test_progress_is_drawn_and_ctrl_c_cancels_and_ctrl_d_leaves(served: str, tmp_path: Path, place: str) -> None:
    with Terminal(*([served] if place == "remote" else []), state_home=tmp_path, width=120) as terminal:
        terminal.wait_for("sql>")
        terminal.run("SELECT count(*) FROM range(100000000) a, range(1000000) b;")
        terminal.wait_for("running, Ctrl-C ends it")
        terminal.press("c-c")
        terminal.wait_for("cancelled")
        terminal.run("SELECT 41 + 1 AS answer;")
        terminal.wait_for("42")
        terminal.run(FILLED)
        terminal.wait_for("SET (")
        terminal.run("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM many;")  # five seconds of work
        terminal.wait(lambda text: re.search(r"\d+%  [\d,]+ rows  [\d.]+k rows/s  ETA [\d.]+ s", text) is not None)
        terminal.press("c-c")
        terminal.wait(lambda text: text.count("cancelled") == 2)
        terminal.run("SELECT count(*) AS views FROM system.materialized_views WHERE name = 'v';")
        terminal.wait_for("│ bigint │", "│      0 │")
        terminal.press("c-d")
        assert terminal.exit_status() == 0


@pytest.mark.parametrize("place", ["embedded", "remote"])
def test_keys_typed_while_a_statement_runs_wait_for_the_next_prompt(served: str, tmp_path: Path, place: str) -> None:
    with Terminal(*([served] if place == "remote" else []), state_home=tmp_path, width=120) as terminal:
        terminal.wait_for("sql>")
        terminal.run("SELECT count(*) AS n FROM range(80000) a, range(40000) b;")
        terminal.wait_for("running, Ctrl-C ends it")
        terminal.type("SELECT 6 * 9 AS pro")
        terminal.press("\x7f", "\x7f", "\x7f")
        terminal.run("answer;")
        terminal.press("c-d")
        assert terminal.exit_status() == 0
        assert " 3200000000 │" in terminal.text and " 54 │" in terminal.text
        assert "sql> SELECT 6 * 9 AS answer;" in terminal.text  # shown by the prompt, not between the rows


def test_programs_of_the_user_and_whoever_comes_after_find_the_terminal_as_it_was(tmp_path: Path) -> None:
    seen, program = tmp_path / "seen", tmp_path / "program"
    program.write_text(f"#!/bin/sh\nstty -a < /dev/tty >> {seen}\n")
    program.chmod(0o755)
    with Terminal(state_home=tmp_path, environ={"EDITOR": str(program)}) as terminal:
        before = termios.tcgetattr(terminal.handle)
        terminal.wait_for("sql>")
        terminal.run(f"\\pager {program}")
        terminal.run("SELECT range FROM range(1000);")
        terminal.run("\\e")
        terminal.wait(lambda _: seen.exists() and seen.read_text().count(" icanon") == 2)
        terminal.run("CREATE STREAM s (n INTEGER); INSERT INTO s VALUES (1); DROP STREAM s;")
        terminal.wait_for("[y/N]")
        terminal.run("nx\x7f")  # a line is edited here with the keys of the terminal
        terminal.wait_for("[y/N] n")
        terminal.press("c-d")
        assert terminal.exit_status() == 0
        after = termios.tcgetattr(terminal.handle)
    assert " -icanon" not in seen.read_text() and " -echo " not in seen.read_text()
    assert after == before


@pytest.mark.parametrize(("width", "height"), [(80, 24)])
def test_colours_are_on_the_screen(terminal: Terminal) -> None:
    terminal.type("SELECT 'a', 1")
    terminal.wait_for("SELECT 'a', 1")
    found = terminal.wait(lambda _text: {"blue", "green", "magenta"} <= terminal.colors(0))
    assert "SELECT 'a', 1" in found
