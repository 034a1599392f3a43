"""Tables over topics as KafkaStorageHandler has them: what programs append is found, with keys, times, partitions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import sqlengine
import storage
from sqlengine.errors import InsufficientPrivilege, NotSupportedError
from sqlengine.runtime.reader import TopicReader
from storage import BYTES_SCHEMA, partitions_by_key
from tests.access.sessions import session_of

HANDLER = "STORED BY 'org.apache.hadoop.hive.kafka.KafkaStorageHandler'"
PROPERTIES = """TBLPROPERTIES ("kafka.topic" = "wiki", "kafka.bootstrap.servers" = "localhost:9092")"""
CREATE = f"CREATE EXTERNAL TABLE wiki (page STRING, added INT) {HANDLER} {PROPERTIES}"
PARTITIONS = 3


def records(count: int) -> pa.RecordBatch:
    """What a program appends: JSON with keys and times, all different."""
    values = [json.dumps({"page": f"é{i % 7}", "added": i}).encode() for i in range(count)]
    times = pa.array([1_700_000_000_000_000 + i * 1500 for i in range(count)]).cast(pa.timestamp("us"))
    keys = pa.array([str(i % 5).encode() for i in range(count)])
    return pa.RecordBatch.from_arrays(
        [keys, pa.array(values), times, pa.nulls(count, BYTES_SCHEMA.field(3).type)], schema=BYTES_SCHEMA
    )


def test_records_of_programs_are_rows_in_which_views_follow(tmp_path: Path) -> None:
    data = str(tmp_path / "db")
    with sqlengine.connect(data, dialect="hive") as db:
        db.execute(f"CREATE TOPIC wiki WITH (partitions = {PARTITIONS})")
        db.execute(CREATE)
        db.execute(
            "CREATE MATERIALIZED VIEW pages AS SELECT __partition AS p, CAST(__key AS STRING) AS k, count(*) AS n, "
            "max(__offset) AS last_offset, max(__timestamp) AS last_ms, sum(added) AS added "
            "FROM wiki WHERE __timestamp < 1700000000900 GROUP BY __partition, CAST(__key AS STRING)"
        )
        sent = records(1000)
        placed = partitions_by_key([sent.column("key")], PARTITIONS)
        with storage.Producer(db.storage) as producer:
            producer.send("wiki", pa.Table.from_batches([sent]), key="key").result()
        expected = by_duckdb(sent, placed)
        assert sorted(db.execute("SELECT * FROM pages").fetchall()) == expected
    with sqlengine.connect(data, dialect="hive") as db:
        assert sorted(db.execute("SELECT * FROM pages").fetchall()) == expected
        assert db.execute("SELECT count(*) FROM wiki WHERE __timestamp >= 1700000000900").fetchall() == [(400,)]
        assert db.execute("SHOW TBLPROPERTIES wiki").fetchall()[1] == ("kafka.topic", "wiki")


EXACTLY = (
    "__offset >= 300", "__offset BETWEEN 10 AND 19", "__offset = 5 AND __partition = 1", "5 > __offset", "__offset < 0",
    "__partition IN (0, 1) AND __offset < 100", "__partition = 7", "__offset > 599", "__timestamp >= 1700000001200",
)  # fmt: skip
"""Conditions for which no other records are read than those that are wanted."""
ABOUT = {"__offset IN (7, 9)": 9, "__timestamp > 1700000001199 AND __offset < 400": 200}
"""At most so many are read."""
WHOLLY = (
    "__offset >= 300 OR added = 1", "__offset > 2.5", "added < 10", "__timestamp <= 1700000000100",
    "__offset IS NOT NULL", "__offset = added",
)  # fmt: skip


def test_conditions_on_offsets_and_times_say_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what may be wanted is read, and the rows are those of a condition that the log is not asked."""
    read: list[int] = []
    poll = TopicReader.poll

    def counted(self: TopicReader, *args: Any) -> Any:
        found = poll(self, *args)
        read.extend(batch.num_rows for batch in found)
        return found

    with sqlengine.connect(dialect="hive") as db:
        db.execute(f"CREATE TOPIC wiki WITH (partitions = {PARTITIONS})")
        db.execute(CREATE)
        with storage.Producer(db.storage) as producer:
            producer.send("wiki", pa.Table.from_batches([records(1000)]), key="key").result()
        monkeypatch.setattr(TopicReader, "poll", counted)
        for condition in (*EXACTLY, *ABOUT, *WHOLLY):
            asked = "SELECT __partition, __offset, page, added FROM wiki WHERE "
            read.clear()
            found = sorted(db.execute(asked + condition).fetchall())
            most = ABOUT.get(condition, len(found) if condition in EXACTLY else 1000)
            assert sum(read) <= most, condition
            for name in ("__offset", "__partition", "__timestamp"):
                condition = condition.replace(name, f"({name} + 0)")
            read.clear()
            assert sorted(db.execute(asked + condition).fetchall()) == found
            assert sum(read) == 1000
        halves = "SELECT 1 FROM wiki WHERE __offset < 5 UNION ALL SELECT 1 FROM wiki WHERE __offset > 7"
        rest = "SELECT count(*) FROM wiki WHERE __offset + 0 NOT BETWEEN 5 AND 7"
        assert db.execute(f"SELECT count(*) FROM ({halves}) u").fetchall() == db.execute(rest).fetchall()


