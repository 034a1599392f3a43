"""Feeding a stream's topic from its connector, exactly once across restarts.

Positions and the topic's end offsets are committed together; on restart the topic is cut back to the committed ends
and the connector reads again from the committed positions, so nothing is lost and nothing counted twice.  A connector
or topic that fails is tried again after a while, from where it was; everything else goes on meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import field

import numpy as np
import pyarrow as pa

from sqlengine.catalog.objects import Stream
from sqlengine.catalog.options import STREAM_OPTIONS, TOPIC_OPTIONS
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.base import BadRecord, Position, Reader, Source
from sqlengine.errors import Error, StringTooLong
from sqlengine.formats.base import Decoded
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.failures import as_error
from sqlengine.runtime.limited_rows import within_limits
from sqlengine.runtime.side_topics import SideTopics
from storage import Log, Storage, StorageError, deal, partitions_by_key

INGEST_ROWS = 65_536
"""Rows asked of a connector partition in one step."""

COMMIT_INTERVAL_US = 1_000_000
"""Positions are committed at most this often while rows flow, and when the connector is exhausted."""

RETRY_AFTER_US = 1_000_000
"""The wait after a failure; it doubles with every other one, up to RETRY_AFTER_MAX_US."""
RETRY_AFTER_MAX_US = 60_000_000


GROUP = "$ingest/"
"""How the names of the groups begin that keep positions; the stream's name follows."""


