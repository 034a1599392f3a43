"""Reading topics as rows of streams and tables: positions, decoding, computed and metadata columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.catalog.objects import ColumnInfo, Stream, Table
from sqlengine.connectors.base import BadRecord
from sqlengine.delta import Weights
from sqlengine.errors import StringTooLong
from sqlengine.expr.compile import Evaluator
from sqlengine.formats import Decoder
from sqlengine.runtime.limited_rows import within_limits
from sqlengine.runtime.record_metadata import as_declared
from sqlengine.runtime.stored_columns import StoredColumns, names_by_stored
from storage import ColumnStatistics, Frame, JoinedFrames, Log, Topic, joined

WEIGHT_COLUMN = "$weight"
"""The int8 column of a table's changelog topic: +1 inserted, -1 deleted."""

POLL_ROWS_MAX = 1 << 18
"""Rows read from one partition in one tick at most, so that a tick stays short when far behind."""

OnBad = Callable[[int, Sequence[tuple[int, BadRecord]]], None]
"""Told of a partition and its (offset, bad record) pairs."""


Frames = Frame | JoinedFrames


class SourceBatch:
    """Rows of one frame, or of some that are joined, of one partition; columns beyond the stored ones are made only
    when asked for.

    `load` gives some of the stored columns of the batch's `num_rows` rows. `as_stored`: the frame's columns are the
    object's, so that its statistics tell of them.
    """

    def __init__(
        self,
        reader: TopicReader,
        partition: int,
        num_rows: int,
        load: Callable[[Sequence[str]], pa.RecordBatch],
        offsets: Callable[[], np.ndarray] | int,
        frame: Frames,
        rows: np.ndarray | None,
        weights: Weights | None = None,
        as_stored: bool = False,
    ) -> None:
        self.partition = partition
        self.weights = weights
        self.frame = frame
        self.rows = rows
        self.num_rows = num_rows
        self._reader = reader
        self._load = load
        self._offsets = offsets
        self._as_stored = as_stored
        self._visible: pa.RecordBatch | None = None
        self._statistics: dict[str, ColumnStatistics] | None = None

    @property
    def is_whole_frame(self) -> bool:
        """Whether the frame has no other rows than these."""
        return self.num_rows == self.frame.stored_rows

    def statistics(self) -> dict[str, ColumnStatistics]:
        """Bounds of stored columns, by their stored names, over the whole frame; {} where there are none."""
        if self._statistics is None:
            found = self.frame.statistics if self._as_stored else {}
            stored = map(self._reader.stored.stored_name, self._reader.stored_order) if found else ()
            self._statistics = {name: found[name] for name in stored if name in found}
        return self._statistics

    def offsets(self) -> np.ndarray:
        """int64[n]: each row's offset in its partition."""
        if not isinstance(self._offsets, int):
            return self._offsets()
        return np.arange(self._offsets, self._offsets + self.num_rows, dtype=np.int64)

    def visible(self) -> pa.RecordBatch:
        """All columns of the object, in its order."""
        if self._visible is None:
            self._visible = self._reader.complete(self, self._load(self._reader.stored_order))
        return self._visible

    def select(self, stored: Sequence[str]) -> pa.RecordBatch:
        """Some columns of the object by their stored names, as they are called now; no copy for stored ones."""
        renamed = self._reader.renamed
        names = [renamed.get(name, name) for name in stored] if renamed else stored
        if self._visible is None and all(n in self._reader.stored_names for n in names):
            return self._load(names)
        return self.visible().select(list(names))


