"""What subscriptions, their followers and cursors, and AS OF TICK do and refuse."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sqlengine
from sqlengine.runtime.subscription import SubscriptionOutput
from storage import DiskFull
from tests.api.subscription_world import rows_of

DAY_US = 86_400_000_000
DECLARE = """
CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT);
CREATE MATERIALIZED VIEW m AS SELECT v, count(*) AS c FROM t GROUP BY v;
INSERT INTO t VALUES (1, 10), (2, 10);
CREATE SUBSCRIPTION feed FROM m WITH (retention = '1D');
"""


class Opened:
    """A database of a directory under a virtual clock, that can be opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = sqlengine.VirtualClock(1_700_000_000_000_000)
        self.db = self.connected()
        self.db.execute(DECLARE)

    def connected(self) -> sqlengine.Database:
        return sqlengine.connect(self.path, clock=self.clock, checkpoint_interval_ms=0)

    def put(self, k: int, v: int) -> int:
        """A row; the tick it is in."""
        self.db.execute("INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v", (k, v))
        self.db.tick()
        return self.db.current_tick

    def reopen(self) -> None:
        self.db.crash()
        self.db = self.connected()

    def refused(self, statement: str | Callable[[], object]) -> sqlengine.Error:
        with pytest.raises(sqlengine.Error) as caught:
            self.db.execute(statement) if isinstance(statement, str) else statement()
        return caught.value


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Opened]:
    made = Opened(tmp_path / "db")
    try:
        yield made
    finally:
        made.db.crash()


def tuples(change: sqlengine.api.subscription.Change | None) -> list[tuple[object, ...]]:
    assert change is not None
    return [tuple(row.values()) for row in change.to_pylist()]


# ---------------------------------------------------------------- following


def test_a_follower_goes_on_behind_what_was_acknowledged(one: Opened) -> None:
    with one.db.subscription("feed") as follower:
        first = follower.next()
        assert first is not None and first.is_snapshot and tuples(first) == [("insert", 10, 2)]
        ticks = [one.put(3, 11), one.put(4, 12)]
        changes = [follower.next(), follower.next()]
        assert [c.tick for c in changes if c] == ticks and [tuples(c) for c in changes] == [
            [("insert", 11, 1)], [("insert", 12, 1)],
        ]  # fmt: skip
        assert follower.next() is None and follower.acknowledged is None
        follower.acknowledge(ticks[0])
        follower.acknowledge(first.tick)
        assert follower.acknowledged == ticks[0]
    for _ in range(2):
        one.reopen()
        again = one.db.subscription("feed")
        assert again.acknowledged == ticks[0]
        change = again.next()
        assert change is not None and (change.tick, change.is_snapshot, change.rows) == (
            ticks[1],
            False,
            changes[1].rows,
        )
        assert again.next() is None
    one.put(3, 12)
    assert tuples(again.next()) == [("delete", 11, 1), ("update_before", 12, 1), ("update_after", 12, 2)]


def test_the_snapshot_is_that_of_the_beginning_until_something_is_acknowledged(one: Opened) -> None:
    tick = one.db.current_tick
    one.put(1, 11)
    for _ in range(2):
        follower = one.db.subscription("feed")
        first = follower.next()
        assert first is not None and (first.tick, first.is_snapshot) == (tick, True)
        assert tuples(first) == [("insert", 10, 2)]
        assert tuples(follower.next()) == [("update_before", 10, 2), ("update_after", 10, 1), ("insert", 11, 1)]
        one.reopen()


def test_the_snapshot_of_an_empty_view_has_no_rows(one: Opened) -> None:
    one.db.execute("DELETE FROM t; CREATE SUBSCRIPTION empty FROM m")
    first = one.db.subscription("empty").next()
    assert first is not None and first.is_snapshot and first.rows.num_rows == 0
    assert first.rows.schema.names == ["op", "v", "c"]


