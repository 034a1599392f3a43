"""RowSource: a result's rows, so many at a time, as messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Result
from sqlengine.server.pg.encode import SLICE_ROWS


@dataclass(frozen=True, slots=True)
class Slice:
    """`data`: messages of `count` rows; `is_last`: nothing comes behind them."""

    data: bytes
    count: int
    is_last: bool


class RowSource:
    """Reads a result with rows; to be closed.  `encode`: makes messages of a batch."""

    def __init__(self, result: Result, encode: Callable[[pa.RecordBatch], bytes]) -> None:
        self.result = result
        self._encode = encode
        self._batches: Iterator[pa.RecordBatch] = iter(result.batches())
        self._rest: pa.RecordBatch | None = None
        self._ended = False

    def take(self, most: int = 0) -> Slice:
        """The next rows, as many as are there at once, at most `most` (0: a slice's); waits for them."""
        most = min(most, SLICE_ROWS) if most else SLICE_ROWS
        batch = self._next()
        if batch is None:
            return Slice(b"", 0, True)
        part = batch.slice(0, most)
        self._rest = batch.slice(most) if batch.num_rows > most else None
        data = self._encode(part)
        return Slice(data, part.num_rows, not self.result.endless and self._is_at_end())

    def _next(self) -> pa.RecordBatch | None:
        if self._rest is not None:
            batch, self._rest = self._rest, None
            return batch
        for batch in self._batches:
            if batch.num_rows:
                return batch
        self._ended = True
        return None

    def _is_at_end(self) -> bool:
        if self._rest is None and not self._ended:
            self._rest = self._next()
        return self._rest is None

    def close(self) -> None:
        """Give up what has not been read."""
        self._ended, self._rest, self._batches = True, None, iter(())
        self.result.close()