class TopicReader:
    """Reads every partition of a topic as rows of a stream or table, from given positions on.

    `computed` evaluates all computed columns over the stored and metadata columns; `decoder` turns record bytes into
    rows (None: the topic's own Arrow payload).  Malformed records go to `on_bad`, never further.
    """

    def __init__(
        self,
        obj: Stream | Table,
        topic: Topic,
        decoder: Decoder | None,
        computed: Evaluator | None,
        positions: Sequence[int],
        on_bad: OnBad,
    ) -> None:
        self.obj = obj
        self.topic = topic
        self.positions = list(positions)
        self.rows_read = 0
        self.found_gaps = False
        """Whether the last poll came through a compacted part: rows that were there may have been left out."""
        self._decoder = decoder
        self._computed = computed
        self._on_bad = on_bad
        self.stored = StoredColumns(obj)
        self.stored_order = self.stored.names
        self.stored_names = frozenset(self.stored_order)
        self.renamed = names_by_stored(obj.columns)
        self._schema = pa.schema([pa.field(c.name, c.type) for c in obj.columns])
        self._is_table = isinstance(obj, Table)
        self._joins = not self._is_table and not (computed is not None and computed.tells_time)
        self._keeps_statistics = all(log.keeps_statistics for log in topic.partitions)

    @property
    def reads_records(self) -> bool:
        """Whether the topic holds records as bytes, of which each has a time of its own."""
        return self._decoder is not None

    def ends(self) -> list[int]:
        """The offset after the last record of each partition that is committed and not behind an open transaction.

        StorageError if nothing of a partition can be read.
        """
        for log in self.topic.partitions:
            log.require_readable()
        return [log.last_stable_offset for log in self.topic.partitions]

    def at_end(self, ends: Sequence[int] | None = None) -> bool:
        """Whether everything (up to `ends`) has been read."""
        targets = ends if ends is not None else self.ends()
        return all(p >= e for p, e in zip(self.positions, targets, strict=False))

    def poll(self, max_rows: int = POLL_ROWS_MAX, until: Sequence[int] | None = None) -> list[SourceBatch]:
        """The next rows of every partition (up to `until` offsets), positions moved past them."""
        while len(self.positions) < len(self.topic.partitions):
            self.positions.append(0)
        ends = list(until) if until is not None else self.ends()
        found: list[SourceBatch] = []
        before = list(self.positions)
        for partition, end in enumerate(ends):
            here = -1
            some: list[SourceBatch] = []
            while not some and here < self.positions[partition] < end:  # compaction may have left nothing for a while
                here = self.positions[partition]
                some = self._poll_partition(partition, end, max_rows)
            found += some
        logs = self.topic.partitions
        self.found_gaps = any(p < log.compacted_offset for p, log in zip(before, logs, strict=False))
        self.rows_read += sum(b.num_rows for b in found)
        return found

    def _poll_partition(self, partition: int, end: int, max_rows: int) -> list[SourceBatch]:
        position = self.positions[partition]
        if position >= end:
            return []
        log = self.topic.partitions[partition]
        position = max(position, log.start_offset)
        found = []
        frames = log.read(position, max_rows=min(max_rows, end - position))
        if self._is_table and frames:
            frames = _with_whole_end(log, frames, end)
        for frame in joined(frames) if self._joins else frames:
            source = self._decode(partition, frame) if frame.record_count else None
            if source is not None and source.num_rows:
                found.append(source)
        self.positions[partition] = frames[-1].next_offset if frames else position
        return found

    def _decode(self, partition: int, frame: Frames) -> SourceBatch:
        """The records of a frame as rows of the object."""
        offsets = frame.offsets if frame.is_compacted else frame.base_offset
        if self._decoder is None:
            weights = None
            if self._is_table:
                weights = np.asarray(frame.column(WEIGHT_COLUMN)).astype(np.int64)
                if (weights == 1).all():
                    weights = None
            load = partial(_conform, frame, self.stored)
            return SourceBatch(
                self, partition, frame.record_count, load, offsets, frame, None, weights, self._keeps_statistics
            )
        raws = frame.column("value")
        decoded, longer = within_limits(self._decoder.decode(raws), self.obj.stored_columns())
        if decoded.bad or longer:
            all_offsets = frame.offsets()
            bad = [(i, BadRecord(raws[i].as_py() or b"", reason)) for i, reason in decoded.bad]
            bad += [(i, BadRecord(raws[i].as_py(), reason, StringTooLong.sqlstate)) for i, reason in longer]
            self._on_bad(partition, [(int(all_offsets[i]), record) for i, record in sorted(bad, key=itemgetter(0))])
        places = np.asarray(decoded.rows, dtype=np.int64)
        return SourceBatch(
            self,
            partition,
            len(places),
            lambda names: self._decoded(decoded.batch, names),
            lambda: frame.offsets()[places],
            frame,
            places,
        )

    def _decoded(self, batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
        """Some stored columns of decoded records."""
        columns = [batch.column(self.stored.stored_name(name)) for name in names]
        return pa.RecordBatch.from_arrays(columns, names=list(names))

    def complete(self, source: SourceBatch, stored: pa.RecordBatch) -> pa.RecordBatch:
        """Stored columns plus metadata and computed ones, in the object's order."""
        if len(self.stored_order) == len(self._schema):
            return stored
        columns: dict[str, pa.Array] = dict(zip(stored.schema.names, stored.columns, strict=True))
        for info in self.obj.columns:
            if info.metadata is not None:
                columns[info.name] = self._metadata(info, source)
        if self._computed is not None:
            base = [c for c in self.obj.columns if c.computed is None]
            batch = pa.RecordBatch.from_arrays([columns[c.name] for c in base], names=[c.name for c in base])
            values = self._computed(batch, source.frame.append_timestamp_us)
            names = [c.name for c in self.obj.columns if c.computed is not None]
            columns.update(zip(names, values, strict=True))
        return pa.RecordBatch.from_arrays([columns[c.name] for c in self.obj.columns], schema=self._schema)

    def _metadata(self, info: ColumnInfo, source: SourceBatch) -> pa.Array:
        n = source.num_rows
        match info.metadata:
            case "offset":
                return pa.array(source.offsets()).cast(info.type)
            case "partition":
                return pa.array(np.full(n, source.partition, dtype=np.int64)).cast(info.type)
            case "topic":
                return pa.repeat(self.topic.name, n).cast(info.type)
            case "timestamp_ms":
                return pc.divide(self._timestamps(source).cast(pa.int64()), 1000).cast(info.type)
            case "timestamp" if self._decoder is None:
                return self._timestamps(source).cast(info.type)
        field = info.metadata or ""
        if field not in source.frame.schema.names:
            return pa.nulls(n, info.type)
        return as_declared(self._field(source, field), info.type)

    def _timestamps(self, source: SourceBatch) -> pa.Array:
        """When its records were made: what they say themselves, of batches when they were appended."""
        if self._decoder is None:
            times = source.frame.append_timestamps_us()
            return pa.array(times if source.rows is None else times[source.rows]).cast(pa.timestamp("us"))
        return self._field(source, "timestamp")

    def _field(self, source: SourceBatch, field: str) -> pa.Array:
        rows = source.rows if source.rows is not None else np.arange(source.num_rows)
        return source.frame.column(field).take(pa.array(rows))


def _with_whole_end(log: Log, frames: list[Frame], end: int) -> list[Frame]:
    """Frames and, up to offset `end`, the rest of the last one and of its transaction: what an update of a table takes
    back and what it brings belong together.
    """
    frames = [*frames[:-1], _uncut(log, frames[-1])]
    begun: set[str] = set()
    for frame in frames:
        _follow(frame, begun)
    while begun and frames[-1].next_offset < end:
        [following] = log.read(frames[-1].next_offset, max_rows=1)
        frames.append(_uncut(log, following))
        _follow(frames[-1], begun)
    return frames


def _uncut(log: Log, frame: Frame) -> Frame:
    """The frame to its end."""
    end = frame.header.next_offset
    return log.read(frame.base_offset, max_rows=end - frame.base_offset)[0] if frame.next_offset < end else frame


def _follow(frame: Frame, begun: set[str]) -> None:
    """Bring the ids of transactions that have begun and not ended up to date with a frame."""
    if frame.transaction is not None:
        (begun.discard if frame.ends_transaction else begun.add)(frame.transaction)


def _conform(frame: Frames, columns: StoredColumns, names: Sequence[str]) -> pa.RecordBatch:
    """Some stored columns of a frame's rows, those it was written without among them."""
    have = frame.schema.names
    stored = [columns.stored_name(name) for name in names]
    if isinstance(frame, Frame) and stored == list(names) and all(n in have for n in names):
        return frame.batch.select(list(names))
    return columns.select(names, have, frame.column, frame.record_count)


def start_positions(stream: Stream | Table, topic: Topic, parse_time_us: Callable[[str], int]) -> list[int]:
    """Where a stream begins, from its `start` option: earliest, latest, a timestamp, or 'offset:0=12,1=40'."""
    start = stream.options.get("start", "earliest").strip()
    logs = topic.partitions
    if start == "earliest":
        return [log.start_offset for log in logs]
    if start == "latest":
        return [log.last_stable_offset for log in logs]
    if start.startswith("offset:"):
        chosen = _offsets(start)
        return [chosen.get(i, log.start_offset) for i, log in enumerate(logs)]
    at = parse_time_us(start)
    return [found if (found := log.offset_for_timestamp(at)) is not None else log.last_stable_offset for log in logs]


def _offsets(text: str) -> Mapping[int, int]:
    pairs = (part.split("=") for part in text.removeprefix("offset:").split(",") if part.strip())
    return {int(p): int(o) for p, o in pairs}


Confined = Callable[[TopicReader, Sequence[int]], list[int]]
"""Moves a reader to the first records that are wanted, and gives the offsets behind the last ones of each partition."""


def read_all(
    reader: TopicReader,
    until: Sequence[int] | None,
    rows_needed: int | None = None,
    confined: Confined | None = None,
) -> pa.Table:
    """Everything a reader sees up to `until`, or at least so many of the first rows, as one table without copies of
    stored columns; `confined` moves the reader to where it is to begin, and says where to end."""
    batches: list[SourceBatch] = []
    ends = list(until) if until is not None else reader.ends()
    ends = ends if confined is None else confined(reader, ends)
    max_rows = POLL_ROWS_MAX if rows_needed is None else max(1, min(rows_needed, POLL_ROWS_MAX))
    while not reader.at_end(ends) and (rows_needed is None or reader.rows_read < rows_needed):
        found = reader.poll(max_rows, ends)
        batches += found
        if not found and reader.at_end(ends):
            break
    schema = pa.schema([pa.field(c.name, c.type) for c in reader.obj.columns])
    rows = [b.visible() for b in batches]
    return pa.Table.from_batches([b if b.schema.equals(schema) else b.cast(schema) for b in rows], schema)