def test_the_newest_follower_is_the_one(one: Opened) -> None:
    first = one.db.subscription("feed")
    snapshot = first.next()
    assert snapshot is not None
    second = one.db.subscription("feed")
    for call in (first.next, lambda: first.acknowledge(snapshot.tick)):
        error = one.refused(call)
        assert error.sqlstate == "55006" and "newest" in str(error.hint)
    assert second.next() is not None
    second.acknowledge(snapshot.tick)
    one.db.execute("DECLARE c SUBSCRIPTION CURSOR FOR feed")
    assert one.refused(second.next).sqlstate == "55006"
    one.db.subscription("feed")
    assert one.refused("ACKNOWLEDGE feed TICK 2").sqlstate == "55006"


def test_async_and_waiting_followers(tmp_path: Path) -> None:
    async def follow(db: sqlengine.Database) -> list[int]:
        seen: list[int] = []
        with db.subscription("feed") as follower:
            async for change in follower:
                seen += [row["v"] for row in change.to_pylist() if row["op"] == "insert"]
                follower.acknowledge(change.tick)
                if 3 in seen:
                    return seen
        return seen

    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)")
        db.subscription("feed", to="t", retention="2 hours").close()
        writer = threading.Thread(target=lambda: [db.insert("t", [(n, n)]) for n in range(4)])
        writer.start()
        assert asyncio.run(follow(db)) == [0, 1, 2, 3]
        writer.join()
        assert db.subscription("feed").next(0.05) is None


@pytest.mark.parametrize("tick", [-1, 0, 10_000])
def test_only_ticks_that_have_been_are_acknowledged(one: Opened, tick: int) -> None:
    follower = one.db.subscription("feed")
    error = one.refused(lambda: follower.acknowledge(tick))
    assert error.sqlstate == "22023" and "the ticks of this subscription are" in str(error.hint)
    assert follower.acknowledged is None


def test_what_is_dropped_ends_its_follower(one: Opened) -> None:
    follower = one.db.subscription("feed")
    one.db.execute("DROP SUBSCRIPTION feed")
    assert one.refused(follower.next).sqlstate == "42704"
    assert one.refused(lambda: one.db.subscription("feed")).sqlstate == "42704"
    assert not [topic.name for topic in one.db.storage.topics() if topic.name.startswith("$sub")]
    assert one.db.storage.offsets.groups() == []
    one.db.execute("CREATE SUBSCRIPTION feed FROM m")
    assert tuples(one.db.subscription("feed").next()) == [("insert", 10, 2)]
    one.reopen()
    assert one.db.execute("SELECT name FROM system.subscriptions").fetchall() == [("feed",)]


# ---------------------------------------------------------------- retention


def test_who_comes_later_than_retention_begins_anew(one: Opened) -> None:
    with one.db.subscription("feed") as follower:
        follower.acknowledge(one.put(3, 11))
    one.put(4, 12)
    last = one.put(5, 13)
    one.clock.advance(DAY_US + 1)
    one.put(6, 14)
    assert one.db.execute("SELECT changes FROM system.subscriptions").fetchone() == (4,), "no checkpoint yet"
    one.db.checkpoint()
    assert one.db.execute("SELECT changes, oldest_tick FROM system.subscriptions").fetchone() == (1, last)
    for _ in range(2):
        error = one.refused(lambda: one.db.subscription("feed"))
        assert error.sqlstate == "72000" and "anew" in str(error.hint)
        assert one.refused("DECLARE c SUBSCRIPTION CURSOR FOR feed").sqlstate == "72000"
        one.reopen()
    follower = one.db.subscription("feed", anew=True)
    first = follower.next()
    assert first is not None and first.is_snapshot and first.tick == one.db.current_tick
    assert Counter(tuples(first)) == Counter({("insert", *row): 1 for row in one.db.execute("TABLE m").fetchall()})
    follower.acknowledge(first.tick)
    tick = one.put(7, 14)
    change = one.db.subscription("feed").next()
    assert change is not None and change.tick == tick and not change.is_snapshot


