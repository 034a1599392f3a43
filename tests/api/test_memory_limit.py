"""memory_limit: state goes to files instead of failing, the answers are DuckDB's, and what cannot leave is told of."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import sqlengine
from benchmarks.memory.limited import VIEWS
from sqlengine.kernels import COMPILED
from sqlengine.runtime import memory_limit
from sqlengine.state import spill

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After every tick everything leaves, however little it is."""
    monkeypatch.setattr(memory_limit, "OWN", 0.0)
    monkeypatch.setattr(memory_limit, "STEP", -1.0)
    monkeypatch.setattr(memory_limit, "LEAST_PART", 1 << 20)


def _spilled(db: sqlengine.Database) -> int:
    ((total,),) = db.execute("SELECT coalesce(sum(spilled_bytes), 0) FROM system.operators").fetchall()
    return int(total)


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("512 MB", 512 << 20),
        ("1GB", 1 << 30),
        ("2048 kB", 2 << 20),
        ("1.5 GiB", 3 << 29),
        ("1048576", 1 << 20),
        (67108864, 64 << 20),
        ("none", 0),
        ("0", 0),
    ],
)
def test_the_setting_takes_units(text: Any, bytes_: int) -> None:
    with sqlengine.connect(memory_limit=text) as db:
        assert db.execute("SHOW memory_limit").fetchall() == [(str(bytes_),)]
        db.execute("SET memory_limit = '64 MB'")
        assert db.session().execute("SHOW memory_limit").fetchall() == [(str(64 << 20),)], "for all sessions"
        assert db._instance.memory.bytes == 64 << 20
        db.execute("RESET memory_limit")
        assert db._instance.memory.bytes == 0


