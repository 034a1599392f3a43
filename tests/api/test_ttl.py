"""The option ttl of tables: rows leave so long after they were written last, with what views make of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.statements.row_expiry import SHARE
from tests.depth import rounds

SECOND = 1_000_000
TTL = 20 * SECOND
DECLARE = """
CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT, twice BIGINT AS (v * 2)) WITH (ttl = '20 seconds', partitions = 2);
CREATE TABLE p (v BIGINT) WITH (ttl = '20 seconds', partitions = 2);
CREATE MATERIALIZED VIEW of_t AS SELECT v % 2 AS odd, count(*) AS c, sum(twice) AS s FROM t GROUP BY v % 2;
CREATE MATERIALIZED VIEW joined AS SELECT t.id, p.v FROM t JOIN p ON t.v = p.v;
"""


class World:
    """A database that can be killed, and when each row was written."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, sqlengine.VirtualClock(1_700_000_000_000_000)
        self.db = sqlengine.connect(path, clock=self.clock)
        self.db.execute(DECLARE)
        self.keyed: dict[int, tuple[int, int]] = {}
        self.plain: list[tuple[int, int]] = []

    def step(self, kind: str, key: int, value: int) -> None:
        now = self.clock.now_us()
        there = {k for (k,) in self.db.execute("SELECT id FROM t").fetchall()}
        if kind == "put":
            text = "INSERT INTO t VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET v = excluded.v"
            self.db.execute(text, (key, value))
            self.keyed[key] = (value, now)
        elif kind == "touch":
            self.db.execute("UPDATE t SET v = v WHERE id = ?", (key,))
            if key in there:
                self.keyed[key] = (self.keyed[key][0], now)
        elif kind == "delete":
            self.db.execute("DELETE FROM t WHERE id = ?", (key,))
            self.db.execute("DELETE FROM p WHERE v = ?", (value,))
            self.keyed.pop(key, None)
            self.plain = [(v, at) for v, at in self.plain if v != value]
        elif kind == "plain":
            self.db.execute("INSERT INTO p VALUES (?), (?)", (value, key))
            self.plain += [(value, now), (key, now)]
        elif kind == "time":
            self.clock.advance((1 + value * 3) * SECOND)

    def check(self) -> None:
        now = self.clock.now_us()
        keyed = dict(self.db.execute("SELECT id, v FROM t").fetchall())
        plain = Counter(v for (v,) in self.db.execute("SELECT v FROM p").fetchall())
        for least, until in ((True, now - TTL), (False, now - TTL - TTL // SHARE)):
            rows = {key: v for key, (v, at) in self.keyed.items() if at > until}
            values = Counter(v for v, at in self.plain if at > until)
            assert rows.items() <= keyed.items() if least else keyed.items() <= rows.items()
            assert values <= plain if least else plain <= values
        sums = self.db.execute("SELECT v % 2, count(*), sum(v * 2) FROM t GROUP BY 1").fetchall()
        assert sorted(self.db.execute("SELECT * FROM of_t").fetchall()) == sorted(sums)
        pairs = sorted((key, v) for key, v in keyed.items() for _ in range(plain[v]))
        assert sorted(self.db.execute("SELECT * FROM joined").fetchall()) == pairs

    def reopen(self) -> None:
        self.db.crash()
        self.db = sqlengine.connect(self.path, clock=self.clock)


@contextmanager
def world(path: Path) -> Iterator[World]:
    made = World(path)
    try:
        yield made
    finally:
        made.db.crash()


KINDS = st.sampled_from(["put", "put", "touch", "delete", "plain", "plain", "time", "time", "time"])
THEN = st.sampled_from(["", "", "", "checkpoint", "kill", "checkpoint and kill"])


@settings(max_examples=rounds(3, 60))
@given(steps=st.lists(st.tuples(KINDS, st.integers(0, 3), st.integers(0, 3), THEN), min_size=5, max_size=15))
def test_rows_leave_when_their_time_is_over(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int, str]]
) -> None:
    with world(tmp_path_factory.mktemp("db") / "it") as it:
        for kind, key, value, then in steps:
            it.step(kind, key, value)
            if "checkpoint" in then:
                it.db.checkpoint()
            if "kill" in then:
                it.reopen()
            it.check()


def test_altered_and_gone(tmp_path: Path) -> None:
    with world(tmp_path / "it") as it:
        it.step("put", 1, 1)
        it.db.execute("ALTER TABLE t SET (ttl = 'none')")
        it.clock.advance(100 * SECOND)
        assert it.db.execute("SELECT id FROM t").fetchall() == [(1,)]
        it.reopen()
        it.db.execute("ALTER TABLE t SET (ttl = '1 minute')")
        assert it.db.execute("SELECT id FROM t").fetchall() == []
        it.step("put", 2, 2)
        it.db.execute("TRUNCATE t")
        it.step("put", 3, 3)
        it.clock.advance(59 * SECOND)
        assert it.db.execute("SELECT id FROM t").fetchall() == [(3,)]
        it.clock.advance(5 * SECOND)
        assert it.db.execute("SELECT id FROM t").fetchall() == []
        it.db.execute("DROP TABLE t CASCADE; DROP TABLE p")
        assert [g for g in it.db.storage.offsets.groups() if g.startswith("$ttl:")] == []


def test_a_transaction_that_waits_for_a_row_that_leaves(tmp_path: Path) -> None:
    with world(tmp_path / "it") as it:
        it.step("put", 1, 1)
        it.db.execute("BEGIN; UPDATE t SET v = 5 WHERE id = 1")
        it.clock.advance(30 * SECOND)
        it.db.tick()
        with pytest.raises(sqlengine.Error) as failed:
            it.db.execute("COMMIT")
        assert failed.value.sqlstate == "40001"
        assert it.db.execute("SELECT * FROM t").fetchall() == []


@pytest.mark.parametrize(
    ("declared", "sqlstate"),
    [
        ("(a INT) WITH (ttl = '-1 hour')", "22023"),
        ("(a INT) WITH (ttl = '1 month')", "22023"),
        ("(a INT) WITH (ttl = 'soon')", "22007"),
        ("(a INT) APPEND ONLY WITH (ttl = '1 hour')", "42P17"),
        ("(a INT) WITH (tttl = '1 hour')", "22023"),
    ],
)
def test_what_cannot_be(declared: str, sqlstate: str) -> None:
    with sqlengine.connect() as db:
        with pytest.raises(sqlengine.Error) as failed:
            db.execute(f"CREATE TABLE t {declared}")
        assert failed.value.sqlstate == sqlstate
        db.execute("CREATE TABLE t (a INT)")
        with pytest.raises(sqlengine.Error, match=r'option "partitions" of a table cannot be changed'):
            db.execute("ALTER TABLE t SET (partitions = 3)")