def test_who_has_acknowledged_all_that_has_gone_is_not_late(one: Opened) -> None:
    tick = one.put(3, 11)
    one.db.subscription("feed").acknowledge(tick)
    one.clock.advance(2 * DAY_US)
    one.db.execute("CREATE STREAM other (n BIGINT)")
    one.db.tick()
    one.db.checkpoint()
    assert one.db.execute("SELECT changes, oldest_tick FROM system.subscriptions").fetchone() == (0, tick)
    assert one.db.subscription("feed").next() is None
    one.reopen()
    tick = one.put(3, 12)
    change = one.db.subscription("feed").next()
    assert change is not None and change.tick == tick


def test_retention_overtakes_an_open_follower(one: Opened) -> None:
    follower = one.db.subscription("feed")
    follower.next()
    one.put(3, 11)
    one.clock.advance(2 * DAY_US)
    one.put(4, 11)
    one.db.checkpoint()
    assert one.refused(follower.next).sqlstate == "72000"


def test_retention_can_be_changed(one: Opened) -> None:
    one.db.execute("ALTER SUBSCRIPTION feed SET (retention = 'forever')")
    one.put(3, 11)
    one.clock.advance(400 * DAY_US)
    one.db.checkpoint()
    assert len(one.db.execute("DECLARE c SUBSCRIPTION CURSOR FOR feed SINCE begin(); FETCH ALL c").fetchall()) == 1
    one.db.execute("ALTER SUBSCRIPTION feed SET (retention = '1 second')")
    one.reopen()
    one.put(4, 11)
    one.db.checkpoint()
    assert one.refused("DECLARE d SUBSCRIPTION CURSOR FOR feed").sqlstate == "72000"


def test_memory_has_retention_too() -> None:
    clock = sqlengine.VirtualClock(1_700_000_000_000_000)
    with sqlengine.connect(clock=clock) as db:
        db.execute(DECLARE)
        db.execute("INSERT INTO t VALUES (3, 11)")
        db.tick()
        clock.advance(2 * DAY_US)
        db._instance._maintain()
        assert db.execute("SELECT changes FROM system.subscriptions").fetchone() == (0,)


# ---------------------------------------------------------------- views that change


def test_a_replaced_view_hands_on_the_difference(one: Opened) -> None:
    follower = one.db.subscription("feed")
    first = follower.next()
    before = one.db.current_tick
    one.db.execute(
        "CREATE OR REPLACE MATERIALIZED VIEW m AS SELECT v, count(*) + 1 AS c, min(k) AS k FROM t GROUP BY v"
    )
    change = follower.next()
    assert change is not None and change.tick > before
    assert tuples(change) == [("update_before", 10, 2), ("update_after", 10, 3)]
    one.put(3, 11)
    assert tuples(follower.next()) == [("insert", 11, 2)]
    assert first is not None and first.rows.schema == change.rows.schema
    error = one.refused(f"SELECT * FROM m AS OF TICK {before}")
    assert error.sqlstate == "72000" and "columns" in error.message
    one.reopen()
    assert [c.tick for c in drain(one.db.subscription("feed"))][1:] == [change.tick, change.tick + 1]


def drain(follower: sqlengine.api.subscription.Follower) -> list[sqlengine.api.subscription.Change]:
    found = []
    while (change := follower.next()) is not None:
        found.append(change)
    return found


@pytest.mark.parametrize(
    "query", ["SELECT v AS w, count(*) AS c FROM t GROUP BY v", "SELECT v::text AS v, 1 AS c FROM t"]
)
def test_a_view_keeps_the_columns_of_its_subscriptions(one: Opened, query: str) -> None:
    error = one.refused(f"CREATE OR REPLACE MATERIALIZED VIEW m AS {query}")
    assert error.sqlstate == "2BP01" and "subscription feed depends on materialized view m" in str(error.detail)


