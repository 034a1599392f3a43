"""A topic of this database as the place where a query's changes go."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.consolidate import consolidate
from storage import Storage, Transaction

HISTORY = "$history:"
"""How the names of the transactions begin in which histories are written; the topic's id follows."""
TABLE_TOPIC = "$sink:"
"""How the names begin of the topics of sinks into tables."""
_TIMEOUT_MS = 1 << 50
"""However long it takes to read a history, nobody else ends its transaction."""


class TopicOutput:
    """Appends a query's rows to a topic's first partition.

    The history a query begins with, and what ticks bring until it is saved, is written in one transaction, so that it
    is seen as a whole, and by nobody before a checkpoint can tell what comes after it: `begin_history`, `prepare` when
    the checkpoint is taken, `publish` when it is written. A history that had no rows then has to be saved again if it
    has got some meanwhile. After a restart the checkpoint knows what is to become of one that is prepared
    (`settle_histories`); one that is not is aborted.
    """

    def __init__(self, storage: Storage, topic: str) -> None:
        self._storage = storage
        self._name = topic
        self._log = storage.topic(topic).partitions[0]
        self._schema = storage.topic(topic).schema
        self._history: Transaction | None = None
        self._is_beginning = False
        self._again: tuple[int, int] | None = None

    def __call__(self, tick: int, now_us: int, delta: Delta | None) -> None:
        """A follower of the query (see runtime/query.py)."""
        if delta is None:
            return
        rows = delta.batch.cast(self._schema)
        if self._again is not None:
            rows = self._missing(rows, tick)
        if not self._is_beginning:
            if rows.num_rows:
                self._log.append(rows, timestamp_us=now_us)
            return
        if self._history is None:
            name = HISTORY + self._storage.topic(self._name).id
            self._history = self._storage.transaction(name, timeout_ms=_TIMEOUT_MS)
        self._history.write(self._log, rows, timestamp_us=now_us)

    @property
    def topic(self) -> str:
        """Where it writes to."""
        return self._name

    @property
    def end(self) -> int:
        """How far it has written: the topic's end offset."""
        return self._log.end_offset

    def cut(self, end: int) -> None:
        """Take away what lies behind an offset: it will be written again."""
        self._storage.truncate(self._log, end)

    def tell_again(self, tick: int, end: int) -> None:
        """What lies behind an offset is of a tick that comes again. If that says the same rows it stays, because it has
        been read: rows of one tick may come in another order where there are other threads or another memory limit."""
        self._again = tick, end

    def told_again(self) -> None:
        """The tick is over: what lies there and did not come again goes."""
        if self._again is not None:
            self.cut(self._again[1])
            self._again = None

    def _missing(self, rows: pa.RecordBatch, tick: int) -> pa.RecordBatch:
        """Those rows of the tick that comes again which are not there; all, and the others go, if others are there."""
        assert self._again is not None
        (expected, end), self._again = self._again, None
        there = self._plain_rows(end) if tick == expected else None
        if there is not None:
            negative = [Delta(each, np.full(each.num_rows, -1)) for each in there]
            net = consolidate(concat([Delta(rows), *negative]))
            if net is None:
                return rows.slice(0, 0)
            if (weights := net.weight_array()).min() > 0:
                return net.batch.take(pa.array(np.repeat(np.arange(net.num_rows), weights)))
        self.cut(end)
        return rows

    def _plain_rows(self, offset: int) -> list[pa.RecordBatch] | None:
        """All that lies behind an offset; None where some of it belongs to a transaction, or cannot be read yet."""
        found: list[pa.RecordBatch] = []
        if self._log.high_watermark < self._log.end_offset:
            return None
        while offset < self._log.end_offset:
            for frame in self._log.read(offset, isolation="read_uncommitted"):
                if frame.transaction is not None:
                    return None
                found.append(frame.batch.cast(self._schema))
                offset = frame.next_offset
        return found

    def close(self) -> None:
        """Let go; a history that no checkpoint may know of has never been there."""
        if self._history is not None and self._history.phase == "open":
            self._history.abort()

    def discard(self) -> None:
        """`close`, and what is not published never will be."""
        if self._history is not None:
            self._history.abort()

    # ------------------------------------------------------------ a history

    def begin_history(self) -> None:
        """Everything is written anew, from the beginning; offsets go on from where they were."""
        self.discard()
        self._history, self._is_beginning = None, True
        self._log.delete_before(self._log.end_offset)

    def go_on_with_history(self) -> None:
        """What comes is part of a history that had no rows so far."""
        self._is_beginning = True

    @property
    def is_unpublished(self) -> bool:
        """Whether there is, or may be, a history that nobody sees yet."""
        return self._is_beginning or self._history is not None

    @property
    def history(self) -> str:
        """The id of its transaction; empty while it has no rows."""
        return "" if self._history is None else self._history.id

    def flush(self) -> None:
        """Make what has been written durable, so that `prepare` has little to do."""
        self._log.flush()

    def prepare(self) -> str:
        """The history ends here, if it has rows: what comes now is written as it comes. Returns `history`. Raises what
        `Transaction.prepare` raises; it is aborted then.
        """
        if self._history is not None and self._is_beginning:
            self._history.prepare()
            self._is_beginning = False
        return self.history

    def publish(self) -> None:
        """Show the history; StorageError if it cannot be, and it may be tried again."""
        if self._history is not None:
            self._history.commit()
        self._history, self._is_beginning = None, False


def settle_histories(storage: Storage, saved: Collection[str]) -> None:
    """What becomes of prepared histories after a restart: those of which the checkpoint knows (`saved`, by id) are
    seen, the others, and what was written behind them, have never been there.
    """
    for found in storage.transactions.unfinished():
        if found.name is None or not found.name.startswith(HISTORY):
            continue
        history = storage.transactions.prepared(found.id)
        if found.id in saved:
            history.commit()
            continue
        for place in found.partitions:
            log = storage.topic(place.topic).partitions[place.partition]
            first = next(o.first_offset for o in log.open_transactions() if f"{o.producer_id}.{o.epoch}" == found.id)
            storage.truncate(log, first)
        history.abort()


def is_hidden_from(storage: Storage, topic: str, offset: int) -> bool:
    """Whether all that a topic has got from an offset on was part of a history."""
    log = storage.topic(topic).partitions[0]
    while offset < log.high_watermark:
        frames = log.read(offset, isolation="read_uncommitted")
        if any(frame.transaction is None for frame in frames):
            return False
        offset = frames[-1].next_offset
    return True
