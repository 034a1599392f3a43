"""Followers see the snapshot, then every change with its kind, in sync and async code, from any thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

import sqlengine


def test_changes_say_what_they_are() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (k TEXT, v BIGINT)")
        db.execute("CREATE MATERIALIZED VIEW sums AS SELECT k, sum(v) AS total FROM t GROUP BY k")
        db.insert("t", [("a", 1), ("b", 2)])
        db.execute("SELECT * FROM sums")
        with db.subscribe("sums") as follower:
            first = follower.next(5)
            assert first is not None
            rows = sorted(tuple(r.values()) for r in first.to_pylist())
            assert rows == [("insert", "a", 1), ("insert", "b", 2)]
            db.execute("INSERT INTO t VALUES ('a', 5), ('c', 9)")
            change = follower.next(5)
            assert change is not None
            assert [tuple(r.values()) for r in change.to_pylist()] == [
                ("update_before", "a", 1), ("update_after", "a", 6), ("insert", "c", 9),
            ]  # fmt: skip
            db.execute("DELETE FROM t WHERE k = 'b'")
            change = follower.next(5)
            assert change is not None
            assert [tuple(r.values()) for r in change.to_pylist()] == [("delete", "b", 2)]
            assert follower.next(0.05) is None


def test_async_followers() -> None:
    async def follow(db: sqlengine.Database) -> list[int]:
        seen: list[int] = []
        with db.subscribe("SELECT v FROM t") as follower:
            db.insert("t", [(i,) for i in range(3)])
            async for change in follower:
                seen += [row["v"] for row in change.to_pylist()]
                if len(seen) >= 3:
                    return seen
        return seen

    with sqlengine.connect() as db:
        db.execute("CREATE STREAM t (v BIGINT)")
        assert sorted(asyncio.run(follow(db))) == [0, 1, 2]


def test_many_threads() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM t (who BIGINT, n BIGINT)")
        db.execute("CREATE MATERIALIZED VIEW counts AS SELECT who, count(*) AS n FROM t GROUP BY who")
        failures: list[BaseException] = []

        def write(who: int) -> None:
            try:
                for n in range(20):
                    db.insert("t", [(who, n)])
                    (mine,) = db.execute("SELECT n FROM counts WHERE who = ?", (who,)).fetchall()
                    assert mine == (n + 1,), "a thread reads what it wrote"
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert sorted(db.execute("SELECT * FROM counts").fetchall()) == [(who, 20) for who in range(4)]


def test_options_of_subscribe_need_no_value() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (k INT PRIMARY KEY)")
        db.execute("INSERT INTO t VALUES (1)")
        for options in ("(SNAPSHOT)", "(SNAPSHOT true, PROGRESS)", "('snapshot' = true, progress = false)", "()"):
            first = next(iter(db.execute(f"SUBSCRIBE (SELECT * FROM t) WITH {options}").batches()))
            assert [row["k"] for row in first.to_pylist()] == [1]
        with pytest.raises(sqlengine.Error, match='unrecognized option "snapsot"'):
            db.execute("SUBSCRIBE t WITH (snapsot)")


def test_a_followed_query_ends_behind_its_limit() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM t (k INT)")
        db.execute("INSERT INTO t VALUES (1), (2)")
        assert db.execute("SELECT k FROM t EMIT CHANGES LIMIT 1").fetchall() == [("insert", 1)]
        later = threading.Timer(0.1, lambda: db.execute("INSERT INTO t VALUES (3), (4)"))
        later.start()
        assert db.execute("SELECT k FROM t EMIT CHANGES LIMIT 3").fetchall() == [("insert", k) for k in (1, 2, 3)]
        later.join()
        assert db.execute("SELECT k FROM t EMIT CHANGES LIMIT 0").fetchall() == []
        assert db.execute("SHOW QUERIES").fetchall() == []
        with pytest.raises(sqlengine.Error, match="a whole number is expected"):
            db.execute("SELECT k FROM t EMIT CHANGES LIMIT 1.5")