def test_append_only_views_may_be_replaced_as_well(one: Opened) -> None:
    one.db.execute(
        "CREATE STREAM s (n BIGINT); INSERT INTO s VALUES (1), (2), (3);"
        "CREATE MATERIALIZED VIEW odd AS SELECT n FROM s WHERE n % 2 = 1; CREATE SUBSCRIPTION odds FROM odd"
    )
    follower = one.db.subscription("odds")
    follower.next()
    one.db.execute("CREATE OR REPLACE MATERIALIZED VIEW odd AS SELECT max(n) AS n FROM s")
    assert tuples(follower.next()) == [("delete", 1)]
    for _ in range(2):
        one.db.checkpoint()
        one.reopen()
        one.db.execute(f"INSERT INTO s VALUES ({one.db.current_tick * 10})")
        assert [c.is_snapshot for c in drain(one.db.subscription("odds"))][0]
        assert one.refused(lambda: one.db.execute("PAUSE QUERY odds")).sqlstate == "0A000"
    assert rows_of(one.db.table("odd")) == replayed(one.db.subscription("odds"))


def replayed(follower: sqlengine.api.subscription.Follower) -> Counter[tuple[object, ...]]:
    rows: Counter[tuple[object, ...]] = Counter()
    for change in drain(follower):
        for op, *row in (tuple(r.values()) for r in change.to_pylist()):
            rows[tuple(row)] += 1 if op in ("insert", "update_after") else -1
    return +rows


def test_dependents(one: Opened) -> None:
    for statement in ("DROP MATERIALIZED VIEW m", "DROP TABLE t", "ALTER MATERIALIZED VIEW m RENAME TO n"):
        error = one.refused(statement)
        assert error.sqlstate == "2BP01" and "subscription feed depends on materialized view m" in str(error.detail)
    one.db.execute("ALTER SUBSCRIPTION feed RENAME TO fed")
    one.put(3, 11)
    one.reopen()
    assert len(drain(one.db.subscription("fed"))) == 2
    notices = one.db.execute("DROP TABLE t CASCADE").notices
    assert "drop cascades to subscription fed" in "\n".join(notices)
    assert one.db.execute("SHOW SUBSCRIPTIONS").fetchall() == []


def test_columns_are_added_to_a_table_under_its_subscription(one: Opened) -> None:
    one.db.execute("CREATE SUBSCRIPTION raw FROM t")
    one.db.execute("ALTER TABLE t ADD COLUMN note TEXT DEFAULT 'none'")
    one.db.execute("INSERT INTO t VALUES (3, 11, 'x')")
    assert replayed(one.db.subscription("raw")) == Counter([(1, 10), (2, 10), (3, 11)])
    one.reopen()
    assert replayed(one.db.subscription("raw")) == Counter([(1, 10), (2, 10), (3, 11)])


def test_views_made_in_the_background(one: Opened) -> None:
    one.db.execute("SET background_ddl = true; CREATE MATERIALIZED VIEW later AS SELECT k FROM t")
    assert one.refused("CREATE SUBSCRIPTION early FROM later").sqlstate == "55000"
    one.db.execute("WAIT; CREATE SUBSCRIPTION ready FROM later")
    one.db.execute("CREATE OR REPLACE MATERIALIZED VIEW m AS SELECT v, 7::bigint AS c FROM t")
    one.db.execute("WAIT")
    assert replayed(one.db.subscription("ready")) == Counter([(1,), (2,)])
    assert replayed(one.db.subscription("feed")) == Counter([(10, 7), (10, 7)])


# ---------------------------------------------------------------- cursors