@dataclass
class _Part:
    """A partition of the connector. reader: None until it is opened at `position`. rows, bad: polled, and not yet in
    the topic (for want of space, say); `position` is behind them already.
    """

    name: str
    reader: Reader | None
    position: Position | None
    done: bool = False
    rows: list[tuple[Log, pa.RecordBatch]] = field(default_factory=list)
    bad: Sequence[BadRecord] = ()


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
        self._group = GROUP + stream.name
        self.bounded = False
        """Whether the connector ends by itself; known once it is open."""
        self._source: Source | None = None
        self._committed_us = 0
        self._next_partition = 0
        self.failure: Error | None = None
        """Why nothing comes at the moment."""
        self._retry_us = 0
        self._wait_us = RETRY_AFTER_US
        self._positions = self._recover()
        self._parts: list[_Part] = []

    def open(self) -> None:
        """Open the connector, and all there is of it where it was left. Raises what it raises."""
        self._source, self.bounded = open_source(self.stream)
        self._open_new(self._source)

    def _open_new(self, source: Source) -> None:
        known = {p.name for p in self._parts}
        for name in source.partitions():
            if name not in known:
                position = self._positions.get(name)
                self._parts.append(_Part(name, source.open(name, position), position))

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
        """Poll every partition of the connector once; True when rows (or errors) came. Never raises: see `failure`."""
        if self.exhausted or (self.failure is not None and now_us < self._retry_us):
            return False
        try:
            moved = self._step(now_us)
        except Exception as error:  # whatever a connector does must not take the rest along
            self.fail(error, now_us)
            return False
        self.failure, self._wait_us = None, RETRY_AFTER_US
        return moved

    def fail(self, error: Exception, now_us: int) -> None:
        """Keep the error, and wait before the next try."""
        self.failure = as_error(error)
        self._retry_us, self._wait_us = now_us + self._wait_us, min(2 * self._wait_us, RETRY_AFTER_MAX_US)

    def _step(self, now_us: int) -> bool:
        if self._source is None:
            self.open()
        assert self._source is not None
        moved = False
        for part in self._parts:
            moved |= self._step_part(part, self._source, now_us)
        if not moved and not self.bounded:
            self._open_new(self._source)
        ended = self.bounded and bool(self._parts) and all(p.done and not p.rows for p in self._parts)
        if ended or (moved and now_us - self._committed_us >= COMMIT_INTERVAL_US):
            self._commit(now_us)
        self.exhausted = ended
        return moved

    def _step_part(self, part: _Part, source: Source, now_us: int) -> bool:
        moved = self._write(part, now_us)
        if part.done:
            return moved
        if part.reader is None:
            part.reader = source.open(part.name, part.position)
        try:
            polled = part.reader.poll(INGEST_ROWS, now_us)
        except Exception:
            reader, part.reader = part.reader, None  # where it stands now nobody knows
            reader.close()
            raise
        part.position, part.done = polled.position, polled.done
        part.bad = polled.bad
        if polled.batch is not None and polled.batch.num_rows:
            self.rows += polled.batch.num_rows
            batch, part.bad = self._within_limits(polled.batch, part.bad)
            part.rows = self._dealt(batch)
        return self._write(part, now_us) or moved

    def _write(self, part: _Part, now_us: int) -> bool:
        """Bring what was polled into the topics; what is there is not written again when the rest fails."""
        moved = bool(part.bad or part.rows)
        if part.bad and self.stream.options.get("on_error", "dead_letter") != "skip":
            self._side.rejected(self._error_topic, part.bad, now_us)
        part.bad = ()
        while part.rows:
            log, batch = part.rows[0]
            log.append(batch, timestamp_us=now_us)
            del part.rows[0]
        return moved

    def _within_limits(
        self, batch: pa.RecordBatch, bad: Sequence[BadRecord]
    ) -> tuple[pa.RecordBatch, Sequence[BadRecord]]:
        """The rows whose texts are not too long for their columns, and behind the bad records those that are."""
        infos = [info for info in self.stream.stored_columns() if info.limit is not None]
        if not infos:
            return batch, bad
        places = np.arange(batch.num_rows)
        kept, longer = within_limits(Decoded(batch, places), infos)
        rows = [(json.dumps(batch.slice(at, 1).to_pylist()[0], default=str), why) for at, why in longer]
        return kept.batch, [*bad, *(BadRecord(row.encode(), why, StringTooLong.sqlstate) for row, why in rows)]

    def _dealt(self, batch: pa.RecordBatch) -> list[tuple[Log, pa.RecordBatch]]:
        """Which partition of the topic gets which rows."""
        logs = self._topic.partitions
        names = [c.name for c in self.stream.stored_columns()]
        batch = batch.select(names).cast(pa.schema([pa.field(c.name, c.type) for c in self.stream.stored_columns()]))
        key = self.stream.options.get("key")
        if len(logs) == 1 or key is None:
            self._next_partition += 1
            return [(logs[(self._next_partition - 1) % len(logs)], batch)]
        chosen = partitions_by_key([batch.column(k) for k in key.split(",")], len(logs))
        return [(logs[i], rows) for i, rows in deal(batch, chosen, len(logs))]

    def _commit(self, now_us: int) -> None:
        for log in self._topic.partitions:
            log.flush()
        ends = {(self._topic.name, i): log.end_offset for i, log in enumerate(self._topic.partitions)}
        self._positions |= {p.name: p.position for p in self._parts if p.position is not None}
        self._storage.offsets.commit(self._group, ends, json.dumps(self._positions))
        self._committed_us = now_us
        for i, log in enumerate(self._topic.partitions):
            log.compaction_limit = ends[self._topic.name, i]

    def progress(self) -> float | None:
        """Fraction read, when every partition knows its end."""
        known = [f for p in self._parts if p.reader is not None and (f := p.reader.progress()) is not None]
        return sum(known) / len(known) if known and len(known) == len(self._parts) else None

    def close(self) -> None:
        """Commit and release the connector. Rows that still find no space are polled again the next time: nothing is
        committed then, and the topic is cut back to where it was.
        """
        try:
            for part in self._parts:
                self._write(part, self._committed_us)
            self._commit(self._committed_us)
        except StorageError as error:
            self.failure = as_error(error)
        for part in self._parts:
            if part.reader is not None:
                part.reader.close()

    def forget(self) -> None:
        """The stream is dropped: its positions go too."""
        self._storage.offsets.delete(self._group)


def forget_dropped(storage: Storage, streams: Collection[str]) -> None:
    """Forget positions of streams that are not there any more: a crash came before `Ingest.forget`."""
    for group in storage.offsets.groups():
        if group.startswith(GROUP) and group.removeprefix(GROUP) not in streams:
            storage.offsets.delete(group)


def connector_options(stream: Stream) -> dict[str, str]:
    """The WITH options meant for the connector."""
    kept = {k: v for k, v in stream.options.items() if k not in (*STREAM_OPTIONS, *TOPIC_OPTIONS)}
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
