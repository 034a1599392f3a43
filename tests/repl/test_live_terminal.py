"""The live view in a real terminal, over the real engine."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from tests.repl.golden import assert_screen, golden
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
        terminal.wait_for("current rows", "state")
        terminal.wait(lambda screen: still(screen).rstrip("\n") == golden(f"terminal_live_{width}x{height}"))
        terminal.press("tab")
        terminal.wait(lambda screen: still(screen).rstrip("\n") == golden(f"terminal_changes_{width}x{height}"))
        terminal.press("y")
        terminal.wait_for("4 rows copied")
        terminal.wait(lambda _screen: b"\x1b]52;c;" in terminal.received)  # it comes behind the screen
        terminal.press("q")
        terminal.wait_for("4 changes, 4 rows")
        terminal.run("SELECT 41 + 1 AS answer;")
        terminal.wait_for("42")


def test_an_error_of_the_query_is_told_before_anything_opens(tmp_path: Path) -> None:
    with Terminal(state_home=tmp_path) as terminal:
        terminal.wait_for("sql>")
        terminal.run("SELECT nothing FROM nowhere EMIT CHANGES;")
        terminal.wait_for("42P01")


VIEWS = """
CREATE MATERIALIZED VIEW spent AS SELECT customer, sum(cents) AS cents FROM orders GROUP BY customer;
CREATE MATERIALIZED VIEW rich AS SELECT customer FROM spent WHERE cents > 1000;
"""


def masked(screen: str) -> str:
    """A screen without its figures and the widths they need."""
    screen = re.sub(r"(?<![\w#])[\d][\d.,:]*[kMG]?", "#", screen)
    return "\n".join(re.sub(r"─+", "─", re.sub(r" +", " ", line)).rstrip() for line in screen.split("\n")).rstrip("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
def test_screens_of_the_dashboard(tmp_path: Path, setup: str, width: int, height: int) -> None:
    with (tmp_path / "setup.sql").open("a") as script:
        script.write(VIEWS)
    with Terminal(width=width, height=height, state_home=tmp_path) as terminal:
        terminal.wait_for("sql>")
        terminal.run(setup)
        terminal.wait(lambda screen: screen.count("CREATE MATERIALIZED VIEW (") == 2)
        terminal.run("\\top")
        terminal.wait_for("2 queries", "rich", "spent")
        for key, name in (("s", "queries"), ("g", "graph")):
            terminal.press(key)
            wanted = f"terminal_top_{name}_{width}x{height}"
            if os.environ.get("SQLENGINE_WRITE_SCREENS"):
                time.sleep(3)
                assert_screen(wanted, masked(terminal.text))
            terminal.wait(lambda screen, wanted=wanted: masked(screen) == golden(wanted))  # type: ignore[misc]


def test_the_dashboard_on_a_terminal(tmp_path: Path, setup: str) -> None:
    with (tmp_path / "setup.sql").open("a") as script:
        script.write(VIEWS)
    with Terminal(width=100, height=24, state_home=tmp_path) as terminal:
        terminal.wait_for("sql>")
        terminal.run(setup)
        terminal.wait(lambda screen: screen.count("CREATE MATERIALIZED VIEW (") == 2)
        terminal.run("\\top")
        terminal.wait_for("2 queries", "rich", "spent", "running")
        terminal.press("enter")
        terminal.wait_for("Scan", "Filter", "operators,")
        terminal.press("g")
        terminal.wait_for("● Filter", "spent  running", "GroupAggregate")
        terminal.press("escape")
        terminal.wait_for("running queries")
        terminal.press("p")
        terminal.wait_for("paused", "done")
        terminal.press("r")
        terminal.wait(lambda screen: "paused" not in screen and "done" in screen)
        terminal.press("k", "y", "enter")
        terminal.wait_for("[0A000]")
        terminal.press("c-c")
        terminal.wait(lambda screen: screen.rstrip().endswith("sql>"))
        terminal.run("SELECT customer, cents FROM spent ORDER BY cents DESC LIMIT 2;")
        terminal.wait_for("2 rows")
        terminal.run("\\watch 0.1")
        terminal.wait_for("every 0.1 s", "run 3", "ada")
        terminal.press("q")
        terminal.run("\\live spent")
        terminal.wait_for("SUBSCRIBE spent", "current rows", "東京")