def test_cursors(one: Opened) -> None:
    first, second = one.put(3, 11), one.put(1, 11)
    execute = one.db.execute
    assert execute("DECLARE c SUBSCRIPTION CURSOR FOR feed").tag == "DECLARE CURSOR"
    assert execute("FETCH c").fetchall()[0][2:] == ("insert", 10, 2)
    rows = execute("FETCH 2 FROM c").fetchall()
    assert (rows[0][0], *rows[0][2:]) == (first, "insert", 11, 1) and rows[1][0] == second
    rest = execute("FETCH ALL FROM c")
    assert rest.tag == "FETCH 3"
    assert sorted(row[2:] for row in [rows[1], *rest.fetchall()]) == [
        ("update_after", 10, 1), ("update_after", 11, 2), ("update_before", 10, 2), ("update_before", 11, 1),
    ]  # fmt: skip
    assert execute("FETCH NEXT FROM c").to_arrow().schema.names == ["tick", "time", "op", "v", "c"]
    execute(f"ACKNOWLEDGE feed TICK {first}")
    assert execute("SELECT acknowledged_tick FROM system.subscriptions").fetchone() == (first,)
    assert execute("SHOW CURSORS").fetchall() == [("c", "feed", True)]
    execute("DECLARE d SUBSCRIPTION CURSOR FOR feed SINCE TICK " + str(first))
    assert {row[0] for row in execute("FETCH ALL d").fetchall()} == {second}
    execute("DECLARE e SUBSCRIPTION CURSOR FOR feed SINCE now(); DECLARE f SUBSCRIPTION CURSOR FOR feed FULL")
    assert execute("FETCH ALL e").fetchall() == []
    assert sorted(row[2:] for row in execute("FETCH ALL f").fetchall()) == [("insert", 10, 1), ("insert", 11, 2)]
    one.put(9, 99)
    assert len(execute("FETCH ALL e").fetchall()) == len(execute("FETCH ALL f").fetchall()) == 1
    assert one.refused("FETCH c").sqlstate == "55006", "the cursor that is FULL follows now"
    execute("CLOSE d")
    assert one.refused("FETCH d").sqlstate == "34000"
    execute("CLOSE ALL")
    assert execute("SHOW CURSORS").fetchall() == []


def test_a_fetch_may_wait(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db, db.cursor() as cursor:
        db.execute("CREATE TABLE t (k BIGINT PRIMARY KEY); CREATE SUBSCRIPTION feed FROM t")
        cursor.execute("DECLARE c SUBSCRIPTION CURSOR FOR feed SINCE now()")
        writer = threading.Timer(0.1, lambda: db.insert("t", [(1,)]))
        writer.start()
        cursor.execute("FETCH 10 FROM c WITH (timeout = '30 seconds')")
        assert [row[2:] for row in cursor.fetchall()] == [("insert", 1)]
        writer.join()


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("CREATE SUBSCRIPTION feed FROM m", "42P07"),
        ("CREATE SUBSCRIPTION m FROM m", "42P07"),
        ("CREATE SUBSCRIPTION x FROM nothing", "42P01"),
        ("CREATE SUBSCRIPTION x FROM feed", "42809"),
        ("CREATE SUBSCRIPTION x FROM plain", "42809"),
        ("CREATE SUBSCRIPTION x FROM s", "42809"),
        ("CREATE SUBSCRIPTION x FROM system.queries", "42809"),
        ("CREATE SUBSCRIPTION x FROM m WITH (retention = 'soon')", "22007"),
        ("CREATE SUBSCRIPTION x FROM m WITH (retention = '-1 day')", "22023"),
        ("CREATE SUBSCRIPTION x FROM m WITH (retention = '1 month')", "22023"),
        ("CREATE SUBSCRIPTION x FROM m WITH (retentoin = '1 day')", "22023"),
        ("CREATE OR REPLACE SUBSCRIPTION x FROM m", "0A000"),
        ("CREATE SUBSCRIPTION nowhere.x FROM m", "3F000"),
        ("DROP SINK feed", "42809"),
        ("DROP SUBSCRIPTION m", "42809"),
        ("DROP SUBSCRIPTION fed", "42704"),
        ("DROP TOPIC \"$subscription:q2\"", "42P01"),
        ("SELECT * FROM feed", "42809"),
        ("ALTER SUBSCRIPTION feed SET (x = 1)", "22023"),
        ("PAUSE QUERY feed", "0A000"),
        ("ACKNOWLEDGE m TICK 1", "42809"),
        ("ACKNOWLEDGE feed TICK 1.5", "42601"),
        ("DECLARE c SUBSCRIPTION CURSOR FOR m", "42809"),
        ("DECLARE c SUBSCRIPTION CURSOR FOR feed SINCE TICK 1000", "22023"),
        ("DECLARE c SUBSCRIPTION CURSOR FOR feed SINCE TICK 0", "72000"),
        ("DECLARE c SUBSCRIPTION CURSOR FOR feed SINCE later()", "42601"),
        ("DECLARE c SUBSCRIPTION CURSOR FOR clashing", "42701"),
        ("FETCH c", "34000"),
        ("CLOSE c", "34000"),
        ("SELECT * FROM m AS OF TICK 1000", "22023"),
        ("SELECT * FROM m AS OF TICK -1", "22023"),
        ("SELECT * FROM m AS OF TICK 'x'", "22023"),
        ("SELECT * FROM m AS OF TICK 0", "72000"),
        ("SELECT * FROM unkept AS OF TICK 2", "72000"),
        ("SELECT * FROM m, s AS OF TICK 2", "0A000"),
        ("SELECT * FROM system.queries AS OF TICK 2", "0A000"),
        ("SELECT current_tick(1)", "42883"),
        ("CREATE MATERIALIZED VIEW x AS SELECT current_tick() FROM t", "42883"),
        ("BEGIN; SELECT * FROM m AS OF TICK 2", "25000"),
    ],
)  # fmt: skip
def test_bad_statements(one: Opened, statement: str, state: str) -> None:
    one.db.execute(
        "CREATE STREAM s (n BIGINT); CREATE VIEW plain AS SELECT k FROM t;"
        "CREATE MATERIALIZED VIEW unkept AS SELECT k FROM t;"
        "CREATE MATERIALIZED VIEW timed AS SELECT k AS time FROM t; CREATE SUBSCRIPTION clashing FROM timed"
    )
    one.put(3, 11)
    error = one.refused(statement)
    assert error.sqlstate == state, error
    one.db.rollback()
    names = ("feed", "clashing")
    assert sorted(n for (n,) in one.db.execute("SELECT name FROM system.subscriptions").fetchall()) == sorted(names)


