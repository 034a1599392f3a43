"""Feeding a stream's topic from its connector, exactly once across restarts.

Positions and the topic's end offsets are committed together; on restart the topic is cut back to the committed ends
and the connector reads again from the committed positions, so nothing is lost and nothing counted twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa

from sqlengine.catalog.objects import Stream
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.base import Position, Reader, Source
from sqlengine.runtime.side_topics import SideTopics
from storage import Storage, deal, partitions_by_key

INGEST_ROWS = 65_536
"""Rows asked of a connector partition in one step."""

COMMIT_INTERVAL_US = 1_000_000
"""Positions are committed at most this often while rows flow, and when the connector is exhausted."""

STREAM_OPTIONS = frozenset(
    {
        "topic",
        "format",
        "key",
        "start",
        "idle_timeout",
        "late_topic",
        "error_topic",
        "on_error",
        "connector",
        "partitions",
        "replication_factor",
        "min_insync_replicas",
        "durability",
        "retention",
        "retention_bytes",
        "cleanup_policy",
        "delete_retention",
        "min_compaction_lag",
        "min_dirty_ratio",
        "segment_bytes",
    }
)
"""WITH options that belong to the stream or its topic, not to the connector (`format` belongs to both)."""


@dataclass
class _Part:
    name: str
    reader: Reader
    position: Position | None
    done: bool = False


class Ingest:
    """`step(now_us)` moves rows from the connector into the topic; `exhausted` once a bounded connector has no more."""

    def __init__(self, stream: Stream, storage: Storage, side: SideTopics, error_topic: str) -> None:
        self.stream = stream
        self.exhausted = False
        self.rows = 0
        self._storage = storage
        self._side = side
        self._error_topic = error_topic
        self._topic = storage.topic(stream.topic)
        self._group = f"$ingest/{stream.name}"
        self._source, self.bounded = open_source(stream)
        self._committed_us = 0
        self._next_partition = 0
        positions = self._recover()
        self._parts: list[_Part] = []
        self._open_new(positions)

    def _open_new(self, positions: dict[str, Position]) -> None:
        known = {p.name for p in self._parts}
        for name in self._source.partitions():
            if name not in known:
                position = positions.get(name)
                self._parts.append(_Part(name, self._source.open(name, position), position))

    def _recover(self) -> dict[str, Position]:
        """Cut the topic back to the committed ends; returns the committed positions."""
        committed = self._storage.offsets.fetch(self._group)
        metadata = self._storage.offsets.metadata(self._group)
        for i, log in enumerate(self._topic.partitions):
            end = committed.get((self._topic.name, i), log.start_offset)
            if log.end_offset > end:
                log.truncate_to(end)
            log.compaction_limit = end
        positions: dict[str, Position] = json.loads(metadata) if metadata else {}
        return positions

    def step(self, now_us: int) -> bool:
        """Poll every partition of the connector once; True when rows (or errors) came."""
        if self.exhausted:
            return False
        moved = False
        for part in self._parts:
            moved |= self._step_part(part, now_us)
        if not moved and not self.bounded:
            self._open_new({})
        self.exhausted = bool(self._parts) and all(p.done for p in self._parts) if self.bounded else False
        if self.exhausted or (moved and now_us - self._committed_us >= COMMIT_INTERVAL_US):
            self._commit(now_us)
        return moved

    def _step_part(self, part: _Part, now_us: int) -> bool:
        if part.done:
            return False
        polled = part.reader.poll(INGEST_ROWS, now_us)
        part.position = polled.position
        part.done = polled.done
        if polled.bad and self.stream.options.get("on_error", "dead_letter") != "skip":
            self._side.rejected(self._error_topic, polled.bad, now_us)
        if polled.batch is None or not polled.batch.num_rows:
            return bool(polled.bad)
        self.rows += polled.batch.num_rows
        self._append(polled.batch, now_us)
        return True

    def _append(self, batch: pa.RecordBatch, now_us: int) -> None:
        logs = self._topic.partitions
        names = [c.name for c in self.stream.stored_columns()]
        batch = batch.select(names).cast(pa.schema([pa.field(c.name, c.type) for c in self.stream.stored_columns()]))
        key = self.stream.options.get("key")
        if len(logs) == 1 or key is None:
            logs[self._next_partition % len(logs)].append(batch, timestamp_us=now_us)
            self._next_partition += 1
            return
        chosen = partitions_by_key([batch.column(k) for k in key.split(",")], len(logs))
        for i, rows in deal(batch, chosen, len(logs)):
            logs[i].append(rows, timestamp_us=now_us)

    def _commit(self, now_us: int) -> None:
        for log in self._topic.partitions:
            log.flush()
        ends = {(self._topic.name, i): log.end_offset for i, log in enumerate(self._topic.partitions)}
        positions = {p.name: p.position for p in self._parts if p.position is not None}
        self._storage.offsets.commit(self._group, ends, json.dumps(positions))
        self._committed_us = now_us
        for i, log in enumerate(self._topic.partitions):
            log.compaction_limit = ends[self._topic.name, i]

    def progress(self) -> float | None:
        """Fraction read, when every partition knows its end."""
        known = [f for p in self._parts if (f := p.reader.progress()) is not None]
        return sum(known) / len(known) if known and len(known) == len(self._parts) else None

    def close(self) -> None:
        """Commit and release the connector."""
        self._commit(self._committed_us)
        for part in self._parts:
            part.reader.close()

    def forget(self) -> None:
        """The stream is dropped: its positions go too."""
        self._storage.offsets.delete(self._group)


def connector_options(stream: Stream) -> dict[str, str]:
    """The WITH options meant for the connector."""
    kept = {k: v for k, v in stream.options.items() if k not in STREAM_OPTIONS}
    if stream.connector == "file" and "format" in stream.options:
        kept["format"] = stream.options["format"]
    return kept


def open_source(stream: Stream) -> tuple[Source, bool]:
    """The connector's source over the stream's stored columns, and whether it ever ends by itself."""
    kind = connector(stream.connector)
    options = parse_options(kind, connector_options(stream))
    declared = pa.schema([pa.field(c.name, c.type) for c in stream.stored_columns()]) if stream.columns else None
    source = kind.source(options, declared)
    return source, bool(getattr(source, "bounded", not getattr(options, "follow", False)))
