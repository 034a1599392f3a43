"""Readers over readers: several files as one partition, and rows released as their own times say.

For a replay all files are one partition, read one after another in the order of their names: pace needs one
order.  Rows keep that order; a row is due when the greatest time so far, less the first time, has passed by
the clock `speed` times faster.  NULL times are due at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.connectors.base import BadRecord, Polled, Position, Reader
from sqlengine.errors import DatatypeMismatch, UndefinedColumn, did_you_mean
from sqlengine.types import TIMESTAMP, to_sql

_IDLE_US = 100_000
_NEVER = np.iinfo(np.int64).min


class ChainReader:
    """Files one after another; a position is {"file": name, "at": that file's position}.

    `files` is asked again at the end when `follow` is set: new files are those behind the last one by name.
    """

    def __init__(
        self,
        files: Callable[[], Sequence[str]],
        open_file: Callable[[str, Position | None], Reader],
        position: Position | None,
        follow: bool,
    ) -> None:
        self._files, self._open_file, self._follow = files, open_file, follow
        self._name: str | None = None if position is None else str(position["file"])
        at = None if position is None else cast(Position | None, position["at"])
        self._reader: Reader | None = None if self._name is None else open_file(self._name, at)
        self._at = at

    def poll(self, max_rows: int, now_us: int) -> Polled:
        """The next rows of the file in turn."""
        if self._reader is None and not self._next_file():
            return Polled(None, self._position(), done=not self._follow, retry_after_us=_IDLE_US)
        assert self._reader is not None, "a file is open"
        polled = self._reader.poll(max_rows, now_us)
        self._at = polled.position
        done = False
        if polled.done:
            self._reader.close()
            self._reader = None
            done = not self._follow and not self._left()
        return Polled(polled.batch, self._position(), polled.bad, done, polled.retry_after_us)

    def progress(self) -> float | None:
        """The fraction of the files, and of the one in turn."""
        names = list(self._files())
        if self._follow or not names:
            return None
        before = sum(n < self._name for n in names) if self._name is not None else 0
        inner = self._reader.progress() if self._reader is not None else float(self._name is not None)
        return min(1.0, (before + (inner or 0.0)) / len(names))

    def close(self) -> None:
        """Release the file in turn."""
        if self._reader is not None:
            self._reader.close()

    def _left(self) -> list[str]:
        return [n for n in self._files() if self._name is None or n > self._name]

    def _next_file(self) -> bool:
        left = self._left()
        if not left:
            return False
        self._name, self._at = left[0], None
        self._reader = self._open_file(self._name, None)
        return True

    def _position(self) -> Position:
        return {} if self._name is None else {"file": self._name, "at": self._at}


class ReplayReader:
    """Holds the rows of another reader back until they are due.

    A position is {"at": the other reader's position before the rows held, "rows"/"bad": how many rows and
    malformed records behind it went out}: reading again from there and leaving those out gives the same
    rows.
    """

    def __init__(
        self, open_inner: Callable[[Position | None], Reader], column: str, speed: float, position: Position | None
    ) -> None:
        at = None if position is None else (position["at"] or None)
        self._inner = open_inner(at)
        self._column, self._speed = column, speed
        self._at: Position = at or {}
        self._next_at: Position = self._at
        self._skip_rows = 0 if position is None else int(position["rows"])
        self._skip_bad = 0 if position is None else int(position["bad"])
        self._rows, self._bad = self._skip_rows, self._skip_bad
        self._held: pa.RecordBatch | None = None
        self._times: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._latest = _NEVER
        self._first: tuple[int, int] | None = None
        self._pending_bad: deque[BadRecord] = deque()
        self._inner_done = False

    def poll(self, max_rows: int, now_us: int) -> Polled:
        """The rows that are due."""
        retry = None
        if self._held is None and not self._inner_done:
            retry = self._refill(now_us)
        bad = list(self._pending_bad)
        self._pending_bad.clear()
        self._bad += len(bad)
        batch = self._due(max_rows, now_us)
        if self._held is not None and batch is None:
            retry = self._wait_us(now_us)
        done = self._inner_done and self._held is None
        if self._held is None:
            self._at, self._rows, self._bad = self._next_at, 0, 0
        position = {"at": dict(self._at), "rows": self._rows, "bad": self._bad}
        return Polled(batch, position, bad, done, retry)

    def progress(self) -> float | None:
        """The other reader's."""
        return self._inner.progress()

    def close(self) -> None:
        """Close the other reader."""
        self._inner.close()

    def _refill(self, now_us: int) -> int | None:
        polled = self._inner.poll(65_536, now_us)
        self._inner_done = polled.done
        self._next_at = polled.position
        bad = list(polled.bad)
        dropped = min(self._skip_bad, len(bad))
        self._skip_bad -= dropped
        self._pending_bad.extend(bad[dropped:])
        batch = polled.batch
        if batch is not None and self._skip_rows:
            skipped = min(self._skip_rows, batch.num_rows)
            self._skip_rows -= skipped
            batch = batch.slice(skipped)
        if batch is not None and batch.num_rows:
            self._held = batch
            self._times = self._due_times(batch)
        return polled.retry_after_us

    def _due_times(self, batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """The running maximum of the times, in microseconds."""
        moments = batch.column(self._column).cast(TIMESTAMP).cast(pa.int64()).fill_null(_NEVER)
        times = np.maximum.accumulate(np.maximum(moments.to_numpy(zero_copy_only=False), self._latest))
        self._latest = int(times[-1])
        return times

    def _due(self, max_rows: int, now_us: int) -> pa.RecordBatch | None:
        if self._held is None:
            return None
        count = min(max_rows, int(np.searchsorted(self._times, self._horizon(now_us), side="right")))
        batch, rest = self._held.slice(0, count), self._held.slice(count)
        self._times = self._times[count:]
        self._held = rest if rest.num_rows else None
        self._rows += count
        return batch if count else None

    def _horizon(self, now_us: int) -> int:
        """The latest time that is due now."""
        if not self._speed:
            return int(self._times[-1])
        if self._first is None:
            known = self._times[self._times != _NEVER]
            if not len(known):
                return _NEVER
            self._first = (now_us, int(known[0]))
        start_us, first = self._first
        return first + int((now_us - start_us) * self._speed)

    def _wait_us(self, now_us: int) -> int:
        assert self._first is not None, "a pace was set before anything was held back"
        start_us, first = self._first
        return max(1, start_us + int((int(self._times[0]) - first) / self._speed) - now_us + 1)


def check_replay_column(schema: pa.Schema, column: str) -> str:
    """The column's name as declared.

    Raises UndefinedColumn (42703), DatatypeMismatch (42804) unless it is a timestamp.
    """
    names = {n.lower(): n for n in schema.names}
    name = names.get(column.lower())
    if name is None:
        raise UndefinedColumn(f'column "{column}" to replay by does not exist', hint=did_you_mean(column, schema.names))
    dtype = schema.field(name).type
    if not pa.types.is_timestamp(dtype):
        raise DatatypeMismatch(f'column "{name}" to replay by is of type {to_sql(dtype)}, not timestamp')
    return name
