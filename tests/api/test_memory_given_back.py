"""What a back-fill leaves is given back once nothing comes, and not after a small one."""

from __future__ import annotations

import threading
import time

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.runtime import fill, pump


@pytest.mark.parametrize(("rows", "given"), [(100, True), (99, False)])
def test_memory_is_given_back_when_idle(monkeypatch: pytest.MonkeyPatch, rows: int, given: bool) -> None:
    called = threading.Event()
    monkeypatch.setattr(fill, "SPARE_MEMORY_ROWS", 100)
    monkeypatch.setattr(pump, "IDLE_WAIT_S", 0.01)
    monkeypatch.setattr(pump, "give_back", called.set)
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (a BIGINT)")
        db.execute(f"INSERT INTO s SELECT i FROM generate_series(1, {rows}) AS g(i)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT a % 7 AS k, count(*) AS n FROM s GROUP BY 1")
        assert db._instance.scheduler.spare_memory is given or called.is_set()
        assert called.wait(10 if given else 0.2) is given
        assert db.execute("SELECT sum(n) FROM v").fetchone() == (rows,)


def test_repeated_texts_are_packed_when_idle_and_not_while_somebody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "IDLE_WAIT_S", 0.01)
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (a BIGINT)")
        db.execute("INSERT INTO s SELECT i FROM generate_series(1, 20000) AS g(i)")
        scheduler = db._instance.scheduler
        with scheduler.lock:
            db.execute("CREATE MATERIALIZED VIEW v AS SELECT a, repeat('x', 100) || a % 5 AS t FROM s")
            query = scheduler.by_name("v")
            assert query is not None and query.store is not None
            time.sleep(0.1)
            assert query.store.scan_table().schema == query.store.schema
        for _ in range(500):
            if query.store.scan_table().schema != query.store.schema:
                break
            time.sleep(0.02)
        assert pa.types.is_dictionary(query.store.scan_table().schema.field("t").type)
        assert db.execute("SELECT t, count(*) FROM v GROUP BY t ORDER BY t").fetchone() == ("x" * 100 + "0", 4000)


def test_what_is_given_back_is_not_used() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (a BIGINT)")
        db.execute("INSERT INTO s SELECT i FROM generate_series(1, 1000) AS g(i)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT a, a * 2 AS b FROM s")
        pump.give_back()
        assert db.execute("SELECT count(*), sum(b) FROM v").fetchone() == (1000, 1001000)