# ---------------------------------------------------------------- the past


def test_views_of_one_statement_are_of_one_tick(one: Opened) -> None:
    one.db.execute("CREATE SUBSCRIPTION raw FROM t")
    ticks = [one.put(k, 10 + k % 3) for k in range(3, 9)]
    query = "SELECT (SELECT count(*) FROM t), (SELECT sum(c) FROM m), current_tick()"
    for tick, count in zip(ticks, range(3, 9), strict=True):
        result = one.db.execute(f"{query} AS OF TICK ?", [tick])
        assert result.fetchall() == [(count, count, tick)] and result.tick == tick
    assert one.db.execute(query).tick == ticks[-1]
    one.db.execute("PREPARE then AS SELECT count(*) FROM t AS OF TICK $1")
    assert one.db.execute(f"EXECUTE then({ticks[1]})").fetchall() == [(4,)]
    plain = "CREATE VIEW plain AS SELECT sum(c) AS total FROM m"
    one.db.execute(plain)
    assert one.db.execute(f"SELECT total FROM plain AS OF TICK {ticks[2]}").fetchall() == [(5,)]


def test_a_past_can_be_copied_out(one: Opened, tmp_path: Path) -> None:
    tick = one.db.current_tick
    one.put(3, 11)
    one.db.execute(f"COPY (SELECT v, c FROM m AS OF TICK {tick}) TO '{tmp_path}/then.csv' (FORMAT csv)")
    assert (tmp_path / "then.csv").read_text().split() == ["v,c", "10,2"]


def test_rows_of_all_kinds(one: Opened) -> None:
    one.db.execute("""
        CREATE TABLE kinds (a NUMERIC(20, 4), b TEXT, c BOOLEAN, d DATE, e TIMESTAMPTZ, f DOUBLE PRECISION, g BIGINT[],
          h BYTEA, i INTERVAL, j JSONB, l TIME, m REAL);
        INSERT INTO kinds VALUES (1.5, 'é', true, '2024-02-29', now(), 'NaN', ARRAY[1, NULL], '\\x00ff',
          '1 month 2 days', '{"a": [1]}', '01:02:03', 0.1), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
          NULL, NULL);
        CREATE MATERIALIZED VIEW same AS SELECT * FROM kinds; CREATE SUBSCRIPTION of_kinds FROM same""")
    tick, text = one.db.current_tick, "SELECT * FROM same ORDER BY a"
    before = one.db.execute(text).fetchall()
    one.db.execute("INSERT INTO kinds SELECT * FROM kinds; INSERT INTO kinds SELECT * FROM kinds WHERE b IS NULL")
    one.db.execute("DELETE FROM kinds WHERE a IS NOT NULL")
    for _ in range(2):
        assert repr(one.db.execute(f"{text} AS OF TICK {tick}").fetchall()) == repr(before)
        one.reopen()


