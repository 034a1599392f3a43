"""RowArena: rows kept in arrival order by reference to the batches they came in, addressed by row id.

Why: stores and joins keep millions of rows; large batches (often memory-mapped) are held as they are, without a copy,
and small ones are merged into larger ones so that a row is copied at most a few times, a lookup meets few chunks and a
small slice does not hold a large buffer for ever.  Row ids are dense and stay valid until `compact`.
Large chunks may be packed, their repeated texts held once; whoever reads `chunks` of an arena that is packed meets
dictionaries, everyone else plain values.
The arena must not know which rows are dead: its owner does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.state.gather import Gatherer
from sqlengine.state.repeated_texts import packed, packed_schema, plain, repeating
from sqlengine.state.spill import Spill, in_files

Ints = npt.NDArray[np.int64]

NO_BATCHES: Mapping[int, pa.RecordBatch] = MappingProxyType({})
FULL_CHUNK = 8_192
"""Chunks of so many rows are never merged again."""
FAN_IN = 16
"""So many chunks of one size class become one chunk of the next; fewer when they are FULL_CHUNK rows together."""
MERGED_BYTES = 4 << 20
"""Chunks of more bytes together are not merged, however few rows they have."""
LARGE_PART = 64
"""A chunk leaves memory when it is this part of what is worth a file."""


class RowArena:
    """An append-only list of batches of one schema."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._chunks: list[pa.RecordBatch] = []
        self._starts: list[int] = [0]
        self._gatherer = Gatherer(schema, self._chunks, self._starts)
        self._packed_schema: pa.Schema | None = None
        self._packed = 0

    @property
    def num_rows(self) -> int:
        """Rows appended since the last compaction, dead ones included; also the next row id."""
        return self._starts[-1]

    @property
    def num_bytes(self) -> int:
        """Approximate bytes of the rows' values (memory-mapped ones counted too)."""
        return sum(int(chunk.nbytes) for chunk in self._chunks)

    @property
    def chunks(self) -> Sequence[pa.RecordBatch]:
        """The rows as batches in row id order; do not modify."""
        return self._chunks

    @property
    def starts(self) -> Sequence[int]:
        """Row id of each chunk's first row, and the end."""
        return self._starts

    # ------------------------------------------------------------ packing

    @property
    def packed_schema(self) -> pa.Schema:
        """The schema of packed chunks: dictionaries where texts repeat; `schema` as long as none are packed."""
        return self.schema if self._packed_schema is None else self._packed_schema

    def pack(self) -> int | None:
        """Pack one more chunk that no merge will touch; the row id of its first row, None when there is none.

        Which columns repeat the first such chunk tells, for all of them.
        """
        for at in range(self._packed, len(self._chunks)):
            chunk = self._chunks[at]
            if chunk.num_rows <= FULL_CHUNK:
                continue
            if self._packed_schema is None:
                self._packed_schema = packed_schema(self.schema, repeating(chunk))
            self._packed = at + 1
            if self._packed_schema == self.schema:
                return None
            self._chunks[at] = packed(chunk, self._packed_schema)
            self._gatherer.forget(at)
            return self._starts[at]
        return None

    def plain_chunk(self, at: int) -> pa.RecordBatch:
        """The rows of a chunk with every value written out."""
        return plain(self._chunks[at], self.schema)

    # ------------------------------------------------------------ leaving memory

    @property
    def spilled_bytes(self) -> int:
        """Bytes of the rows that are in files, a topic's among them."""
        return sum(int(chunk.nbytes) for chunk in self._chunks if in_files(chunk))

    def spill(self, to: Spill) -> int:
        """Have the chunks that are not small in files (state/spill.py)."""
        sizes = {at: int(chunk.nbytes) for at, chunk in enumerate(self._chunks) if not in_files(chunk)}
        leaving = [at for at, size in sizes.items() if size >= to.least // LARGE_PART]
        freed = sum(sizes[at] for at in leaving)
        if freed < to.least:
            return 0
        for at, chunk in zip(leaving, to.batches([self._chunks[at] for at in leaving]), strict=True):
            self._chunks[at] = chunk
        self._gatherer.truncate(leaving[0])
        return freed

    # ------------------------------------------------------------ rows

    def append(self, batch: pa.RecordBatch) -> int:
        """Keep a batch; returns the row id of its first row."""
        first = self.num_rows
        if not batch.num_rows:
            return first
        if batch.schema != self.schema:
            batch = pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)
        self._push(_unpinned(batch))
        self._merge_tail()
        return first

    def take(self, rows: Ints, columns: Sequence[int] | None = None) -> list[pa.Array]:
        """The given rows' values in the order of `rows`: one array per column (of all, or of the positions given)."""
        wanted = range(len(self.schema)) if columns is None else columns
        return self._gatherer.take(rows, wanted)

    def peek(self, rows: Ints, columns: Sequence[int]) -> list[pa.Array]:
        """As `take`, for values that are sent and forgotten: those of a single row are not copied."""
        return self._gatherer.view(int(rows[0]), columns) if len(rows) == 1 else self.take(rows, columns)

    def take_batch(self, rows: Ints) -> pa.RecordBatch:
        """The given rows as a batch."""
        if not len(self.schema):
            return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
        return pa.RecordBatch.from_arrays(self.take(rows), schema=self.schema)

    def table(self, rows: Ints) -> pa.Table:
        """The given rows, ascending, as a table; rows that lie side by side are not copied."""
        if not len(rows) or rows[-1] - rows[0] + 1 != len(rows):
            return pa.Table.from_batches([self.take_batch(rows)], self.schema)
        left, batches = len(rows), []
        for _, chunk in self.parts(int(rows[0])):
            batches.append(plain(chunk.slice(0, left), self.schema))
            left -= batches[-1].num_rows
            if not left:
                break
        return pa.Table.from_batches(batches, self.schema)

    def parts(self, first: int) -> list[tuple[int, pa.RecordBatch]]:
        """(row id of the first row, rows) of the rows from `first` on, as they lie in chunks."""
        parts = []
        for i in range(bisect_right(self._starts, first) - 1, len(self._chunks)):
            skip = max(first - self._starts[i], 0)
            parts.append((self._starts[i] + skip, self._chunks[i].slice(skip)))
        return parts

    def compact(self, keep: npt.NDArray[np.bool_], kept: Mapping[int, pa.RecordBatch] = NO_BATCHES) -> Ints:
        """Drop the rows where `keep` is false; returns old row id -> new row id (-1: dropped). `kept`: by the row ids
        of chunks' first rows the rows that stay of them, where they are known."""
        new_row = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int64)
        old = list(zip(self._chunks, self._starts, strict=False))
        self.clear()
        for chunk, start in old:
            mask = keep[start : start + chunk.num_rows]
            if mask.all():
                self._push(chunk)
            elif mask.any():
                left = kept[start] if start in kept else chunk.filter(pa.array(mask))
                self._push(plain(left, self.schema))
            self._merge_tail()
        return new_row

    def starts_chunk(self, row: int) -> bool:
        """Whether a row is the first of its chunk."""
        return self._starts[bisect_right(self._starts, row) - 1] == row

    def replace_from(self, first: int, batch: pa.RecordBatch) -> None:
        """Hold `batch` instead of the rows from `first`, which starts a chunk, on."""
        chunks = bisect_right(self._starts, first) - 1
        del self._chunks[chunks:], self._starts[chunks + 1 :]
        self._truncated(chunks)
        if batch.num_rows:
            self.append(batch)

    def clear(self) -> None:
        """Forget all rows."""
        self._chunks.clear()
        self._starts[:] = [0]
        self._truncated(0)

    def _truncated(self, chunks: int) -> None:
        """Only the first `chunks` chunks are still the same."""
        self._packed = min(self._packed, chunks)
        self._gatherer.truncate(chunks)

    def _push(self, batch: pa.RecordBatch) -> None:
        self._chunks.append(batch)
        self._starts.append(self._starts[-1] + batch.num_rows)

    def _merge_tail(self) -> None:
        """Merge the last chunks while FAN_IN of them, or enough for a full chunk, are no larger than the newest one's
        size class.  No merge copies more than two full chunks or MERGED_BYTES: someone waits for it."""
        while self._chunks:
            limit = _class_limit(self._chunks[-1].num_rows)
            run = rows = 0
            for chunk in reversed(self._chunks):
                if chunk.num_rows > limit or limit > FULL_CHUNK or rows >= FULL_CHUNK or run == FAN_IN:
                    break
                run += 1
                rows += chunk.num_rows
            if run < 2 or run < FAN_IN and rows < FULL_CHUNK:
                return
            if sum(int(chunk.nbytes) for chunk in self._chunks[-run:]) > MERGED_BYTES:
                return
            merged = pa.concat_batches([plain(chunk, self.schema) for chunk in self._chunks[-run:]])
            del self._chunks[-run:], self._starts[-run:]
            self._truncated(len(self._chunks))
            self._push(merged)


def _class_limit(rows: int) -> int:
    """The largest size of the size class of a chunk: 16, 256, 4096, FULL_CHUNK, then without end."""
    limit = FAN_IN
    while limit < rows:
        limit *= FAN_IN
    return FULL_CHUNK if FULL_CHUNK >= rows > FULL_CHUNK // FAN_IN else limit


def _unpinned(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, or a copy when it is a small slice that would keep far larger buffers alive (seen by one column)."""
    if batch.num_rows >= FULL_CHUNK or not batch.num_columns:
        return batch
    held = max((buffer.size for buffer in batch.column(0).buffers() if buffer is not None), default=0)
    if held <= 65_536 or held <= 4 * batch.column(0).nbytes:
        return batch
    return pa.concat_batches([batch, batch.slice(0, 0)])
