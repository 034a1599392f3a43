"""The live view in a real terminal, over the real engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repl.golden import assert_screen
from tests.repl.real_terminal import Terminal

SETUP = """
CREATE TABLE orders (id BIGINT PRIMARY KEY, customer TEXT, cents BIGINT);
INSERT INTO orders VALUES (1, 'ada', 1200), (2, 'bob', 450), (3, 'ada', 300), (4, '東京', 99), (5, NULL, 7);
"""
QUERY = "SELECT customer, count(*) AS orders, sum(cents) AS cents FROM orders GROUP BY customer EMIT CHANGES;"


def still(screen: str) -> str:
    """A screen without the figures that differ from run to run."""
    return re.sub(r" · [\d.]+[kM]? changes/s.*", " · ...", screen)


@pytest.fixture
def setup(tmp_path: Path) -> str:
    (tmp_path / "setup.sql").write_text(SETUP)
    return f"\\i {tmp_path / 'setup.sql'}"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
def test_a_query_is_followed_until_it_is_left(tmp_path: Path, setup: str, width: int, height: int) -> None:
    with Terminal(width=width, height=height, state_home=tmp_path) as terminal:
        terminal.wait_for("sql>")
        terminal.run(setup)
        terminal.wait_for("INSERT")
        terminal.run(QUERY)
        assert_screen(f"terminal_live_{width}x{height}", still(terminal.wait_for("current rows", "state")))
        terminal.press("tab")
        assert_screen(f"terminal_changes_{width}x{height}", still(terminal.wait_for("changes", "+I", "state")))
        terminal.press("y")
        terminal.wait_for("4 rows copied")
        assert b"\x1b]52;c;" in terminal.received
        terminal.press("q")
        terminal.wait_for("4 changes, 4 rows")
        terminal.run("SELECT 41 + 1 AS answer;")
        terminal.wait_for("42")


def test_an_error_of_the_query_is_told_before_anything_opens(tmp_path: Path) -> None:
    with Terminal(state_home=tmp_path) as terminal:
        terminal.wait_for("sql>")
        terminal.run("SELECT nothing FROM nowhere EMIT CHANGES;")
        terminal.wait_for("42P01")
