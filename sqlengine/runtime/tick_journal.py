"""TickJournal: what each tick since the newest checkpoint has read, so that a restart runs the same ticks again.

Ticks are deterministic: of the same rows, at the same time, with the same state they say the same. So whoever has heard
of a tick before the process was killed hears nothing else of it afterwards, tick numbers keep their meaning, and what
queries have written of ticks that were over need not be written again; of the last one, which may be written in part,
what is missing is written (`ends`: how far outputs had come when it began).

The records are in a topic of their own, so that they are replicated and recovered like others. When it cannot be
written there are no more records until the next checkpoint: outputs are then cut to where they are known to have been.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from sqlengine.quick_dataclass import dataclass
from storage import Log, Storage, StorageError, TopicConfig, TopicNotFound

TOPIC = "$ticks"
_SCHEMA = pa.schema(
    [
        pa.field("tick", pa.int64()),
        pa.field("now_us", pa.int64()),
        pa.field("positions", pa.string()),
        pa.field("ends", pa.string()),
    ]
)


def is_internal(topic: str) -> bool:
    """Whether a topic of the storage is the engine's own, and not for users."""
    return topic.startswith("$")


@dataclass(frozen=True, slots=True)
class TickRecord:
    """`positions`: of each source that brought rows, its positions after them; None of a tick in which something else
    was told (history, the difference a new definition makes), which takes a number but cannot be run again. `ends`:
    topics that queries write to, with the offset up to which they had been written when the tick began."""

    tick: int
    now_us: int
    positions: Mapping[str, Sequence[int]] | None
    ends: Mapping[str, int]


def _row(*values: int | str) -> pa.RecordBatch:
    """One row of the topic, made of its bytes: pyarrow lets go of the interpreter's lock for each array that it makes
    of values, and a tick then waits for it among the threads that write and follow."""
    columns = []
    for value in values:
        if isinstance(value, int):
            columns.append(pa.Array.from_buffers(pa.int64(), 1, [None, pa.py_buffer(struct.pack("<q", value))]))
        else:
            data = value.encode()
            offsets = pa.py_buffer(struct.pack("<ii", 0, len(data)))
            columns.append(pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(data)]))
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


class TickJournal:
    """`ends()`: see TickRecord; `leaves()`: whether anything leaves the database in ticks, so that a record has to be
    as durable as that. `write` is called with the engine's lock held."""

    def __init__(self, storage: Storage, ends: Callable[[], dict[str, int]], leaves: Callable[[], bool]) -> None:
        self._storage = storage
        self._ends = ends
        self._leaves = leaves
        self._broken = False

    def _log(self) -> Log:
        try:
            return self._storage.topic(TOPIC).partitions[0]
        except TopicNotFound:
            return self._storage.create_topic(TOPIC, _SCHEMA, TopicConfig(durability="os")).partitions[0]

    def write(self, tick: int, now_us: int, positions: Mapping[str, Sequence[int]] | None) -> bool:
        """Before a tick's rows are worked on; False when there is no record of it."""
        if self._broken:
            return False
        row = _row(tick, now_us, json.dumps(positions), json.dumps(self._ends()))
        try:
            log = self._log()
            log.append(row, timestamp_us=now_us)
            if self._leaves():
                log.flush()
        except StorageError as error:
            self._broken = True
            logging.getLogger("sqlengine").warning("ticks are not recorded until the next checkpoint: %s", error)
            return False
        return True

    def spread(self, directories: int) -> None:
        """Have a replica in so many of the storage's directories."""
        self._log()
        self._storage.alter_topic(TOPIC, replication_factor=max(1, directories))

    def read(self, start: int) -> list[TickRecord]:
        """The records from where a checkpoint left off, in order; none when some of them are gone, or none can be read:
        the journal is made anew then."""
        try:
            return self._read(start)
        except StorageError as error:
            logging.getLogger("sqlengine").warning("the ticks after the checkpoint are not known: %s", error)
            self._storage.drop_topic(TOPIC)
            return []

    def _read(self, start: int) -> list[TickRecord]:
        log = self._log()
        records: list[TickRecord] = []
        if not log.start_offset <= start <= log.end_offset:
            return records
        while start < log.end_offset:
            for frame in log.read(start):
                for row in frame.batch.to_pylist():
                    positions, ends = json.loads(row["positions"]), json.loads(row["ends"])
                    records.append(TickRecord(row["tick"], row["now_us"], positions, ends))
                start = frame.next_offset
        return records

    @property
    def end(self) -> int:
        """Where the next record goes."""
        return self._log().end_offset

    def forget(self, start: int) -> None:
        """No checkpoint that is kept needs the records before `start`."""
        self._log().delete_before(start)
        self._broken = False