@pytest.mark.parametrize("text", ["12 parsecs", "-1", "MB", "1000", "0.5", "1e9", "512 MB more"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with sqlengine.connect() as db, pytest.raises(sqlengine.Error) as caught:
        db.execute(f"SET memory_limit = '{text}'")
    assert caught.value.sqlstate == "22023"


QUERIES = {
    "groups": "SELECT k, count(*) AS c, sum(n) AS s, max(t) AS m, count(DISTINCT t) AS d FROM s GROUP BY k",
    "joined": "SELECT s.k, s.n, r.t FROM s JOIN r ON s.k = r.k AND s.n % 3 = r.n % 3",
    "alone": "SELECT s.k, s.n, r.n AS other FROM s LEFT JOIN r ON s.n = r.n",
    "top": "SELECT k, n FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY n DESC) AS p FROM s) WHERE p <= 2",
    "listed": "SELECT k, array_agg(n ORDER BY n) AS l FROM r GROUP BY k",
    "distinct_rows": "SELECT DISTINCT k, t FROM s",
    "plain": "SELECT n, t FROM s WHERE n % 2 = 0",
    "of_a_view": "SELECT c, count(*) AS groups, sum(s) AS total FROM groups GROUP BY c",
}


def _fill(db: sqlengine.Database, rng: np.random.Generator, first: int, count: int) -> dict[str, pa.Table]:
    """Rows of the stream s, and changes of the table r; those of s."""
    n = np.arange(first, first + count)
    texts = pa.array([None if i % 11 == 0 else f"text {i % 37}" for i in n.tolist()])
    made = pa.table({"k": rng.integers(0, 300, count), "t": texts, "n": n})
    db.insert("s", made)
    db.insert("r", made.slice(0, count // 2).set_column(2, "n", pa.array(n[: count // 2] % 1_000 + first)))
    db.execute(f"DELETE FROM r WHERE n % 7 = {first % 7}")
    return {"s": made}


def _check(db: sqlengine.Database, s: pa.Table) -> None:
    """Every view is what DuckDB says of the same rows."""
    r = db.execute("SELECT k, t, n FROM r").to_arrow()
    with duckdb.connect() as duck:
        duck.register("s", s)
        duck.register("r", r)
        duck.execute(f"CREATE VIEW groups AS {QUERIES['groups']}")
        for name, query in QUERIES.items():
            ours = db.execute(f"SELECT * FROM {name}").fetchall()
            assert sorted(map(repr, ours)) == sorted(map(repr, duck.execute(query).fetchall())), name


def _declare(db: sqlengine.Database) -> None:
    db.execute("CREATE STREAM s (k BIGINT, t TEXT, n BIGINT); CREATE TABLE r (k BIGINT, t TEXT, n BIGINT)")
    for name, query in QUERIES.items():
        db.execute(f"CREATE MATERIALIZED VIEW {name} AS {query}")


@pytest.mark.parametrize("in_memory", [True, False])
def test_views_whose_state_leaves_after_every_tick(tmp_path: Path, in_memory: bool) -> None:
    rng, rows = np.random.default_rng(3), []
    with sqlengine.connect(":memory:" if in_memory else tmp_path, memory_limit="16 MB") as db:
        _declare(db)
        for step in range(4):
            rows.append(_fill(db, rng, step * 2_000, 2_000)["s"])
            _check(db, pa.concat_tables(rows))
        assert db._instance.memory.spills > 0 and _spilled(db) > 0
        db.execute("SET memory_limit = none")
        rows.append(_fill(db, rng, 8_000, 500)["s"])
        _check(db, pa.concat_tables(rows))
    assert in_memory or not (tmp_path / "spill").exists()


def test_state_in_files_is_in_checkpoints_and_comes_back(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(4), []
    with sqlengine.connect(tmp_path, memory_limit="16 MB", checkpoint_interval_ms=0) as db:
        _declare(db)
        for step in range(3):
            rows.append(_fill(db, rng, step * 2_000, 2_000)["s"])
            db.execute("FLUSH")
            db.execute("CHECKPOINT")
    leftover = tmp_path / "spill" / "of a killed process"
    leftover.parent.mkdir()
    leftover.write_bytes(b"nothing that counts")
    with sqlengine.connect(tmp_path, memory_limit="16 MB") as db:
        assert not leftover.exists()
        _check(db, pa.concat_tables(rows))
        rows.append(_fill(db, rng, 6_000, 2_000)["s"])
        _check(db, pa.concat_tables(rows))
        assert _spilled(db) > 0


def test_a_paused_view_over_views_keeps_what_it_misses_in_files() -> None:
    with sqlengine.connect(memory_limit="16 MB") as db:
        db.execute("CREATE STREAM s (n BIGINT, t TEXT)")
        db.execute("CREATE MATERIALIZED VIEW a AS SELECT n, t FROM s")
        db.execute("CREATE MATERIALIZED VIEW b AS SELECT count(*) AS c, sum(n) AS s FROM a")
        ((query,),) = db.execute("SELECT query_id FROM system.queries WHERE name = 'b'").fetchall()
        db.execute(f"PAUSE QUERY {query}")
        for step in range(3):
            db.insert("s", pa.table({"n": np.arange(20_000) + step, "t": ["x" * 40] * 20_000}))
            db.execute("FLUSH")
        (tap,) = db._instance.scheduler.taps
        (held,) = tap.held
        assert held.num_rows == 60_000 and held.spilled_bytes == held.num_bytes > 0
        db.execute(f"RESUME QUERY {query}")
        assert db.execute("SELECT * FROM b").fetchall() == [(60_000, 3 * sum(range(20_000)) + 60_000)]


def _resume(db: sqlengine.Database, name: str) -> None:
    ((query,),) = db.execute("SELECT query_id FROM system.queries WHERE name = ?", (name,)).fetchall()
    db.execute(f"RESUME QUERY {query}")


class _Full(spill.Spill):
    """A disk without space."""

    def write(self, data: memoryview, place: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Nothing can leave, and the process takes more than its limit."""
    with monkeypatch.context() as patch:
        patch.setattr(memory_limit, "Spill", _Full)
        yield patch


def test_when_nothing_can_leave_the_largest_query_ends_and_is_named(full: pytest.MonkeyPatch) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (n BIGINT, t TEXT)")
        db.execute("CREATE MATERIALIZED VIEW small AS SELECT count(*) AS c FROM s")
        db.execute("CREATE MATERIALIZED VIEW large AS SELECT n, t FROM s")
        db.insert("s", pa.table({"n": np.arange(20_000), "t": ["some text"] * 20_000}))
        db.execute("FLUSH")
        db.execute("SET memory_limit = '16 MB'")
        db.insert("s", pa.table({"n": [1], "t": ["x"]}))
        with pytest.raises(sqlengine.Error) as caught:
            db.execute("SELECT count(*) FROM large")
        assert caught.value.sqlstate == "53200" and "no space left" in caught.value.message
        status = dict(db.execute("SELECT name, status FROM system.queries").fetchall())
        assert status["large"] == "failed"
        ((why,),) = db.execute("SELECT error FROM system.queries WHERE name = 'large'").fetchall()
        assert "memory limit of 16 MB" in why and '"large" (' in why
        assert db.execute("SELECT count(*) FROM s").fetchall() == [(20_001,)], "nothing acknowledged is lost"
        db.execute("SET memory_limit = none")
        _resume(db, "large")
        assert db.execute("SELECT count(*), sum(n) FROM large").fetchall() == [(20_001, sum(range(20_000)) + 1)]
        assert db.execute("SELECT c FROM small").fetchall() == [(20_001,)]


def test_a_view_that_others_read_can_end_and_be_made_anew(full: pytest.MonkeyPatch) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (n BIGINT, t TEXT)")
        db.execute("CREATE MATERIALIZED VIEW large AS SELECT n, max(t) AS t FROM s GROUP BY n")
        db.execute("CREATE MATERIALIZED VIEW over AS SELECT count(*) AS c FROM large")
        db.insert("s", pa.table({"n": np.arange(20_000), "t": ["some text"] * 20_000}))
        db.execute("FLUSH")
        db.execute("SET memory_limit = '16 MB'")
        db.insert("s", pa.table({"n": [-1], "t": ["x"]}))
        with pytest.raises(sqlengine.Error, match="memory limit"):
            db.execute("SELECT count(*) FROM large")
        db.execute("SET memory_limit = none")
        _resume(db, "large")
        db.insert("s", pa.table({"n": [-2], "t": ["x"]}))
        assert db.execute("SELECT count(*) FROM large").fetchall() == [(20_002,)]
        assert db.execute("SELECT c FROM over").fetchall() == [(20_002,)]


def test_a_view_that_finds_no_memory_while_it_is_filled_is_refused(
    full: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_limit, "ROWS_LEAST", 100)
    monkeypatch.setattr("sqlengine.runtime.fill.SWITCH_ROWS_MAX", 100)
    with sqlengine.connect(memory_limit="1 MB") as db:
        db.execute("CREATE STREAM s (n BIGINT)")
        db.insert("s", pa.table({"n": np.arange(5_000)}))
        with pytest.raises(sqlengine.Error) as caught:
            db.execute("CREATE MATERIALIZED VIEW v AS SELECT n, count(*) AS c FROM s GROUP BY n")
        assert caught.value.sqlstate == "53200" and caught.value.hint
        db.execute("SET memory_limit = none")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT n, count(*) AS c FROM s GROUP BY n")
        assert db.execute("SELECT count(*) FROM v").fetchall() == [(5_000,)]


KILLED = """
import sys, numpy as np, pyarrow as pa, sqlengine
from sqlengine.runtime import memory_limit
memory_limit.OWN, memory_limit.STEP, memory_limit.LEAST_PART = 0.0, -1.0, 1 << 20
db = sqlengine.connect(sys.argv[1], memory_limit="16 MB", checkpoint_interval_ms=20)
db.execute("CREATE STREAM s (k BIGINT, n BIGINT)")
db.execute("CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS c, sum(n) AS s FROM s GROUP BY k")
for step in range(1_000_000):
    n = np.arange(step * 1_000, (step + 1) * 1_000)
    db.insert("s", pa.table({"k": n * 7919 % 3_001, "n": n}))
    db.execute("FLUSH")
    print(step, db._instance.memory.spills, flush=True)
"""


@pytest.mark.parametrize("lines", [3, 25])
def test_a_process_killed_with_state_in_files_leaves_none_behind(tmp_path: Path, lines: int) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as worker:
        assert worker.stdout is not None
        told = [worker.stdout.readline().split() for _ in range(lines)][-1]
        worker.kill()
    assert int(told[1]) > 0, "something has left memory"
    assert list((tmp_path / "spill").iterdir()) == []
    with sqlengine.connect(tmp_path, memory_limit="16 MB") as db:
        rows = db.execute("SELECT count(*) FROM s").fetchall()[0][0]
        assert rows >= 1_000 * (int(told[0]) + 1)
        n = np.arange(rows)
        made = pa.table({"k": n * 7919 % 3_001, "n": n})
        with duckdb.connect() as duck:
            duck.register("made", made)
            expected = duck.execute("SELECT k, count(*), sum(n) FROM made GROUP BY k ORDER BY k").fetchall()
        assert db.execute("SELECT * FROM v ORDER BY k").fetchall() == expected


BESIDE = 48 << 20
"""The limit is so much more than the process takes without state."""


@pytest.mark.parametrize(("kind", "rows"), [("group", 700_000), ("join", 300_000)])
def test_state_of_four_times_what_the_limit_leaves_for_it(tmp_path: Path, kind: str, rows: int) -> None:
    """In a process of its own, whose memory the system counts.  What is not in files is bounded here; how much of those
    is in memory too the benchmark shows (benchmarks/memory/bench_limit.py), because it hangs on who else works."""
    assert kind in VIEWS
    options = [kind, str(tmp_path), "--rows", str(rows), "--beside", str(BESIDE)]
    worker = [sys.executable, "-m", "benchmarks.memory.limited", *options]
    done = subprocess.run(worker, check=True, capture_output=True, text=True, timeout=600, cwd=ROOT)
    told = json.loads(done.stdout)
    assert told["wrong"] == 0, "rows that only one of ours and DuckDB's answer has"
    assert told["state"] >= 4 * BESIDE and told["spills"] > 0, told
    if COMPILED and told["base"]:
        assert told["own"] <= 1.3 * BESIDE, told
    opening = [sys.executable, "-m", "benchmarks.memory.reopened", str(tmp_path), "--limit", str(told["limit"])]
    done = subprocess.run(opening, check=True, capture_output=True, text=True, timeout=600, cwd=ROOT)
    again = json.loads(done.stdout)
    assert again["rows"] == told["rows"]
    if COMPILED and told["base"]:
        most = (2.0 if kind == "join" else 2.5) * BESIDE
        assert again["own"] <= most, "what is restored leaves for files part by part"
