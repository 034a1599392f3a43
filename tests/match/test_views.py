"""What a user sees of views over MATCH_RECOGNIZE beside their rows: notices, errors, what a restart keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine
from sqlengine.errors import Error, NotSupportedError, TooComplex
from sqlengine.operators.match import attempts

STREAM = "CREATE STREAM ticker (symbol TEXT, ts TIMESTAMP, price INT, WATERMARK FOR ts AS ts)"
VIEW = "CREATE MATERIALIZED VIEW {} AS SELECT * FROM ticker MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts {}) {}"


def test_a_view_whose_state_may_grow_for_ever_says_so() -> None:
    rises = "MEASURES LAST(ts) AS at PATTERN (A UP+ {}) DEFINE UP AS price > PREV(price)"
    closing = "EMIT ON WINDOW CLOSE"
    with sqlengine.connect() as db:
        db.execute(STREAM)
        open_ended = db.execute(VIEW.format("a", rises.format("B"), closing)).notices
        assert "state grows with every row of ticker" in open_ended[0] and "WITHIN INTERVAL" in open_ended[0]
        (every_change,) = db.execute(VIEW.format("b", rises.format("B"), "")).notices
        assert "EMIT ON WINDOW CLOSE, with WITHIN" in every_change
        within = rises.format("B").replace(") DEFINE", ") WITHIN INTERVAL '1 hour' DEFINE")
        assert not db.execute(VIEW.format("c", within, closing)).notices
        bounded = rises.format("B").replace("UP+", "UP{2,3}")
        assert not db.execute(VIEW.format("d", bounded, closing)).notices
        plan = "\n".join(row[0] for row in db.execute("EXPLAIN d").fetchall())
        assert "pattern (A UP{2,3} B)" in plan and "state: grows with the distinct (symbol)" in plan


def test_a_row_on_which_a_condition_raises_is_told_and_the_others_go_on() -> None:
    with sqlengine.connect() as db:
        db.execute(STREAM)
        db.execute(VIEW.format("v", "MEASURES A.price AS p PATTERN (A) DEFINE A AS 10 / price > 1", ""))
        db.execute("INSERT INTO ticker VALUES ('a', '2024-01-01', 0), ('a', '2024-01-02', 4), ('b', '2024-01-01', 20)")
        assert db.execute("SELECT * FROM v").fetchall() == [("a", 4)]
        assert "division by zero" in str(db.execute("SHOW ERRORS FOR v").fetchall())


def test_a_skip_that_fails_stops_its_view_alone() -> None:
    with sqlengine.connect() as db:
        db.execute(STREAM)
        skipping = "MEASURES A.price AS p AFTER MATCH SKIP TO B PATTERN (A B?) DEFINE B AS price > 10"
        db.execute(VIEW.format("v", skipping, ""))
        db.execute("INSERT INTO ticker VALUES ('a', '2024-01-01', 1), ('a', '2024-01-02', 2)")
        with pytest.raises(Error, match="AFTER MATCH SKIP TO a variable that has no row") as caught:
            db.execute("SELECT * FROM v")
        assert caught.value.sqlstate == "2202K"
        assert db.execute("SELECT count(*) FROM ticker").fetchall() == [(2,)]


@pytest.mark.parametrize("condition", ["price > random()", "ts < now()", "ts < proctime()"])
def test_what_another_time_would_answer_otherwise_is_refused(condition: str) -> None:
    with sqlengine.connect() as db:
        db.execute(STREAM)
        with pytest.raises(NotSupportedError):
            db.execute(VIEW.format("v", f"MEASURES A.price AS p PATTERN (A) DEFINE A AS {condition}", ""))


def test_numbers_and_open_matches_survive_a_restart(tmp_path: Path) -> None:
    clause = (
        "MEASURES MATCH_NUMBER() AS n, COUNT(*) AS rows PATTERN (^ A B | UP+ DOWN) DEFINE UP AS price > PREV(price),"
    )
    clause += " DOWN AS price < PREV(price), B AS price = 0"
    with sqlengine.connect(tmp_path / "data") as db:
        db.execute(STREAM)
        db.execute(VIEW.format("v", clause, "EMIT ON WINDOW CLOSE"))
        rows = ("'2024-01-01', 1", "'2024-01-02', 0", "'2024-01-03', 3", "'2024-01-04', 4")
        db.execute(f"INSERT INTO ticker VALUES {', '.join(f'({chr(39)}a{chr(39)}, {row})' for row in rows)}")
    with sqlengine.connect(tmp_path / "data") as db:
        db.execute("INSERT INTO ticker VALUES ('a', '2024-01-05', 2), ('a', '2024-01-06', 0), ('a', '2024-01-07', 0)")
        assert db.execute("SELECT n, rows FROM v ORDER BY n").fetchall() == [(1, 2), (2, 3)]


def test_conditions_that_make_every_path_a_different_one_end_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "STEPS_MAX", 5_000)
    pattern = "PATTERN ((A | B)+ C) DEFINE A AS COUNT(*) < 100, C AS COUNT(A.*) = 1000"
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE many AS SELECT i AS id FROM range(60) AS r(i)")
        with pytest.raises(TooComplex, match="was not found in 5000 steps"):
            db.execute(f"SELECT * FROM many MATCH_RECOGNIZE (ORDER BY id MEASURES COUNT(*) AS n {pattern})").fetchall()
