"""kill -9 at any moment: every acknowledged statement is there once, and every view is what its query says."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import sqlengine
from tests.crash.replace_worker import DEFINITIONS
from tests.crash.subscription_worker import FEEDS, take, told
from tests.crash.transaction_worker import ITEMS
from tests.crash.worker import change, rows_of
from tests.nursery import Nursery, run_script

ROOT = Path(__file__).resolve().parents[2]
CYCLES = int(os.environ.get("SQLENGINE_CRASH_CYCLES", "3"))

VIEWS = {
    "counts": "SELECT k, count(*) AS c, max(n) AS newest FROM events GROUP BY k",
    "joined": "SELECT e.n, i.step FROM events AS e JOIN items AS i ON e.k = i.id WHERE e.n % 7 = 0",
    "ranked": "SELECT k, count(*) AS c FROM events GROUP BY k ORDER BY c DESC, k LIMIT 3",
    "closed": """SELECT k, count(*) AS c, start FROM (SELECT *, date_trunc('minute', ts) + INTERVAL '10 s' *
        (extract(second FROM ts)::int / 10) AS start FROM events) AS e
        WHERE start + INTERVAL '10 s' <= (SELECT max(ts) FROM events) GROUP BY k, start""",
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["a", "b"])
def test_a_killed_engine_comes_back_whole(tmp_path: Path, seed: str, processes: Nursery) -> None:
    rng, path = random.Random(seed), tmp_path / "db"  # the files lie beside it
    acknowledged = -1
    for cycle in range(CYCLES):
        found = run_until_killed(processes, path, f"{seed}{cycle}", lines=rng.choice((1, 5, 20, rng.randrange(60))))
        acknowledged = max(acknowledged, found)
        with sqlengine.connect(path) as db:
            check(db, acknowledged)
            if cycle % 3 == 2:
                db.execute("DROP MATERIALIZED VIEW ranked")
                db.execute("CREATE MATERIALIZED VIEW ranked AS SELECT k, c FROM counts ORDER BY c DESC, k LIMIT 3")
            stored = [n for (n,) in db.execute("SELECT n FROM events").fetchall()]
            filed = numbers_in_files(path)
            assert len(set(filed)) == len(filed)
        assert sorted(numbers_in_files(path)) == sorted(n for n in stored if n % 3 == 0)


def numbers_in_files(path: Path) -> list[int]:
    """What the file sink has published."""
    files = path.with_name(f"{path.name}-files")
    return [n for part in files.rglob("part-*") for n in pq.ParquetFile(part).read().column("n").to_pylist()]


@pytest.mark.slow
def test_a_killed_engine_has_no_transaction_in_part(tmp_path: Path, processes: Nursery) -> None:
    rng = random.Random(0)
    acknowledged = -1
    for _ in range(CYCLES):
        lines = rng.choice((1, 3, 10, rng.randrange(40)))
        acknowledged = max(acknowledged, run_until_killed(processes, tmp_path, "", lines, "transaction_worker.py"))
        with sqlengine.connect(tmp_path) as db:
            debits = dict(db.execute("SELECT n, count(*) FROM debits GROUP BY n").fetchall())
            assert debits == dict(db.execute("SELECT n, count(*) FROM credits GROUP BY n").fetchall())
            last = max(debits, default=-1)
            assert debits == {n: 12 for n in range(last + 1) if n % 4 != 3}, "lost, repeated, rolled back or in part"
            assert dict(db.execute("SELECT * FROM pairs").fetchall()) == dict.fromkeys(debits, 144)
            steps = db.execute("SELECT * FROM steps").fetchall()
            assert steps in ([], [(max(last, 0), ITEMS)])
            assert last >= acknowledged - (acknowledged % 4 == 3)
            assert db.execute("SELECT * FROM system.transactions").fetchall() == []


@pytest.mark.slow
def test_views_that_change_while_it_is_killed(tmp_path: Path, processes: Nursery) -> None:
    rng = random.Random(1)
    acknowledged = -1
    for cycle in range(CYCLES):
        lines = rng.choice((1, 3, 10, rng.randrange(40)))
        acknowledged = max(acknowledged, run_until_killed(processes, tmp_path, f"{cycle}", lines, "replace_worker.py"))
        with sqlengine.connect(tmp_path) as db:
            db.execute("WAIT; RESUME QUERY above; RESUME QUERY odd")
            stored = [n for (n,) in db.execute("SELECT n FROM events ORDER BY n").fetchall()]
            assert stored == list(range(len(stored))) and len(stored) >= 10 * (acknowledged + 1)
            shown = sorted(db.execute("SELECT * FROM v").fetchall())
            assert shown in [sorted(db.execute(query).fetchall()) for query in DEFINITIONS]
            above = db.execute("SELECT * FROM above").fetchone()
            assert above == (len(shown), max((n for _, n in shown), default=None))
            assert sorted(db.execute("SELECT n FROM odd").fetchall()) == [(n,) for n in stored if n % 2]
            states = {status for (status,) in db.execute("SELECT status FROM system.queries").fetchall()}
            assert states == {"running"}
            if db.execute("SELECT * FROM system.views WHERE name = 'w'").fetchall():
                made = sorted(db.execute("SELECT * FROM w").fetchall())
                assert made == sorted(db.execute(DEFINITIONS[2]).fetchall())


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["a", "b"])
def test_followers_of_a_killed_engine_get_each_change_once(tmp_path: Path, seed: str, processes: Nursery) -> None:
    rng, path = random.Random(seed), tmp_path / "db"
    for cycle in range(CYCLES):
        run_until_killed(
            processes, path, f"{seed}{cycle}", rng.choice((1, 3, 10, rng.randrange(40))), "subscription_worker.py"
        )
        with sqlengine.connect(path) as db:
            db.execute("RESUME QUERY joined")
            for feed, view in FEEDS.items():
                with db.subscription(feed) as follower:
                    take(follower, str(path), feed, acknowledges=True)
                changes = told(str(path), feed)
                after = {tick: rows_after(changes, tick) for tick in changes}
                assert after[max(after)] == Counter(db.execute(f"SELECT * FROM {view}").fetchall()), feed
                for tick in rng.sample(sorted(after), min(3, len(after))):
                    assert after[tick] == Counter(db.execute(f"SELECT * FROM {view} AS OF TICK {tick}").fetchall())


def rows_after(changes: dict[int, list[list[object]]], last: int) -> Counter[tuple[object, ...]]:
    """The rows that the changes of all ticks up to one make; none is taken back that is not there."""
    rows: Counter[tuple[object, ...]] = Counter()
    for tick in sorted(tick for tick in changes if tick <= last):
        for op, *row in changes[tick]:
            rows[tuple(row)] += 1 if op in ("insert", "update_after") else -1
        assert min(rows.values(), default=0) >= 0, tick
    return +rows


def run_until_killed(processes: Nursery, path: Path, seed: str, lines: int, script: str = "worker.py") -> int:
    """The last step a worker acknowledged before it was killed, some time after its `lines`-th line."""
    worker = processes.child(run_script, (str(ROOT / "tests/crash" / script), str(path), seed))
    with worker.told, open(os.dup(worker.told.fileno())) as told:
        printed = [told.readline() for _ in range(lines + 1)]
        worker.kill()
        printed += told.readlines()
    whole = [line.split() for line in printed if line.endswith("\n")]
    assert whole and whole[0][0] == "open", printed[:3]
    return max(int(n) for _, n in whole)


def check(db: sqlengine.Database, acknowledged: int) -> None:
    """The stream holds steps 0..last, the table their changes, the views their queries' answers."""
    stored = [n for (n,) in db.execute("SELECT n FROM events ORDER BY n").fetchall()]
    last = len(stored) // 5 - 1
    assert stored == [n for step in range(last + 1) for n, _, _ in rows_of(step)]
    assert acknowledged <= last <= acknowledged + 1
    possible = [items_after(last), items_after(last + 1)]
    assert dict(db.execute("SELECT id, step FROM items").fetchall()) in possible
    check_outputs(db, stored)
    for view, query in VIEWS.items():
        got = sorted(db.execute(f"SELECT * FROM {view}").fetchall())
        assert got == sorted(db.execute(query).fetchall()), view


def check_outputs(db: sqlengine.Database, stored: list[int]) -> None:
    """What queries have written is there once, in order, and so are the rows on which they failed."""
    evens = [n for (n,) in db.execute("SELECT n FROM evens").fetchall()]
    assert evens == [n for n in stored if n % 2 == 0 and n % 50]
    failed = db.execute("SELECT count(*) FROM system.errors WHERE object LIKE 'evens%'").fetchall()
    assert failed == [(sum(n % 50 == 0 for n in stored),)]
    columns = "k, c, window_start"
    ended = db.execute(f"SELECT {columns} FROM ended").fetchall()
    assert len(set(ended)) == len(ended)
    assert sorted(ended) == sorted(db.execute(f"SELECT {columns} FROM closed").fetchall())


def items_after(last: int) -> dict[int, int]:
    """The table after the changes of steps 0..last."""
    items: dict[int, int] = {}
    for step in range(last + 1):
        item, delete = change(step)
        if delete:
            items.pop(item, None)
        else:
            items[item] = step
    return items
