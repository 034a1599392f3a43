"""What closes with the watermark answers the same however its input was batched, and is what DuckDB answers.

Random rows of two streams, some of them late, come in random batches, the streams interleaved in any way.  A query that
the planner takes must end with the same rows each time: those of its text over the rows that were not late, as far as
the watermark has closed them.  A query whose times nothing bounds must be refused.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import sqlengine
from sqlengine.runtime.clock import VirtualClock
from tests.depth import rounds
from tests.differential.test_forgetting import QUERIES

START = dt.datetime(2024, 1, 1)
START_US = 1_704_067_200_000_000
NEAR = "a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL '3 s' AND a.ts + INTERVAL '5 s'"
Row = tuple[int, int, dt.datetime]
Step = tuple[str, list[Row]]


@dataclass(frozen=True)
class Closing:
    """`text` is the view's query without EMIT; `behind_s`: a row is out once the least watermark of the `streams` is
    beyond `time`, a column of it, by so much (`closes`: has reached it); `late_s`: a row of a stream is late when the
    window of so many seconds that it falls in is over, 0: when it is behind its watermark, None: when no query can
    say; `views`: what it reads, made before."""

    text: str
    time: str = "window_end"
    behind_s: int = 0
    closes: bool = True
    late_s: int | None = 0
    views: tuple[tuple[str, str], ...] = ()
    streams: str = "ab"


def tumble(rows: str, time: str = "ts", seconds: int = 4) -> str:
    return (
        f"SELECT k, window_end, count(*) AS n, sum(v) AS v FROM TUMBLE(({rows}) AS q, {time}, INTERVAL '{seconds} s') "
        "GROUP BY k, window_end"
    )


def hop(rows: str, time: str = "ts") -> str:
    return (
        f"SELECT k, window_end, count(*) AS n FROM HOP(({rows}) AS q, {time}, INTERVAL '2 s', INTERVAL '6 s') "
        "GROUP BY k, window_start, window_end"
    )


def session(rows: str) -> str:
    return (
        f"SELECT k, window_start, window_end, count(*) AS n FROM SESSION(({rows}) AS q PARTITION BY k, ts, "
        "INTERVAL '2 s') GROUP BY k, window_start, window_end"
    )


JOINED = f"SELECT a.k, a.v, a.ts, b.ts AS bts FROM a JOIN b ON {NEAR}"
OF_RIGHT = f"SELECT b.k, b.v, b.ts FROM a JOIN b ON {NEAR}"
FOUND = f"SELECT a.k, a.v, a.ts FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {NEAR})"
SAME = "SELECT a.k, a.v, a.ts FROM a JOIN b ON a.k = b.k AND a.ts = b.ts"
BOTH = "SELECT k, v, ts FROM a UNION ALL SELECT k, v, ts FROM b"
LISTED = "SELECT a.k, x.e AS v, a.ts FROM a, UNNEST(ARRAY[a.v, a.v + 1]) AS x(e)"
MINUTES = tumble("SELECT * FROM a", seconds=2)

TAKEN = {
    "window over an interval join, by the left time": Closing(tumble(JOINED), behind_s=5),
    "window over an interval join, by the right time": Closing(tumble(OF_RIGHT), behind_s=3),
    "hop over an interval join": Closing(hop(JOINED), behind_s=5),
    "session over an interval join": Closing(session(JOINED), behind_s=5),
    "window over a semi join": Closing(tumble(FOUND), behind_s=5),
    "window over a join of equal times": Closing(tumble(SAME)),
    "interval join": Closing(JOINED, "bts", 3, closes=False),
    "left join": Closing(f"SELECT a.k, a.ts, b.v FROM a LEFT JOIN b ON {NEAR}", "ts", 5, closes=False),
    "anti join": Closing(
        f"SELECT a.k, a.ts FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE {NEAR} AND a.v = b.v)", "ts", 5, closes=False
    ),
    "window over a union": Closing(tumble(BOTH), late_s=4),
    "hop over a union": Closing(hop(BOTH), late_s=None),
    "window over unnested rows": Closing(tumble(LISTED), late_s=4, streams="a"),
    "hop over unnested rows": Closing(hop(LISTED), late_s=None, streams="a"),
    "window over distinct rows": Closing(tumble("SELECT DISTINCT k, v, ts FROM a"), streams="a"),
    "window over a distinct union": Closing(tumble("SELECT k, v, ts FROM a UNION SELECT k, v, ts FROM b")),
    "window over the best of a window": Closing(
        tumble(
            "SELECT k, n AS v, window_time AS ts FROM (SELECT *, row_number() OVER (PARTITION BY window_end ORDER BY "
            "n DESC, k) AS r FROM (SELECT k, window_time, window_end, count(*) AS n FROM TUMBLE(a, ts, INTERVAL '2 s') "
            "GROUP BY k, window_time, window_end) AS c) AS d WHERE r <= 2"
        ),
        late_s=2,
        streams="a",
    ),
    "window over the first rows of keys": Closing(
        tumble(
            "SELECT k, v, ts FROM (SELECT *, row_number() OVER (PARTITION BY v ORDER BY ts, k) AS r FROM a) WHERE r = 1"
        ),
        streams="a",
    ),
    "windows joined": Closing(
        f"SELECT l.k, l.window_end, l.n, r.n AS m FROM ({MINUTES}) AS l JOIN "
        f"({tumble('SELECT * FROM b', seconds=2)}) AS r ON l.k = r.k AND l.window_end = r.window_end",
        late_s=2,
    ),
    "window over windows joined": Closing(
        tumble(
            f"SELECT l.k, l.n AS v, l.window_end AS ts FROM ({MINUTES}) AS l JOIN "
            f"({tumble('SELECT * FROM b', seconds=2)}) AS r ON l.k = r.k AND l.window_end = r.window_end"
        ),
        late_s=2,
    ),
    "window over a join in windows": Closing(
        "SELECT x.k, x.window_end, count(*) AS n FROM TUMBLE(a, ts, INTERVAL '4 s') AS x JOIN "
        "TUMBLE(b, ts, INTERVAL '4 s') AS y ON x.k = y.k AND x.window_start = y.window_start "
        "AND x.window_end = y.window_end GROUP BY x.k, x.window_start, x.window_end",
        closes=False,
        late_s=4,
    ),
    "window over a view of rows": Closing(
        tumble("SELECT * FROM plain"),
        late_s=4,
        views=(("plain", "SELECT k, v, ts FROM a WHERE v <> 3"),),
        streams="a",
    ),
    "hop over a view of a view": Closing(
        hop("SELECT * FROM outer_rows"),
        late_s=None,
        views=(("inner_rows", BOTH), ("outer_rows", "SELECT k, v + 1 AS v, ts FROM inner_rows WHERE v > 1")),
    ),
    "window over a view that closes": Closing(
        tumble("SELECT k, n AS v, ended AS ts FROM closed"),
        views=(("closed", f"SELECT k, n, window_end AS ended FROM ({MINUTES}) AS m EMIT ON WINDOW CLOSE"),),
        late_s=2,
        streams="a",
    ),
    "window over a view with an interval join": Closing(
        tumble("SELECT * FROM near"),
        behind_s=5,
        views=(("near", f"{JOINED} EMIT CHANGES ALLOWED LATENESS INTERVAL '0 s'"),),
    ),
    "window over a view in order": Closing(
        tumble("SELECT * FROM ordered"), views=(("ordered", f"{BOTH} EMIT ON WINDOW CLOSE"),)
    ),
    "window over a view that speaks every second": Closing(
        tumble("SELECT * FROM slow"),
        behind_s=5,
        views=(("slow", f"{JOINED} EMIT EVERY INTERVAL '2 s' ALLOWED LATENESS INTERVAL '0 s'"),),
    ),
    "window over rows and constants": Closing(
        tumble(f"SELECT k, v, ts FROM a UNION ALL SELECT 1, 2, TIMESTAMP '{START}'"), late_s=4, streams="a"
    ),
    "window over a changelog": Closing(tumble("SELECT k, v, ts FROM a AS CHANGELOG"), late_s=None, streams="a"),
}
LASTING = {
    "times": "SELECT ts, count(*) AS n FROM t GROUP BY ts",
    "windows": tumble("SELECT * FROM t"),
    "sessions": session("SELECT * FROM t"),
    "distinct": "SELECT DISTINCT ts, k FROM t",
    "best": "SELECT id, r FROM (SELECT *, row_number() OVER (PARTITION BY ts ORDER BY v, id) AS r FROM t) AS q "
    "WHERE r <= 2",
    "over": "SELECT id, sum(v) OVER (PARTITION BY ts) AS s FROM t",
    "interval join": "SELECT t.id, a.v, a.ts FROM t JOIN a ON a.k = t.k AND a.ts BETWEEN t.ts AND "
    "t.ts + INTERVAL '5 s'",
}
UNBOUNDED = "SELECT a.k, a.v, a.ts FROM a JOIN b ON a.k = b.k"
REFUSED = {
    "window over a join without a bound": tumble(UNBOUNDED),
    "hop over a join without a bound": hop(UNBOUNDED),
    "session over a join without a bound": session(UNBOUNDED),
    "join without a bound": UNBOUNDED,
    "join with a bound on one side": "SELECT a.k, a.ts FROM a JOIN b ON a.k = b.k AND b.ts >= a.ts",
    "window by the time that a one-sided bound leaves open": tumble(
        "SELECT a.k, a.v, a.ts FROM a JOIN b ON a.k = b.k AND b.ts >= a.ts"
    ),
    "window over a cross join": tumble("SELECT a.k, a.v, a.ts FROM a, b"),
    "window over a join with rows that only come": tumble("SELECT a.k, a.v, a.ts FROM a JOIN notes ON a.k = notes.k"),
    "window over a semi join without a bound": tumble(
        "SELECT k, v, ts FROM a WHERE EXISTS (SELECT 1 FROM b WHERE a.k = b.k)"
    ),
    "window over a view with a join without a bound": tumble("SELECT * FROM joined"),
    "window over a view that speaks every second of rows": tumble("SELECT * FROM slow_rows"),
    "window over rows that wait for their time": tumble("SELECT * FROM a WHERE ts < now()"),
    "window over a time that an equality of other times leaves open": tumble(
        "SELECT m.k, m.n AS v, m.window_end AS ts FROM (SELECT k, window_end, window_time, count(*) AS n FROM "
        "TUMBLE(a, ts, INTERVAL '2 s') GROUP BY k, window_end, window_time) AS m JOIN seen AS b ON m.window_end = "
        "b.seen AND b.ts BETWEEN m.window_time - INTERVAL '3 s' AND m.window_time + INTERVAL '5 s'"
    ),
}


def set_up(db: sqlengine.Database) -> None:
    columns = "(k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts{})"
    db.execute(f"CREATE STREAM a {columns.format('')}")
    db.execute("CREATE STREAM b " + columns.format(" - INTERVAL '2 seconds'"))
    db.execute("CREATE STREAM seen (seen TIMESTAMP, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
    db.execute("CREATE TABLE notes (k INT, note INT) APPEND ONLY")


DELAYS_S = {"a": 0, "b": 2}
WAYS = 6


def histories(rng: random.Random) -> dict[str, list[Row]]:
    """Rows of both streams; their times move on at their own paces, some far behind."""
    made: dict[str, list[Row]] = {}
    for stream in "ab":
        pace, rows = rng.choice((0.3, 0.6, 1.2)), []
        for i in range(60):
            second = 10 + i * pace + rng.uniform(-2, 2) - (9 if rng.random() < 0.05 else 0)
            rows.append((rng.randrange(3), rng.randrange(6), START + dt.timedelta(seconds=int(second))))
        made[stream] = rows
    return made


def split(rng: random.Random, rows: dict[str, list[Row]], way: int) -> list[list[Step]]:
    """Ticks: all in one; one stream after the other; row by row; batches of any size in any order."""
    if way == 0:
        return [[("a", rows["a"]), ("b", rows["b"])]]
    if way in (1, 2):
        return [[(name, rows[name])] for name in ("ab", "ba")[way - 1]]
    left = {name: list(of) for name, of in rows.items()}
    ticks: list[list[Step]] = []
    while any(left.values()):
        steps = []
        for name in rng.sample("ab", rng.choice((1, 1, 2))):
            size = 1 if way == 3 else rng.choice((1, 3, 8, 20))
            batch, left[name] = left[name][:size], left[name][size:]
            steps += [(name, batch)] if batch else []
        ticks += [steps] if steps else []
    return ticks


def run(
    view: Closing, ticks: Sequence[list[Step]], path: str = ":memory:", emit: str = "EMIT ON WINDOW CLOSE"
) -> list[str]:
    """What the view holds in the end; of a database with a path it was closed and opened again half way."""
    clock = VirtualClock(START_US)
    db = sqlengine.connect(path, clock=clock)
    set_up(db)
    for name, text in view.views:
        db.execute(f"CREATE MATERIALIZED VIEW {name} AS {text}")
    db.execute(f"CREATE MATERIALIZED VIEW v AS {view.text} {emit}")
    for number, tick in enumerate(ticks):
        for stream, rows in tick:
            db.insert(stream, rows)
        clock.advance(1_000_000)
        db._instance.catch_up()
        if path != ":memory:" and number == len(ticks) // 2:
            db.close()
            db = sqlengine.connect(path, clock=clock)
    clock.advance(3_000_000)
    with db:
        return sorted(map(repr, db.execute("SELECT * FROM v").fetchall()))


def in_time(stream: str, rows: Sequence[Row], late_s: int) -> tuple[list[Row], dt.datetime]:
    """The rows that are not late, and the watermark after them."""
    kept: list[Row] = []
    mark = dt.datetime.min
    for row in rows:
        seconds = (row[2] - START).total_seconds()
        end = START + dt.timedelta(seconds=(seconds // late_s + 1) * late_s) if late_s else None
        if mark <= row[2] or (end is not None and mark < end):
            kept.append(row)
        mark = max(mark, row[2] - dt.timedelta(seconds=DELAYS_S[stream]))
    return kept, mark


def expected(view: Closing, rows: dict[str, list[Row]]) -> list[str]:
    """The query over the rows that were not late, by DuckDB, as far as the watermark has come."""
    assert view.late_s is not None
    marks = {}
    with sqlengine.connect() as db:
        for stream in "ab":
            db.execute(f"CREATE TABLE {stream} (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
            kept, marks[stream] = in_time(stream, rows[stream], view.late_s)
            db.insert(stream, kept)
        for name, text in view.views:
            db.execute(f"CREATE VIEW {name} AS {text.partition(' EMIT ')[0]}")
        answer = db.execute(f"SELECT * FROM ({view.text}) AS q")
        at = answer.columns.index(view.time)
        out = min(marks[s] for s in view.streams) - dt.timedelta(seconds=view.behind_s)
        return sorted(repr(r) for r in answer.fetchall() if r[at] < out or (view.closes and r[at] == out))


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", list(TAKEN))
@pytest.mark.parametrize("seed", range(rounds(1, 3)))
def test_every_split_into_batches_ends_the_same(name: str, seed: int, tmp_path: Path) -> None:
    rng, view = random.Random(f"{name} {seed}"), TAKEN[name]
    rows = histories(rng)
    first = run(view, split(rng, rows, 0))
    assert first
    if view.late_s is not None:
        assert first == expected(view, rows)
    for way in range(1, WAYS):
        path = str(tmp_path / "database") if way == WAYS - 1 else ":memory:"
        assert run(view, split(rng, rows, way), path) == first, way


@pytest.mark.sampled(3)
@pytest.mark.parametrize("emit", ["CHANGES", "EVERY INTERVAL '2 s'"])
@pytest.mark.parametrize("name", list(QUERIES))
def test_every_split_into_batches_forgets_the_same(name: str, emit: str) -> None:
    rng, view = random.Random(name + emit), Closing(QUERIES[name].format(a="a", b="b"))
    rows = histories(rng)
    lateness = f"EMIT {emit} ALLOWED LATENESS INTERVAL '2 s'"
    first = run(view, split(rng, rows, 0), emit=lateness)
    assert first
    for way in range(1, WAYS):
        assert run(view, split(rng, rows, way), emit=lateness) == first, way


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_time_without_a_bound_is_refused(name: str) -> None:
    with sqlengine.connect() as db:
        set_up(db)
        db.execute(f"CREATE MATERIALIZED VIEW joined AS {UNBOUNDED}")
        db.execute("CREATE MATERIALIZED VIEW slow_rows AS SELECT k, v, ts FROM a EMIT EVERY INTERVAL '2 s'")
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(f"CREATE MATERIALIZED VIEW v AS {REFUSED[name]} EMIT ON WINDOW CLOSE")
    assert caught.value.sqlstate == "42P17"
    assert "INTERVAL" in str(caught.value.hint)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", list(LASTING))
def test_what_is_taken_back_is_not_late(name: str) -> None:
    rng = random.Random(name)
    with sqlengine.connect() as db:
        set_up(db)
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {LASTING[name]} EMIT CHANGES ALLOWED LATENESS INTERVAL '1 s'")
        for tick in range(12):
            at = START + dt.timedelta(seconds=4 * tick)
            for key in rng.sample(range(6), 3):
                row = f"({key}, {rng.randrange(3)}, {rng.randrange(6)}, TIMESTAMP '{at}')"
                db.execute(
                    f"INSERT INTO t VALUES {row} ON CONFLICT (id) DO UPDATE SET k = excluded.k, v = excluded.v, "
                    "ts = excluded.ts"
                )
            db.execute(f"DELETE FROM t WHERE id = {rng.randrange(6)}")
            db.insert("a", [(rng.randrange(3), tick, at)])
            got, want = (sorted(map(repr, db.execute(q).fetchall())) for q in ("SELECT * FROM v", LASTING[name]))
            assert got == want


@pytest.mark.parametrize("window", [tumble, hop, session])
def test_a_condition_that_is_never_true_leaves_nothing_to_bound(window: Callable[[str], str]) -> None:
    with sqlengine.connect() as db:
        set_up(db)
        text = window("SELECT * FROM a WHERE v <> nullif(1, 1)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {text} EMIT ON WINDOW CLOSE")
        db.insert("a", histories(random.Random(0))["a"])
        assert db.execute("SELECT * FROM v").fetchall() == []
