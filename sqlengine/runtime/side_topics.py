"""Where set-aside rows go: error topics (bad records, rows that raised) and late topics.  Made when first needed."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pyarrow as pa

from sqlengine.connectors.base import BadRecord
from sqlengine.errors import Error
from storage import Log, Storage, Topic, TopicConfig

ERROR_SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", "UTC")),
        pa.field("reason", pa.string()),
        pa.field("sqlstate", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("raw", pa.binary()),
        pa.field("origin", pa.string()),
    ]
)
"""Columns of every error topic; partition and offset are NULL when the row did not come from a topic."""


class SideTopics:
    """Appends to side topics; each bad record of a topic is reported once however often it is read."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._reported: dict[tuple[str, int], int] = {}
        self._of_queries: set[str] = set()
        self._written: dict[str, Log] = {}
        self._lock = threading.Lock()

    def told_by_queries(self, name: str) -> None:
        """Queries write late rows or rows that raised to a topic."""
        with self._lock:
            self._of_queries.add(name)
            if name in {topic.name for topic in self._storage.topics()}:
                self._written[name] = self._storage.topic(name).partitions[0]

    def ends(self) -> dict[str, int]:
        """The ends of the topics that queries write to; 0 of one that is made when the first row comes."""
        return dict.fromkeys(self._of_queries, 0) | {name: log.end_offset for name, log in self._written.items()}

    def bad_records(self, topic: str, partition: int, found: Sequence[tuple[int, BadRecord]], now_us: int) -> None:
        """Write the records of a stream's partition not reported before."""
        with self._lock:
            seen = self._seen(topic, partition)
            fresh = [(offset, bad) for offset, bad in found if offset > seen]
            if not fresh:
                return
            self._reported[topic, partition] = max(offset for offset, _ in fresh)
        self._append(
            topic, [(now_us, bad.reason, bad.sqlstate, partition, offset, bad.raw, bad.origin) for offset, bad in fresh]
        )

    def rejected(self, topic: str, found: Sequence[BadRecord], now_us: int) -> None:
        """Write records a connector could not understand: they are in no topic yet."""
        if found:
            self._append(topic, [(now_us, b.reason, b.sqlstate, None, None, b.raw, b.origin) for b in found])

    def failed_row(self, topic: str, row: pa.RecordBatch, error: Error, now_us: int) -> None:
        """Write a row on which a continuous query's expression raised."""
        raw = repr(row.to_pylist()[0]).encode()
        self._append(topic, [(now_us, error.message, error.sqlstate, None, None, raw, "query")])

    def late(self, topic: str, query: str, rows: pa.RecordBatch, schema: pa.Schema) -> None:
        """Write late rows with the name of the query they were late for, as rows of the stream's `schema`.

        A row that was found late above other operators has only the columns those passed on; the others are NULL.
        """
        columns = [
            rows.column(f.name)
            if f.name in rows.schema.names and rows.schema.field(f.name).type == f.type
            else pa.nulls(rows.num_rows, f.type)
            for f in schema
        ]
        named = pa.schema([pa.field("query", pa.string()), *schema])
        batch = pa.RecordBatch.from_arrays([pa.array([query] * rows.num_rows), *columns], schema=named)
        self._topic(topic, named).partitions[0].append(batch)

    def errors(self, topic: str) -> pa.Table:
        """Everything in an error topic, oldest first; empty when there is none."""
        if topic not in {t.name for t in self._storage.topics()}:
            return ERROR_SCHEMA.empty_table()
        log = self._storage.topic(topic).partitions[0]
        batches, offset = [], log.start_offset
        while offset < log.last_stable_offset:
            for frame in log.read(offset):
                batches.append(frame.batch)
                offset = frame.next_offset
        return pa.Table.from_batches(batches, ERROR_SCHEMA)

    def _seen(self, topic: str, partition: int) -> int:
        """The last offset already reported, looked up in the topic after a restart."""
        if (topic, partition) not in self._reported:
            rows = self.errors(topic).select(["partition", "offset"]).to_pylist()
            known = [r["offset"] for r in rows if r["partition"] == partition and r["offset"] is not None]
            self._reported[topic, partition] = max(known, default=-1)
        return self._reported[topic, partition]

    def _append(self, topic: str, rows: Sequence[tuple[object, ...]]) -> None:
        columns = zip(*rows, strict=True)
        arrays = [pa.array(list(c), f.type) for c, f in zip(columns, ERROR_SCHEMA, strict=True)]
        self._topic(topic, ERROR_SCHEMA).partitions[0].append(pa.RecordBatch.from_arrays(arrays, schema=ERROR_SCHEMA))

    def _topic(self, name: str, schema: pa.Schema) -> Topic:
        if name not in {t.name for t in self._storage.topics()}:
            made = self._storage.create_topic(name, schema, TopicConfig(durability="os"))
            if name in self._of_queries:
                self._written[name] = made.partitions[0]
            return made
        return self._storage.topic(name)
