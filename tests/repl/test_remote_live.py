"""Live views and the dashboard over a server, in a real terminal: figures at the foot, pause, state of the view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlengine import connect
from tests.repl.real_terminal import Terminal

SETUP = """
CREATE STREAM rides (city TEXT, fare BIGINT, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '5 seconds');
CREATE MATERIALIZED VIEW by_city AS SELECT city, count(*) AS n, sum(fare) AS fares FROM rides GROUP BY city;
INSERT INTO rides VALUES ('Oslo', 10, '2026-05-01 12:30:00'), ('Lima', 3, '2026-05-01 12:30:01');
"""


@pytest.fixture(params=["embedded", "remote"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    script = tmp_path / "setup.sql"
    script.write_text(SETUP)
    with connect() as database, database.serve(host="127.0.0.1", port=0) as server:
        place = [f"postgresql://sqlengine@127.0.0.1:{server.port}/sqlengine"] if request.param == "remote" else []
        with Terminal(*place, width=120, height=24, state_home=tmp_path) as opened:
            opened.wait_for("sql>")
            opened.run(f"\\i {script}")
            opened.wait_for("INSERT 0 2")
            yield opened


def test_figures_of_what_is_followed(terminal: Terminal) -> None:
    terminal.run("SUBSCRIBE by_city;")
    found = terminal.wait_for("Oslo", "Lima", "state 2 rows", "watermark 12:29:56")
    assert re.search(r"lag \d+ h", found) and re.search(r"state 2 rows [\d.]+ kB", found)
    terminal.press("q")
    terminal.wait_for("2 changes, 2 rows")
    terminal.run("SELECT city, max(fare) AS most FROM rides GROUP BY city EMIT CHANGES;")
    terminal.wait_for("most", "state 2 rows", "watermark 12:29:56")
    terminal.press("c-c")
    terminal.wait(lambda screen: screen.rstrip().endswith("sql>"))
    terminal.run("SELECT sum(fares) AS all_fares FROM by_city;")
    terminal.wait_for("all_fares", "13")
    terminal.run("SELECT all_fares + 1 AS more FROM _;")
    terminal.wait_for("more", "14")


def test_the_dashboard_and_a_pipeline(terminal: Terminal) -> None:
    terminal.run("\\top")
    terminal.wait_for("1 query", "by_city", "running", "rows/s in")
    terminal.press("p")
    terminal.wait_for("paused", "done")
    terminal.press("r")
    terminal.wait(lambda screen: "paused" not in screen and "done" in screen)
    terminal.press("q")
    terminal.run("\\graph by_city")
    terminal.wait_for("● GroupAggregate", "● Scan", "rows/s in")
    terminal.press("down", "down", "enter")
    terminal.wait_for("operator, ", "late rows", "reads")
    terminal.press("q")
    terminal.run("\\graph by_ciyt")
    terminal.wait_for('did you mean "by_city"?')
