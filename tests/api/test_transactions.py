"""BEGIN ... COMMIT over several streams is one transaction of the log, and so is a statement of several frames."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.runtime.reader import TopicReader
from sqlengine.statements import write
from storage import Consumer, TopicPartition

DECLARE = """
CREATE STREAM orders (id BIGINT, item VARCHAR) WITH (partitions = 4, key = 'id');
CREATE STREAM payments (id BIGINT, amount BIGINT);
CREATE TABLE stock (item VARCHAR PRIMARY KEY, left_over BIGINT);
CREATE MATERIALIZED VIEW paid AS SELECT o.id, p.amount FROM orders AS o JOIN payments AS p ON o.id = p.id;
"""


def topics(db: sqlengine.Database) -> dict[str, list[int]]:
    """End offsets of all partitions that have any."""
    found = {t.name: [log.end_offset for log in t.partitions] for t in db.storage.topics()}
    return {name: ends for name, ends in found.items() if any(ends)}


@pytest.fixture(params=["file", "memory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> sqlengine.Database:
    opened = sqlengine.connect(tmp_path / "data" if request.param == "file" else ":memory:")
    opened.execute(DECLARE)
    request.addfinalizer(opened.close)
    return opened


def test_a_commit_over_streams_and_tables_is_one_transaction(db: sqlengine.Database) -> None:
    other = db.session()
    db.execute("BEGIN")
    db.execute("INSERT INTO orders SELECT n, 'pen' FROM generate_series(1, 100) AS g(n)")
    db.execute("INSERT INTO payments SELECT n, 5 FROM generate_series(1, 100) AS g(n)")
    db.execute("INSERT INTO stock VALUES ('pen', 7)")
    assert other.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    assert topics(db) == {}
    db.execute("COMMIT")
    for query in ("SELECT count(*) FROM orders", "SELECT count(*) FROM payments", "SELECT count(*) FROM paid"):
        assert other.execute(query).fetchone() == (100,)
    assert other.execute("SELECT * FROM stock").fetchall() == [("pen", 7)]
    shown = [t for t in db.storage.topics() if not t.name.startswith("$")]
    frames = [f for t in shown for log in t.partitions for f in log.read(0)]
    assert len({f.transaction for f in frames}) == 1 and frames[0].transaction is not None
    assert db.storage.transactions.unfinished() == []


def test_rollback_leaves_nothing(db: sqlengine.Database) -> None:
    db.execute("BEGIN")
    db.execute("INSERT INTO orders VALUES (1, 'pen'), (2, 'ink')")
    db.execute("INSERT INTO payments VALUES (1, 5)")
    db.execute("ROLLBACK")
    assert topics(db) == {}
    assert db.execute("SELECT count(*) FROM orders").fetchone() == (0,)


def test_one_batch_for_one_partition_needs_no_transaction(db: sqlengine.Database) -> None:
    db.execute("INSERT INTO payments VALUES (1, 5), (2, 6)")
    [frame] = db.storage.topic("payments").partitions[0].read(0)
    assert frame.transaction is None and frame.record_count == 2


def test_a_transaction_that_fails_leaves_nothing(db: sqlengine.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    log = db.storage.topic("payments").partitions[0]

    def refuse(*args: object, **named: object) -> int:
        raise sqlengine.Error("no space left on device", sqlstate="53100")

    monkeypatch.setattr(log, "_write", refuse)
    db.execute("BEGIN")
    db.execute("INSERT INTO orders SELECT n, 'pen' FROM generate_series(1, 100) AS g(n)")
    db.execute("INSERT INTO payments VALUES (1, 5)")
    with pytest.raises(sqlengine.Error, match="no space left"):
        db.execute("COMMIT")
    monkeypatch.undo()
    assert db.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    db.execute("INSERT INTO orders VALUES (1, 'pen')")
    assert db.execute("SELECT id FROM orders").fetchall() == [(1,)]


def test_an_update_of_several_frames_is_seen_as_one(db: sqlengine.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by ticks of a few rows: no tick sees the old rows gone and the new ones not there."""
    whole = TopicReader.poll
    monkeypatch.setattr(write, "APPEND_ROWS", 16)
    monkeypatch.setattr(TopicReader, "poll", lambda reader, max_rows=10, until=None: whole(reader, 10, until))
    db.execute("INSERT INTO stock SELECT 'item ' || n, 1 FROM generate_series(1, 100) AS g(n)")
    db.execute("CREATE MATERIALIZED VIEW items AS SELECT count(*) AS c, sum(left_over) AS s FROM stock")
    with db.subscribe("items") as follower:
        assert follower.next(5).to_pylist() == [{"op": "insert", "c": 100, "s": 100}]
        db.execute("UPDATE stock SET left_over = left_over + 1")
        db.execute("SELECT * FROM items")
        assert [tuple(row.values()) for row in follower.next(5).to_pylist()] == [
            ("delete", 100, 100), ("insert", 100, 200),
        ]  # fmt: skip
        db.execute("DELETE FROM stock")
        db.execute("SELECT * FROM items")
        assert [tuple(row.values())[1:] for row in follower.next(5).to_pylist()][-1] == (0, None)
    log = db.storage.topic("stock").partitions[0]
    assert len(log.read(0)) > 20, "it was several frames"


