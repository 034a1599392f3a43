"""Views that change while they run: the old answers until the new is up to date, then all change in one tick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.errors import DependentObjects, Error, InvalidDefinition, ObjectInUse, QueryCanceled
from sqlengine.runtime import fill as fill_module
from sqlengine.runtime.clock import VirtualClock
from tests.api.fill_support import between_steps, rows, writes
from tests.depth import rounds


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill_module, "STEP_ROWS_MAX", 2)
    monkeypatch.setattr(fill_module, "SWITCH_ROWS_MAX", 1)


def counted(db: sqlengine.Database) -> None:
    db.execute("CREATE STREAM e (k INT, v INT)")
    db.execute("INSERT INTO e SELECT i % 3, i FROM generate_series(1, 12) AS g(i)")
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM e GROUP BY k")


def test_the_old_one_answers_until_the_new_one_does() -> None:
    with sqlengine.connect() as db:
        counted(db)
        other = db.cursor()
        seen: list[Any] = []

        def act(step: int) -> None:
            other.execute("INSERT INTO e VALUES (7, 1)") if step == 1 else None
            seen.append(other.execute("SELECT * FROM v WHERE k = 0").fetchall())

        with between_steps(act):
            db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, sum(v) AS s, max(v) AS m FROM e GROUP BY k")
        assert seen == [[(0, 4)]] * len(seen)
        assert len(seen) > 3
        assert rows(db, "SELECT * FROM v") == rows(db, "SELECT k, sum(v), max(v) FROM e GROUP BY k")
        assert rows(db, "SELECT name, status FROM system.queries") == [("v", "running")]


def test_what_stands_above_and_follows_is_told_the_difference() -> None:
    with sqlengine.connect(clock=VirtualClock()) as db:
        counted(db)
        db.execute("CREATE MATERIALIZED VIEW above AS SELECT n, count(*) AS times FROM v GROUP BY n")
        db.execute("CREATE MATERIALIZED VIEW top AS SELECT max(times) AS m FROM above")
        followed = db.subscribe("SELECT k, n FROM v", snapshot=False)
        state = db._instance.scheduler.by_name("above")
        db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM e WHERE v > 3 GROUP BY k")
        assert db._instance.scheduler.by_name("above") is state, "it has kept its state"
        assert rows(db, "SELECT * FROM above") == [(3, 3)]
        assert rows(db, "SELECT * FROM top") == [(3,)]
        change = followed.next(0.0)
        assert change is not None
        told = sorted(tuple(row.values()) for row in change.rows.to_pylist())
        assert told == sorted((op, k, n) for k in range(3) for op, n in (("update_before", 4), ("update_after", 3)))
        db.execute("INSERT INTO e VALUES (1, 9)")
        assert rows(db, "SELECT * FROM above") == [(3, 2), (4, 1)]


def test_what_needs_more_than_the_difference_is_made_anew_with_it() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (k INT, v INT)")
        db.execute("INSERT INTO e SELECT i % 3, i FROM generate_series(1, 12) AS g(i)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT k, v FROM e WHERE v > 2")
        db.execute("CREATE MATERIALIZED VIEW most AS SELECT k, max(v) AS m FROM v GROUP BY k")
        db.execute("CREATE MATERIALIZED VIEW star AS SELECT * FROM v")
        db.execute("CREATE MATERIALIZED VIEW top AS SELECT sum(m) AS s FROM most")
        other = db.cursor()
        both: list[Any] = []
        look = "SELECT (SELECT count(*) FROM v) AS a, (SELECT s FROM top) AS b, (SELECT count(*) FROM star) AS c"
        with between_steps(lambda step: both.append(other.execute(look).fetchone())):
            db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, v, v * 2 AS w FROM e WHERE v < 9")
        assert set(both) == {(10, 33, 10)}
        assert db.execute(look).fetchone() == (8, 21, 8)
        assert db.execute("SELECT * FROM star").columns == ["k", "v", "w"]
        db.execute("INSERT INTO e VALUES (0, -1), (5, 3)")
        assert rows(db, "SELECT * FROM most") == rows(db, "SELECT k, max(v) FROM v GROUP BY k")
        assert rows(db, "SELECT * FROM star") == rows(db, "SELECT * FROM v")


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("SELECT k FROM e GROUP BY k", 'column "n" does not exist'),
        ("SELECT k, CAST(count(*) AS TEXT) AS n FROM e GROUP BY k", 'the type of its column "n" would change'),
    ],
)
def test_it_is_refused_where_others_cannot_go_on(definition: str, reason: str) -> None:
    with sqlengine.connect() as db:
        counted(db)
        db.execute("CREATE MATERIALIZED VIEW above AS SELECT n FROM v")
        before = rows(db, "SELECT * FROM above")
        with pytest.raises(DependentObjects, match="cannot replace materialized view v because other") as refused:
            db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW v AS {definition}")
        detail = str(refused.value.detail)
        assert detail == f"materialized view above depends on materialized view v: {reason}"
        assert rows(db, "SELECT * FROM above") == before
        db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM e GROUP BY k")


def test_a_sink_of_rows_that_stay_refuses(tmp_path: Path) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (k INT)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT k FROM e")
        db.execute("CREATE STREAM out AS SELECT k FROM v")
        with pytest.raises(DependentObjects) as refused:
            db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k FROM e WHERE k > 1")
        assert str(refused.value.detail) == (
            "stream out depends on materialized view v: what it has written cannot be taken back"
        )


def test_it_cannot_read_itself() -> None:
    with sqlengine.connect() as db:
        counted(db)
        db.execute("CREATE MATERIALIZED VIEW above AS SELECT n FROM v")
        for name in ("v", "above"):
            with pytest.raises(InvalidDefinition, match="would read itself"):
                db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT n FROM {name}")


def test_a_follower_whose_columns_go_is_told() -> None:
    with sqlengine.connect(clock=VirtualClock()) as db:
        counted(db)
        followed = db.subscribe("SELECT n FROM v", snapshot=False)
        db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k FROM e GROUP BY k")
        with pytest.raises(Error, match='its column "n" has gone') as told:
            followed.next(0.0)
        assert told.value.sqlstate == "0A000"


def test_an_unchanged_part_keeps_its_state() -> None:
    with sqlengine.connect() as db:
        counted(db)
        db.execute("CREATE TABLE names (k INT PRIMARY KEY, name TEXT); INSERT INTO names VALUES (0, 'a'), (1, 'b')")
        for definition in (
            "SELECT k, count(*) AS n FROM e GROUP BY k HAVING count(*) > 3",
            "SELECT c.k, c.n, names.name FROM (SELECT k, count(*) AS n FROM e GROUP BY k) AS c "
            "JOIN names ON names.k = c.k",
            "SELECT n, count(*) AS times FROM (SELECT k, count(*) AS n FROM e GROUP BY k) AS c GROUP BY n",
        ):
            db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM e GROUP BY k")
            db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW v AS {definition}")
            query = db._instance.scheduler.by_name("v")
            assert query is not None
            assert query.counters.rows_in == 0, "nothing of the topic was read again"
            assert rows(db, "SELECT * FROM v") == rows(db, definition)
            db.execute("INSERT INTO e VALUES (0, 1), (4, 4)")
            assert rows(db, "SELECT * FROM v") == rows(db, definition)


def test_two_at_once_and_ending_one() -> None:
    with sqlengine.connect(clock=VirtualClock()) as db:
        counted(db)
        db.execute("SET background_ddl = true")
        db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, sum(v) AS s FROM e GROUP BY k")
        with pytest.raises(ObjectInUse, match='"v" is being brought up to date'):
            db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k FROM e")
        with pytest.raises(ObjectInUse):
            db.execute("ALTER MATERIALIZED VIEW v RENAME TO w")
        states = rows(db, "SELECT name, status FROM system.queries")
        assert states == [("v", "backfilling"), ("v", "running")]
        db.execute("DROP MATERIALIZED VIEW v")
        assert rows(db, "SELECT name FROM system.queries") == rows(db, "SELECT name FROM system.views") == []
        assert not list(db._instance.fills)


def test_cancelling_leaves_the_old_one() -> None:
    with sqlengine.connect() as db:
        counted(db)
        session = db.session()
        with between_steps(lambda step: session.cancel() if step == 2 else None), pytest.raises(QueryCanceled):
            session.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, sum(v) AS s FROM e GROUP BY k")
        db.execute("INSERT INTO e VALUES (0, 1)")
        assert rows(db, "SELECT * FROM v") == [(0, 5), (1, 4), (2, 4)]
        assert len(list(db._instance.catalog)) == 2


def test_plain_views_change_those_built_over_them() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (k INT, v INT); INSERT INTO e SELECT i, i FROM generate_series(1, 9) AS g(i)")
        db.execute("CREATE VIEW some AS SELECT k FROM e WHERE k > 3")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT CAST(sum(k) AS INT) AS s, count(*) AS n FROM some")
        db.execute("CREATE OR REPLACE VIEW some AS SELECT k FROM e WHERE k > 5")
        assert rows(db, "SELECT * FROM v") == [(30, 4)]
        with pytest.raises(DependentObjects, match="cannot replace view some"):
            db.execute("CREATE OR REPLACE VIEW some AS SELECT v FROM e")
        db.execute("INSERT INTO e VALUES (10, 10)")
        assert rows(db, "SELECT * FROM v") == [(40, 5)]


@pytest.mark.sampled(8)
@pytest.mark.parametrize("steps", range(9))
@pytest.mark.parametrize("killed", [False, True])
def test_it_is_one_or_the_other_after_opening(tmp_path: Path, steps: int, killed: bool) -> None:
    clock = VirtualClock()
    with sqlengine.connect(tmp_path, clock=clock) as db:
        counted(db)
        db.execute("CREATE MATERIALIZED VIEW above AS SELECT max(n) AS m FROM v")
        db.execute("SET background_ddl = true")
        db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM e WHERE v > 6 GROUP BY k")
        for fill in db._instance.fills:
            for _ in range(steps):
                if fill.status == "backfilling":
                    fill.step()
        db.execute("INSERT INTO e VALUES (1, 20)")
        if killed:
            db.crash()
    with sqlengine.connect(tmp_path, clock=clock) as db:
        assert rows(db, "SELECT * FROM v") in ([(0, 4), (1, 5), (2, 4)], [(0, 2), (1, 3), (2, 2)])
        db.execute("WAIT")
        assert rows(db, "SELECT * FROM v") == [(0, 2), (1, 3), (2, 2)]
        assert rows(db, "SELECT * FROM above") == [(3,)]
    with sqlengine.connect(tmp_path, clock=clock) as db:
        assert rows(db, "SELECT * FROM v") == [(0, 2), (1, 3), (2, 2)]
        assert rows(db, "SELECT * FROM above") == [(3,)]


def test_a_view_may_come_to_read_a_younger_one(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        counted(db)
        db.execute("CREATE MATERIALIZED VIEW younger AS SELECT k, sum(v) AS n FROM e GROUP BY k")
        db.execute("CREATE MATERIALIZED VIEW above AS SELECT sum(n) AS s FROM v")
        db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, n FROM younger")
        db.execute("INSERT INTO e VALUES (1, 22)")
        assert rows(db, "SELECT s FROM above") == [(100,)]
    for _ in range(2):
        with sqlengine.connect(tmp_path) as db:
            assert rows(db, "SELECT s FROM above") == [(100,)]
            db.crash()


OLD_AND_NEW = (
    "SELECT k, count(*) AS n FROM e GROUP BY k",
    "SELECT k, CAST(sum(v) AS BIGINT) AS n FROM t GROUP BY k",
    "SELECT k, count(*) AS n FROM e GROUP BY k HAVING count(*) > 1",
    "SELECT e.k, count(*) AS n FROM e JOIN t ON e.k = t.id GROUP BY e.k",
    "SELECT k, n FROM base WHERE n < 3",
    "SELECT DISTINCT k, CAST(v AS BIGINT) AS n FROM t",
    "SELECT k, CAST(v AS BIGINT) AS n FROM e",
    "SELECT k, n FROM (SELECT k, n FROM base UNION ALL SELECT id AS k, 1 AS n FROM t) AS u",
)

ABOVE = (
    "SELECT n, count(*) AS times FROM v GROUP BY n",
    "SELECT v.k, v.n, t.v AS w FROM v JOIN t ON v.k = t.id",
    "SELECT max(n) AS m, min(k) AS l FROM v",
    "SELECT * FROM v",
    "SELECT k, n FROM v ORDER BY n DESC, k LIMIT 2",
)


@settings(max_examples=rounds(5, 100))
@given(
    at_once=st.sampled_from((1, 4, 1000)),
    old=st.sampled_from(OLD_AND_NEW),
    new=st.sampled_from(OLD_AND_NEW),
    above=st.sampled_from(ABOVE),
    before=st.lists(writes, max_size=12),
    during=st.lists(st.lists(writes, max_size=3), max_size=8),
    after=st.lists(writes, max_size=4),
)
def test_all_agree_before_and_after(
    at_once: int, old: str, new: str, above: str, before: list[str], during: list[list[str]], after: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch, sqlengine.connect(clock=VirtualClock()) as db:
        patch.setattr(fill_module, "SWITCH_ROWS_MAX", at_once)
        db.execute("CREATE STREAM e (k INT, v INT); CREATE TABLE t (id INT PRIMARY KEY, k INT, v INT)")
        db.execute("CREATE MATERIALIZED VIEW base AS SELECT k, count(*) AS n FROM e GROUP BY k")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {old}; CREATE MATERIALIZED VIEW a AS {above}")
        db.execute("CREATE MATERIALIZED VIEW top AS SELECT count(*) AS rows FROM a")
        for statement in before:
            db.execute(statement)
        other = db.cursor()
        checks = (("v", old), ("a", above), ("top", "SELECT count(*) FROM a"))

        def act(step: int) -> None:
            for statement in during[step] if step < len(during) else ():
                other.execute(statement)
            for name, query in checks:
                asked = [sorted(other.execute(q).fetchall(), key=str) for q in (f"SELECT * FROM {name}", query)]
                assert asked[0] == asked[1]

        with between_steps(act):
            db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW v AS {new}")
        checks = (("v", new), *checks[1:])
        act(len(during))
        for statement in after:
            db.execute(statement)
            act(len(during))
