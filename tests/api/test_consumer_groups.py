from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import sqlengine
import storage
from sqlengine.errors import Error


@pytest.fixture
def db() -> sqlengine.Database:
    """A database with a stream of three partitions and six rows."""
    opened = sqlengine.connect()
    opened.execute("CREATE STREAM s (k TEXT, n BIGINT) WITH (partitions = 3, key = 'k')")
    opened.execute("INSERT INTO s VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 4), ('e', 5), (NULL, 6)")
    return opened


def groups(db: sqlengine.Database) -> list[tuple[object, ...]]:
    """What SHOW says, without the members' names, and only of partitions with records."""
    rows = db.execute("SHOW CONSUMER GROUPS").fetchall()
    return [(*row[:3], row[3] is not None, *row[4:]) for row in rows if row[5]]


def test_consumers_read_what_sql_writes_and_are_shown(db: sqlengine.Database) -> None:
    ends = [log.end_offset for log in db.storage.topic("s").partitions]
    with storage.Consumer(db.storage, group="g", topics=["s"], client_id="me", auto_commit=False) as consumer:
        found = [n for each in consumer.poll() for n in each.batch.column("n").to_pylist()]
        assert sorted(found) == [1, 2, 3, 4, 5, 6]
        assert groups(db) == [("g", "s", p, True, None, end, None, "stable") for p, end in enumerate(ends) if end]
        consumer.commit()
        assert groups(db) == [("g", "s", p, True, end, end, 0, "stable") for p, end in enumerate(ends) if end]
        (member,) = db.execute("SELECT DISTINCT member FROM system.consumer_groups").fetchall()[0]
        assert member.startswith("me-")
        for statement in ("ALTER CONSUMER GROUP g RESET TO LATEST", "DROP CONSUMER GROUP g"):
            with pytest.raises(Error, match='consumer group "g" while it has 1 members') as caught:
                db.execute(statement)
            assert caught.value.sqlstate == "55006"
    db.execute("INSERT INTO s VALUES (NULL, 7)")
    assert [row[6:] for row in groups(db)][0] == (1, "empty"), "a row without a key is in partition 0"


def test_a_group_is_put_elsewhere_and_dropped(db: sqlengine.Database) -> None:
    with storage.Consumer(db.storage, group="my-group", topics=["s"]) as consumer:
        assert consumer.poll()
    ends = [log.end_offset for log in db.storage.topic("s").partitions]

    def committed(statement: str) -> list[int]:
        db.execute(statement)
        rows = db.execute("SELECT partition, committed_offset FROM system.consumer_groups ORDER BY 1").fetchall()
        return [offset for _, offset in rows]

    assert committed("ALTER CONSUMER GROUP 'my-group' RESET TO EARLIEST") == [0, 0, 0]
    assert committed("""ALTER CONSUMER GROUP "my-group" RESET TO OFFSET 1 FOR TOPIC s""") == [min(1, e) for e in ends]
    assert committed("ALTER CONSUMER GROUP 'my-group' RESET TO TIMESTAMP '1999-01-01 00:00:00+02'") == [0, 0, 0]
    assert committed("ALTER CONSUMER GROUP 'my-group' RESET TO TIMESTAMP '2999-01-01'") == ends
    assert committed("ALTER CONSUMER GROUP 'my-group' RESET TO EARLIEST") == [0, 0, 0]
    assert committed("ALTER CONSUMER GROUP 'my-group' RESET TO LATEST") == ends
    assert committed("DROP CONSUMER GROUP 'my-group'") == []
    assert db.execute("DROP CONSUMER GROUP IF EXISTS 'my-group'").notices


@pytest.mark.parametrize(
    ("statement", "state", "text", "hint"),
    [
        (
            "ALTER CONSUMER GROUP nigthly RESET TO LATEST",
            "42704",
            '"nigthly" does not exist',
            'did you mean "nightly"?',
        ),
        ("ALTER CONSUMER GROUP g RESET TO LATEST FOR TOPIC nothing", "42P01", 'topic "nothing" does not exist', None),
        ("ALTER CONSUMER GROUP nightly RESET TO OFFSET 1.5", "42601", "invalid offset: 1.5", None),
        ("ALTER CONSUMER GROUP nightly RESET TO OFFSET -1", "42601", 'at or near "-"', None),
        ("ALTER CONSUMER GROUP nightly RESET TO TIMESTAMP 'noon'", "22007", 'timestamp: "noon"', None),
        ("ALTER CONSUMER GROUP nightly RESET", "42601", "syntax error", None),
        ("ALTER CONSUMER GROUP nightly RENAME TO x", "42601", 'at or near "RENAME"', None),
        ("ALTER CONSUMER GROUP '$ingest/s' RESET TO EARLIEST FOR TOPIC s", "22023", "reserved", None),
        ("ALTER CONSUMER GROUP '' RESET TO EARLIEST FOR TOPIC s", "22023", "empty or too long", None),
        ("DROP CONSUMER GROUP nightly2", "42704", '"nightly2" does not exist', 'did you mean "nightly"?'),
        ("DROP CONSUMER GROUP '$ingest/s'", "42704", "does not exist", None),
    ],
)
def test_bad_statements_are_refused(db: sqlengine.Database, statement: str, state: str, text: str, hint: str) -> None:
    db.execute("ALTER CONSUMER GROUP nightly RESET TO EARLIEST FOR TOPIC s")
    with pytest.raises(Error) as caught:
        db.execute(statement)
    assert caught.value.sqlstate == state and text in caught.value.message
    assert hint is None or caught.value.hint == hint
    assert [row[4] for row in groups(db)] == [0] * len(groups(db)) != []


def test_sql_sees_what_producers_write_and_shows_them(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE STREAM s (k TEXT, n BIGINT) WITH (partitions = 2, key = 'k')")
        db.execute("CREATE MATERIALIZED VIEW sums AS SELECT k, sum(n) AS total FROM s GROUP BY k")
        db.execute("INSERT INTO s VALUES ('a', 1)")
        rows = pa.table({"k": ["a", "b", None], "n": pa.array([2, 3, 4], pa.int64())})
        topic = db.storage.topic("s")
        with storage.Producer(db.storage, name="loader") as producer:
            where = {part.partition: part for part in producer.send("s", rows, key="k").result()}
        assert sorted(db.execute("SELECT * FROM sums").fetchall(), key=str) == [("a", 3), ("b", 3), (None, 4)]
        keys = [[key for f in log.read(0) for key in f.batch.column("k").to_pylist()] for log in topic.partitions]
        assert sorted(mine.count("a") for mine in keys) == [0, 2], "both deal a key to the same partition"
        shown = db.execute("SHOW PRODUCERS").fetchall()
        assert [row[:7] for row in shown] == [
            ("s", p, 0, "loader", 0, where[p].num_rows - 1, where[p].base_offset + where[p].num_rows - 1)
            for p in sorted(where)
        ]
        assert db.execute("SELECT count(*) FROM system.producers WHERE last_append > '2020-01-01'").fetchall() == [
            (len(where),)
        ]
    with pytest.raises(sqlengine.InterfaceError, match="closed"):
        _ = db.storage