def by_duckdb(sent: pa.RecordBatch, placed: Any) -> list[tuple[Any, ...]]:
    """The view's rows; offsets are numbers within the partition, in the order of appending."""
    seen: Counter[int] = Counter()
    offsets = []
    for partition in placed:
        offsets.append(seen[partition])
        seen[partition] += 1
    sent_rows = pa.table(
        {
            "p": pa.array(placed, pa.int32()),
            "o": pa.array(offsets, pa.int64()),
            "k": sent.column("key").cast(pa.string()),
            "v": sent.column("value").cast(pa.string()),
            "ms": pa.array([t // 1000 for t in sent.column("timestamp").cast(pa.int64()).to_pylist()]),
        }
    )
    theirs = duckdb.connect()
    theirs.register("sent", sent_rows)
    rows = theirs.execute(
        "SELECT p, k, count(*), max(o), max(ms), CAST(sum(CAST(v->>'added' AS BIGINT)) AS BIGINT) "
        "FROM sent WHERE ms < 1700000000900 GROUP BY p, k"
    ).fetchall()
    theirs.close()
    return sorted(rows)


def test_rows_go_to_the_partition_that_they_or_their_keys_say() -> None:
    with sqlengine.connect(dialect="hive") as db:
        db.execute(f"CREATE TOPIC wiki WITH (partitions = {PARTITIONS})")
        db.execute(CREATE)
        keys = [str(i) for i in range(20)]
        listed = ", ".join(f"('p', {i}, '{key}', NULL, -1, NULL)" for i, key in enumerate(keys))
        db.execute(f"INSERT INTO wiki VALUES {listed}")
        db.execute("INSERT INTO wiki VALUES ('stated', 100, 'k', 2, -1, 5), ('stated', 101, NULL, 1, 77, NULL)")
        found = dict(db.execute("SELECT added, __partition FROM wiki").fetchall())
        wanted = partitions_by_key([pa.array([key.encode() for key in keys])], PARTITIONS)
        assert [found[i] for i in range(20)] == list(wanted) and len(set(wanted)) > 1
        assert (found[100], found[101]) == (2, 1)
        assert db.execute("SELECT __timestamp FROM wiki WHERE added = 100").fetchall() == [(5,)]
        with pytest.raises(NotSupportedError):
            db.execute("BEGIN; INSERT INTO wiki VALUES ('x', 1, 'key', NULL, NULL, NULL)")
        db.execute("ROLLBACK")
        db.execute("BEGIN; INSERT INTO wiki VALUES ('x', 999); COMMIT")
        assert db.execute("SELECT count(*) FROM wiki").fetchall() == [(23,)]


def test_a_table_over_a_topic_needs_the_right_to_read_it() -> None:
    with sqlengine.connect(dialect="hive") as db:
        db.execute(CREATE)
        db.execute("SET dialect = postgres; CREATE ROLE ann LOGIN; GRANT CREATE ON SCHEMA public TO ann")
        session = session_of(db, "ann")
        session.execute("SET dialect = 'hive'")
        with pytest.raises(InsufficientPrivilege):
            session.execute(CREATE.replace("TABLE wiki", "TABLE mine"))
        session.execute(CREATE.replace("TABLE wiki", "TABLE mine").replace('= "wiki"', '= "new"'))
        with pytest.raises(InsufficientPrivilege):
            session.execute("DROP TABLE wiki")
        session.execute("INSERT INTO mine VALUES ('a', 1); DROP TABLE mine")
