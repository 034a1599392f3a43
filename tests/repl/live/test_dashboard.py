"""The dashboard and pipelines without a terminal."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import pytest

import sqlengine
from repl.live.dashboard import Dashboard
from repl.live.graph import graph_lines
from repl.live.lines import plain
from repl.live.snapshot import Snapshot, operator_table, query_table, read_snapshot
from sqlengine.runtime.clock import VirtualClock
from tests.collectors.clock import START_US
from tests.repl.golden import assert_screen

TIME = datetime.datetime(2026, 5, 1, 12, 30, 5, tzinfo=datetime.UTC)
SETUP = """
CREATE STREAM rides (city TEXT, fare BIGINT, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '5 seconds');
CREATE MATERIALIZED VIEW by_city AS SELECT city, count(*) AS rides, sum(fare) AS fares FROM rides GROUP BY city;
CREATE MATERIALIZED VIEW pairs AS SELECT a.city, b.rides FROM by_city a JOIN by_city b ON a.city = b.city
WHERE a.fares > 5;
INSERT INTO rides VALUES ('Oslo', 10, '2026-05-01 12:30:00'), ('Lima', 3, '2026-05-01 12:30:01');
"""


def query(number: int, scale: int = 1, **changes: Any) -> Mapping[str, Any]:
    return {
        "query_id": f"q{number}", "name": f"view_{number}", "status": "running", "rows_in": 1_000 * scale * number,
        "rows_out": 10 * scale, "late_rows": 0, "errors": 0, "state_rows": 5, "state_bytes": 4_120 * number,
        "watermark": TIME - datetime.timedelta(seconds=number), "rows_behind": 0, "busy_ms": 100.0 * scale,
        "error": None, "query": "SELECT 1",
    } | changes  # fmt: skip


def operator(query_id: str, number: int, node: str, inputs: list[int], scale: int = 1) -> Mapping[str, Any]:
    return {
        "query_id": query_id, "operator": number, "node": node, "detail": f"detail of {node}", "inputs": inputs,
        "rows_in": 1_000 * scale, "rows_out": 500 * scale, "late_rows": 0, "state_rows": number * 2,
        "state_bytes": number * 900, "watermark": None, "busy_ms": 10.0 * scale * (number + 1),
    }  # fmt: skip


def snapshot(at: float, scale: int) -> Snapshot:
    queries = [
        query(1, scale),
        query(2, scale, status="failed", error="division by zero", errors=3),
        query(3, scale, status="paused", rows_behind=12_000, watermark=None),
    ]
    nodes = [("Scan", []), ("Filter", [0]), ("GroupAggregate", [1])]
    operators = [
        operator(f"q{n}", number, node, inputs, scale * n)
        for n in (1, 2, 3)
        for number, (node, inputs) in enumerate(nodes)
    ]
    return Snapshot(at, TIME + datetime.timedelta(seconds=at), queries, operators)


def dashboard() -> Dashboard:
    screen = Dashboard()
    screen.tell(snapshot(0.0, 1))
    screen.tell(snapshot(2.0, 3))
    return screen


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
@pytest.mark.parametrize("mode", ["queries", "operators", "graph"])
def test_the_screens(width: int, height: int, mode: str) -> None:
    screen = dashboard()
    for key in {"queries": [], "operators": ["enter"], "graph": ["g"]}[mode]:
        screen.press(key)
    assert_screen(f"top_{mode}_{width}x{height}", plain(screen.frame(width, height, 0.0)))


def test_rates_are_differences_and_new_queries_have_none() -> None:
    before, now = snapshot(0.0, 1), snapshot(2.0, 3)
    rows = query_table(now, before).to_pylist()
    assert [row["in/s"] for row in rows] == [1_000, 2_000, 3_000]
    assert [row["out/s"] for row in rows] == [10, 10, 10]
    assert [row["busy %"] for row in rows] == [10.0, 10.0, 10.0]
    assert [row["lag s"] for row in rows] == [3.0, 4.0, None]
    assert {row["in/s"] for row in query_table(now, None).to_pylist()} == {None}
    operators = operator_table(now, before, "q2").to_pylist()
    assert [row["in/s"] for row in operators] == [2_000] * 3
    assert [row["share %"] for row in operators] == [16.7, 33.3, 50.0]
    restarted = query_table(snapshot(4.0, 1), now).to_pylist()
    assert [row["in/s"] for row in restarted] == [0, 0, 0]


def test_keys_pause_resume_and_cancel_the_chosen_query() -> None:
    screen, poked = dashboard(), []
    screen.on_wish = lambda: poked.append(1)
    screen.frame(80, 24, 0.0)
    for key in ("p", "down", "r", "k", "n", "enter", "k", "y", "enter", "down", "k", "escape"):
        screen.press(key)
        screen.frame(80, 24, 0.0)
    wishes = []
    while not screen.wishes.empty():
        wishes.append(screen.wishes.get())
    assert wishes == ['PAUSE QUERY "q1"', 'RESUME QUERY "q2"', 'CANCEL QUERY "q2"'] and len(poked) == 3


def test_the_reader_stays_with_a_query_while_others_come_and_go() -> None:
    screen = dashboard()
    screen.frame(80, 24, 0.0)
    screen.press("end")
    screen.frame(80, 24, 0.0)
    screen.tell(Snapshot(3.0, TIME, [query(0), query(3), query(4)], ()))
    screen.frame(80, 24, 0.0)
    screen.press("p")
    assert screen.wishes.get() == 'PAUSE QUERY "q3"'
    screen.press("right")
    screen.press("s")
    screen.press("s")
    screen.frame(80, 24, 0.0)
    screen.tell(Snapshot(4.0, TIME, [query(0), query(4), query(3)], ()))
    screen.frame(80, 24, 0.0)
    screen.press("p")
    assert screen.wishes.get() == 'PAUSE QUERY "q3"'


def test_down_to_operators_and_pipeline_and_back() -> None:
    screen = dashboard()
    screen.frame(80, 24, 0.0)
    screen.press("down")
    screen.press("enter")
    assert "GroupAggregate" in plain(screen.frame(80, 24, 0.0)) and "view_2" in plain(screen.frame(80, 24, 0.0))
    screen.press("g")
    assert "● GroupAggregate #2" in plain(screen.frame(80, 24, 0.0))
    for key in ("down", "down", "enter"):
        screen.press(key)
    detail = plain(screen.frame(80, 24, 0.0))
    assert "Filter #1" in detail and "reads       Scan #0" in detail and "2 rows, 900 B" in detail
    screen.press("escape")
    assert "● GroupAggregate #2" in plain(screen.frame(80, 24, 0.0))
    screen.press("g")
    assert "share %" in plain(screen.frame(80, 24, 0.0))
    screen.press("backspace")
    assert "running queries" in plain(screen.frame(80, 24, 0.0))
    screen.press("p")
    assert screen.wishes.get() == 'PAUSE QUERY "q2"'


def test_from_a_view_of_a_pipeline_into_its_own() -> None:
    with sqlengine.connect(":memory:", clock=VirtualClock(START_US)) as database:
        session = database.session()
        session.execute(SETUP)
        screen = Dashboard()
        screen.tell(read_snapshot(session, 1.0))
        query = next(row for row in read_snapshot(session, 1.0).queries if row["name"] == "pairs")
        screen.open(query["query_id"], "pairs")
        lines = plain(screen.frame(80, 50, 0.0)).splitlines()
        heads = [line for line in lines if "●" in line]
        assert len(heads) == 11 and sum("by_city  running" in head for head in heads) == 1
        for _ in range(next(n for n, head in enumerate(heads) if "by_city  running" in head)):
            screen.press("down")
        screen.press("enter")
        inner = plain(screen.frame(80, 50, 0.0))
        assert inner.splitlines()[0].strip().startswith("by_city") and "pairs" not in inner


def test_nothing_runs() -> None:
    screen = Dashboard()
    assert "asking" in plain(screen.frame(80, 24, 0.0))
    screen.tell(Snapshot(0.0, TIME))
    assert "0 queries" in plain(screen.frame(80, 24, 0.0))
    for key in ("enter", "g", "p", "r", "k"):
        screen.press(key)
        assert "nothing runs" in plain(screen.frame(80, 24, 0.0))


def test_a_long_pipeline_scrolls() -> None:
    screen = dashboard()
    screen.press("g")
    assert "view_1" in plain(screen.frame(80, 6, 0.0))
    screen.press("down")
    screen.press("pagedown")
    assert "Scan #0" in plain(screen.frame(80, 6, 0.0))
    screen.press("home")
    assert "GroupAggregate" in plain(screen.frame(80, 6, 0.0))


def test_what_the_engine_tells() -> None:
    with sqlengine.connect(":memory:", clock=VirtualClock(START_US)) as database:
        session = database.session()
        session.execute(SETUP)
        session.execute("SELECT * FROM pairs")
        now = read_snapshot(session, 1.0)
        rows = {row["query"]: row for row in query_table(now, None).to_pylist()}
        assert set(rows) == {"by_city", "pairs"} and rows["by_city"]["status"] == "running"
        assert now.rows_read(str(rows["by_city"]["id"])) == 2
        text = plain(graph_lines(now, None, str(rows["pairs"]["id"])))
        assert text.count("by_city  running") == 1 and "Join" in text and "GroupAggregate" in text
        assert text.index("Join") < text.index("by_city  running") < text.index("GroupAggregate")
        assert "|-.   3 in, 1 out" in plain(graph_lines(now, None, str(rows["pairs"]["id"]), unicode=False))
        assert plain(graph_lines(now, None, "q99")) == "the query is gone"