def test_transactions_of_consumers_beside_sql(db: sqlengine.Database) -> None:
    """Rows appended to topics in an open transaction are in no answer before it is committed."""
    rows = pa.record_batch({"id": [1, 2], "amount": [5, 6]})
    with db.storage.transaction() as t:
        t.append("payments", rows)
        assert db.execute("SELECT count(*) FROM payments").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM paid").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM payments").fetchone() == (2,)
    aborted = db.storage.transaction()
    aborted.append("payments", rows)
    aborted.abort()
    assert db.execute("SELECT count(*) FROM payments").fetchone() == (2,)
    db.execute("INSERT INTO payments VALUES (3, 7)")
    assert db.execute("SELECT id FROM payments ORDER BY id").fetchall() == [(1,), (2,), (3,)]
    with Consumer(db.storage, topics=["payments"]) as consumer:
        assert sum(each.num_rows for each in consumer.poll()) == 3
    printed = db.execute("PRINT 'payments' FROM BEGINNING LIMIT 3").fetchall()
    assert [row[-2] for row in printed] == [1, 2, 3]


def test_what_is_not_finished_is_shown(db: sqlengine.Database) -> None:
    assert db.execute("SHOW TRANSACTIONS").fetchall() == []
    t = db.storage.transaction("job")
    t.append("orders", pa.record_batch({"id": [1], "item": ["pen"]}), partition=3)
    t.append("payments", pa.record_batch({"id": [1], "amount": [5]}))
    query = "SELECT id, name, state, since > now() - INTERVAL '1 hour', partitions FROM system.transactions"
    [row] = db.execute(query).fetchall()
    assert row == (t.id, "job", "open", True, f"{TopicPartition('orders', 3)}, {TopicPartition('payments', 0)}")
    t.prepare()
    [row] = db.execute("SHOW TRANSACTIONS").fetchall()
    assert row[:3] == (t.id, "job", "prepared")
    query = "SELECT last_stable_offset, end_offset FROM system.partitions WHERE topic = 'orders' ORDER BY partition"
    assert db.execute(query).fetchall() == [(0, 0), (0, 0), (0, 0), (0, 1)]
    t.commit()
    assert db.execute("SELECT count(*) FROM system.transactions").fetchone() == (0,)
    assert db.execute("SELECT * FROM paid").fetchall() == [(1, 5)]


def test_a_select_sees_no_transaction_in_part(db: sqlengine.Database) -> None:
    """Of streams that views read and of those that none does, while programs beside SQL write to all of them."""
    db.execute("CREATE STREAM alone (id BIGINT)")
    db.execute("CREATE STREAM alone_too (id BIGINT)")
    stop = threading.Event()

    def write_on() -> None:
        while not stop.is_set():
            with db.storage.transaction() as t:
                t.append("alone", pa.record_batch({"id": [1]}))
                t.append("payments", pa.record_batch({"id": [1], "amount": [5]}))
                t.append("alone_too", pa.record_batch({"id": [1]}))
            stop.wait(0.01)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for _ in range(30):
            counts = "SELECT (SELECT count(*) FROM alone), (SELECT count(*) FROM alone_too)"
            [row] = db.execute(counts).fetchall()
            assert row[0] == row[1]
            [row] = db.execute(counts + ", (SELECT count(*) FROM payments)").fetchall()
            assert row[0] == row[1] == row[2]
    finally:
        stop.set()
        writer.join()
