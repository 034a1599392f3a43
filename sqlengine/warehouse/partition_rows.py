"""Rows on their way to files: kept by partition until there are enough of them, then written by a few threads.

Rows are put together by the texts of their partition values with one sort of codes a batch, and cut into slices: no
step is per row.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field

import numpy as np
import pyarrow as pa

from sqlengine.formats.partition_names import grouped
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.commit import Commit
from sqlengine.warehouse.description import TableDescription
from sqlengine.warehouse.file_writers import Sink, Writer, codec_of, extension, open_writer
from sqlengine.warehouse.layout import Values
from sqlengine.warehouse.value_texts import to_texts
from sqlengine.workers import Workers, default_threads

GATHER_BYTES = 64 << 20
"""As many bytes of rows are put together by partition at once."""
HELD_BYTES = 256 << 20
"""As many bytes of rows wait for more of their partition at most."""
ALONE_BYTES = 32 << 20
"""Of a single partition so many are written at once: whoever reads rows ahead goes on meanwhile."""
FILE_BYTES = 256 << 20
"""A file is complete when it has as many bytes."""
SYNCING_THREADS = 8
"""So many files are waited for at once until they are on disk: the file system does it for several in one go."""
OPEN_FILES = 128
"""More files are not open at once; of others' partitions the next rows go to a new file."""


@dataclass(slots=True)
class _Open:
    """A file that may get more rows."""

    sink: Sink
    writer: Writer


@dataclass(slots=True)
class _Target:
    """One partition: its directory, how its files are stored, rows that wait, the file they go to, and what has been
    written."""

    directory: str
    stored: TableDescription
    pending: list[pa.Table] = field(default_factory=list)
    current: _Open | None = None
    files: int = 0
    rows: int = 0


class PartitionRows:
    """Writes rows of one statement; a context. `directory_of`: where the files of a partition belong; `stored_as`: how
    they are stored."""

    def __init__(
        self,
        commit: Commit,
        description: TableDescription,
        directory_of: Callable[[Values], str],
        stored_as: Callable[[Values], TableDescription],
        *,
        compression: str = "",
        file_bytes: int = FILE_BYTES,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        self._commit = commit
        self._description = description
        self._directory_of = directory_of
        self._stored_as = stored_as
        self._compression = compression
        codec_of(description, compression)  # a codec that is none is told also where there are no rows
        self._file_bytes = file_bytes
        self._held_bytes = held_bytes
        self._held = 0
        self._workers = Workers(default_threads())
        self._closers = Workers(SYNCING_THREADS)
        self.targets: dict[Values, _Target] = {}
        self._gathered: list[pa.RecordBatch] = []
        self._gathered_bytes = 0

    def target(self, values: Values) -> _Target:
        """The partition of these values."""
        if values not in self.targets:
            self.targets[values] = _Target(self._directory_of(values), self._stored_as(values))
        return self.targets[values]

    # ------------------------------------------------------------ taking rows

    def add(self, batch: pa.RecordBatch, keys: int, fixed: Sequence[tuple[int, str | None]]) -> None:
        """Rows whose last `keys` columns are values of partition columns; `fixed`: (place among the partition columns,
        text) of those that the statement states."""
        if not batch.num_rows:
            return
        if not keys:
            self._hold(tuple(text for _, text in fixed), pa.Table.from_batches([batch]))
            if self._held >= ALONE_BYTES:
                self._write_all()
            return
        self._gathered.append(batch)
        self._gathered_bytes += batch.nbytes
        if self._gathered_bytes >= GATHER_BYTES:
            self.split(keys, fixed)

    def split(self, keys: int, fixed: Sequence[tuple[int, str | None]]) -> None:
        """Put what was gathered to its partitions."""
        if not self._gathered:
            return
        table = pa.Table.from_batches(self._gathered).combine_chunks()
        self._gathered, self._gathered_bytes = [], 0
        width = table.num_columns - keys
        parts = [_coded(table.column(i).combine_chunks()) for i in range(width, table.num_columns)]
        order, bounds = grouped([(codes, len(texts)) for codes, texts in parts])
        rows = table.select(range(width))
        if len(bounds) > 2:
            places = pa.array(order)
            rows = pa.table(self._workers.map(lambda column: column.take(places), rows.columns), schema=rows.schema)
        for start, end in itertools.pairwise(bounds):
            found = iter([texts[codes[order[start]]] for codes, texts in parts])
            stated = dict(fixed)
            values = tuple(stated[i] if i in stated else next(found) for i in range(keys + len(fixed)))
            self._hold(values, rows.slice(start, end - start))

    def _hold(self, values: Values, rows: pa.Table) -> None:
        target = self.target(values)
        target.pending.append(rows)
        target.rows += rows.num_rows
        self._held += rows.nbytes
        if self._held > self._held_bytes:
            self._write_all()

    # ------------------------------------------------------------ writing files

    def finish(self) -> None:
        """Write what waits and complete all files."""
        self._write_all()
        self._complete(self.targets.values())

    def __enter__(self) -> PartitionRows:
        return self

    def __exit__(self, *_: object) -> None:
        """Give files up that are not complete, and let the threads end."""
        for target in self.targets.values():
            if target.current is not None:
                target.current.sink.discard()
                target.current = None
        self._workers.close()
        self._closers.close()

    def _write_all(self) -> None:
        todo = [target for target in self.targets.values() if target.pending]
        for start in range(0, len(todo), OPEN_FILES):
            some = todo[start : start + OPEN_FILES]
            self._close_others(some)
            self._workers.map(self._write, some)
        self._held = 0

    def _close_others(self, needed: Sequence[_Target]) -> None:
        kept = {id(target) for target in needed}
        opened = [t for t in self.targets.values() if t.current is not None and id(t) not in kept]
        if len(opened) + len(needed) > OPEN_FILES:
            self._complete(opened)

    def _open(self, target: _Target) -> None:
        if target.current is None:
            codec = codec_of(target.stored, self._compression)
            name = f"part-{self._commit.id}-{target.files:05d}{extension(target.stored, codec)}"
            sink = Sink(self._commit.env, self._commit.new_file(target.directory, name))
            try:
                target.current = _Open(sink, open_writer(sink, target.stored, codec))
            except BaseException:
                sink.discard()
                raise
            target.files += 1

    def _write(self, target: _Target) -> None:
        rows = pa.concat_tables(target.pending)
        target.pending = []
        pieces = rows.nbytes // self._file_bytes + 1
        for piece in range(pieces):
            start, end = (rows.num_rows * i // pieces for i in (piece, piece + 1))
            self._open(target)
            assert target.current is not None
            target.current.writer.write(rows.slice(start, end - start))
            if target.current.sink.tell() >= self._file_bytes:
                self._complete_one(target)

    def _complete(self, targets: Iterable[_Target]) -> None:
        self._closers.map(self._complete_one, [target for target in targets if target.current is not None])

    def _complete_one(self, target: _Target) -> None:
        assert target.current is not None
        current, target.current = target.current, None
        current.writer.finish()
        current.sink.close()


def _coded(values: pa.Array) -> tuple[np.ndarray, list[str | None]]:
    """(each row's code, the text of each code): NULL and an empty text are the same partition, as in Hive."""
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    names = [text or None for text in to_texts(coded.dictionary).to_pylist()]
    if None not in names:
        names.append(None)
    nothing = names.index(None)
    codes = coded.indices.fill_null(nothing).to_numpy(zero_copy_only=False)
    same = {name: place for place, name in reversed(list(enumerate(names)))}
    if len(same) < len(names):
        codes = np.array([same[name] for name in names])[codes]
    return codes, names