# ---------------------------------------------------------------- what goes wrong


def test_a_full_disk_holds_changes_back(one: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = one.db.subscription("feed")
    follower.next()
    before = one.put(3, 11)
    with monkeypatch.context() as patch:
        patch.setattr(SubscriptionOutput, "__call__", _full)
        ticks = [one.put(4, 12), one.put(5, 13)]
        assert one.db.execute("SELECT status FROM system.subscriptions").fetchone() == ("failing",)
        assert len(drain(follower)) == 1
        assert one.refused(f"SELECT * FROM m AS OF TICK {before}").sqlstate == "55000"
        assert one.refused(lambda: one.db.subscription("feed", anew=True)).sqlstate == "55000"
    one.clock.advance(61_000_000)
    one.db.tick()
    follower = one.db.subscription("feed")
    assert one.db.execute("SELECT status FROM system.subscriptions").fetchone() == ("running",)
    assert replayed(follower) == rows_of(one.db.table("m"))
    assert one.refused(f"SELECT * FROM m AS OF TICK {ticks[0]}").sqlstate == "72000", "nobody knows what was when"
    now, rows = one.db.current_tick, rows_of(one.db.table("m"))
    one.put(6, 14)
    assert rows_of(one.db.execute(f"SELECT * FROM m AS OF TICK {now}").to_arrow()) == rows


def _full(*_args: object) -> None:
    raise DiskFull("no space left on device")


def files_of(one: Opened) -> list[Path]:
    return sorted(path for path in one.path.rglob("*") if "subscription" in str(path) and path.is_file())


@pytest.mark.parametrize("damage", ["records", "description", "gone"])
def test_damage_is_told_and_the_database_opens(one: Opened, damage: str) -> None:
    for k in range(3, 30):
        one.put(k, k)
    one.db.close()
    names = [path.name for path in files_of(one)]
    assert names
    for path in files_of(one):
        if damage == "gone" or (damage == "description" and path.suffix == ".json"):
            path.unlink()
        elif damage == "records" and path.suffix == ".log":
            data = bytearray(path.read_bytes())
            at = len(data) // 3
            data[at : at + 40] = bytes(40)
            path.write_bytes(bytes(data))
    one.db = one.connected()
    assert one.db.execute("SELECT count(*) FROM m").fetchone() == (27,)
    error = one.refused(lambda: drain(one.db.subscription("feed")))
    assert error.sqlstate == "XX001" and "create it again" in str(error.hint), (error, names)
    assert one.refused("SELECT * FROM m AS OF TICK 4").sqlstate == "XX001"
    one.db.execute("SHOW SUBSCRIPTIONS")
    one.db.execute("DROP SUBSCRIPTION feed; CREATE SUBSCRIPTION feed FROM m")
    one.put(30, 30)
    assert replayed(one.db.subscription("feed")) == rows_of(one.db.table("m"))


def test_without_a_checkpoint_followers_are_told_to_begin_anew(one: Opened) -> None:
    follower = one.db.subscription("feed")
    tick = one.put(3, 11)
    follower.acknowledge(tick)
    one.db.crash()
    for path in sorted((one.path / "snapshots").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    one.db = one.connected()
    assert one.refused(lambda: one.db.subscription("feed")).sqlstate == "72000"
    assert one.db.current_tick > tick
    again = one.db.subscription("feed", anew=True)
    assert replayed(again) == rows_of(one.db.table("m"))
    later = one.put(4, 11)
    again.acknowledge(later)
    one.reopen()
    assert drain(one.db.subscription("feed")) == []
