"""Spill: state that leaves memory for files and stays where it is: at its addresses, or mapped in place of what it was.

Why: state may be larger than memory.  Arrays in reserved pages and hash tables are turned into mappings of a file that
holds the same bytes (kernels/spilled.h); rows in Arrow buffers are written as an Arrow stream and read back from its
mapping.  From then on their pages can be let go whenever memory is short; the system's page cache says what stays.
A file has no name and is gone with the last mapping of it, so nothing of it outlives the process.
It must not know when memory is short, or whose state it is: `spillable` finds all that an object holds.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import choose

if TYPE_CHECKING:
    from sqlengine.kernels import pages_reference as kernel
else:
    kernel = choose("pages", "pages_reference")

Array = npt.NDArray[Any]

LEAST_BYTES = 1 << 20
"""What is smaller stays in memory."""
PIECE_BYTES = 16 << 20
"""Rows are written in mappings of about so many bytes: a mapping stays until the last of its rows is gone."""

let_go = kernel.let_go
"""Let go the pages of so many bytes that are in files, all of the process taken in turn; how many there were."""
breathe = kernel.breathe
"""Work that brings in pages of files calls it in between: when too much is in memory pages are let go."""
breathe_for = kernel.breathe_for
"""Have pages let go whenever there are too many, for some time."""

_limits: dict[int, tuple[int, int, int]] = {}


def limit_pages(owner: int, statm: int, high: int, low: int) -> None:
    """More than `high` bytes of the process, as /proc/self/statm says, are too many, and `low` are not; `high` 0: any
    number.  Of what several owners say the least counts."""
    _limits.pop(owner, None)
    if high:
        _limits[owner] = (high, low, statm)
    high, low, statm = min(_limits.values(), default=(0, 0, -1))
    kernel.watch(statm, high, low)


class Spill(kernel.SpillFile):
    """A file that state leaves for, in `directory`; `close` it when nothing more is to leave.  What has left stays.
    What has less than `least` bytes to bring is not worth it.  OSError when there is no such directory or no space."""

    def __init__(self, directory: str, least: int = LEAST_BYTES) -> None:
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115 (closed by `close`)
        super().__init__(self._file.fileno(), least)

    def close(self) -> None:
        """Write no more to it; its space is free when the last mapping is gone."""
        self._file.close()

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def array(self, values: Array) -> Array:
        """The same values in the file, to be read and written there; the array itself when it is not worth it."""
        if values.nbytes < self.least:
            return values
        whole = np.ascontiguousarray(values)
        self.write(whole.reshape(-1).view(np.uint8).data, 0)
        return np.frombuffer(self.map(whole.nbytes), dtype=whole.dtype, count=whole.size).reshape(whole.shape)

    def batches(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """The same rows in the file."""
        kept: list[pa.RecordBatch] = []
        for piece in _pieces(batches):
            sink = _End(self)
            with pa.ipc.new_stream(pa.PythonFile(sink, "w"), piece[0].schema) as stream:
                for batch in piece:
                    stream.write_batch(batch)
            kept += list(pa.ipc.open_stream(pa.py_buffer(self.map(sink.size))))
        return kept

    def write(self, data: memoryview, place: int) -> None:
        """Write `place` bytes behind what is in use."""
        at = self.size + place
        while data:
            written = os.pwrite(self.descriptor, data, at)
            data, at = data[written:], at + written


class _End(io.RawIOBase):
    """The end of a spill file as a file to write to."""

    def __init__(self, file: Spill) -> None:
        super().__init__()
        self._file = file
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """All of it."""
        bytes_ = memoryview(data).cast("B")
        self._file.write(bytes_, self.size)
        self.size += len(bytes_)
        return len(bytes_)


def _pieces(batches: Sequence[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    piece: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        piece.append(batch)
        size += batch.nbytes
        if size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def in_files(batch: pa.RecordBatch) -> bool:
    """Whether a batch is part of larger memory, as all that is read from a mapped file is, a topic's too."""
    buffers = (buffer for column in batch.columns for buffer in column.buffers() if buffer is not None and buffer.size)
    return all(buffer.parent is not None for buffer in buffers)


class Spillable(Protocol):
    """What can leave memory."""

    @property
    def spilled_bytes(self) -> int:
        """Bytes of it that are in files."""

    def spill(self, to: Spill) -> int:
        """Leave, as far as it is worth it: about how many bytes that frees.  OSError when it could not.

        Nobody changes it meanwhile."""


_OURS = ("sqlengine.operators.", "sqlengine.state.")
_MANY = 1_000
"""So many things of one list are all of one kind."""


def spillable(root: object) -> Iterator[Spillable]:
    """What can leave of all that an object holds: an operator, contents, or a list of them.

    It is found by going through the attributes of everything that is an operator's or a part of state, so no structure
    need tell what it is made of, and none can forget to.
    """
    seen: set[int] = set()
    todo = [root]
    while todo:
        one = todo.pop()
        slots = _KNOWN.get(type(one), _KNOWN)
        if slots is _KNOWN:
            slots = _KNOWN[type(one)] = _held_by(type(one))
        if slots is None or id(one) in seen:
            continue
        seen.add(id(one))
        if slots is _LEAVES:
            yield cast(Spillable, one)
        elif slots is _ITEMS:
            todo += _inner(one.values() if isinstance(one, dict) else one)  # type: ignore[arg-type]
        else:
            todo += getattr(one, "__dict__", {}).values()
            todo += [getattr(one, name, None) for name in slots]


def _held_by(kind: type) -> tuple[str, ...] | None:
    """The slots of an object of ours, beside its dictionary; _LEAVES and _ITEMS of others; None of what holds nothing
    that can leave."""
    if hasattr(kind, "spill"):
        return _LEAVES
    if issubclass(kind, (list, tuple, dict)):
        return _ITEMS
    if not kind.__module__.startswith(_OURS):
        return None
    return tuple(name for base in kind.__mro__ for name in getattr(base, "__slots__", ()))


_LEAVES, _ITEMS = ("that leaves",), ("its items",)
_KNOWN: dict[type, Any] = {}
"""By class what `_held_by` says: most of what is looked at holds nothing, and is looked at often."""


def _inner(items: Collection[object]) -> Iterable[object]:
    """The items, unless they are many things that hold nothing."""
    first = next(iter(items), None)
    holds = isinstance(first, (list, tuple, dict)) or type(first).__module__.startswith(_OURS)
    return items if holds or len(items) < _MANY else ()


def spilled_bytes(root: object) -> int:
    """Bytes in files of all that an object holds."""
    return sum(part.spilled_bytes for part in spillable(root))
