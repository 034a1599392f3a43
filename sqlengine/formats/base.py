"""What a record format is: bytes of one record each in, typed rows and malformed records out, and back.

A format works on whole batches; a malformed record never harms its neighbours: for any mix of records, each
good one yields the row it would yield alone.  Formats do no I/O and know no streams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.functions.wrong_text import wrong_text
from sqlengine.pg_encodings import utf8_fault
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import to_sql

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]
T = TypeVar("T")
_PIECE = 512


@dataclass(frozen=True, slots=True)
class Decoded:
    """`batch`: the good records as rows; `rows`: int64[batch.num_rows], the good records' positions in the
    input, ascending; `bad`: (position, reason) of each malformed record, ascending."""

    batch: pa.RecordBatch
    rows: Positions
    bad: Sequence[tuple[int, str]] = ()


class Decoder(Protocol):
    """Turns records into rows of one schema."""

    def decode(self, values: pa.Array) -> Decoded:
        """`values`: binary or text array, one record each; a null or unreadable record is a bad one."""
        ...


class Encoder(Protocol):
    """Turns rows into records."""

    def encode(self, batch: pa.RecordBatch) -> pa.BinaryArray:
        """One record per row, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Converted:
    """A column after conversion: `values[i]` is meaningless where `bad[i]`."""

    values: pa.Array
    bad: Mask


def isolate(n: int, attempt: Callable[[int, int], T | None]) -> list[tuple[int, int, T | None]]:
    """Split [0, n) into pieces that `attempt` accepts and single positions it refuses (None), in order.

    The whole is tried first, then pieces of 512, then halves of those: a refused position costs about 18
    attempts at up to 512 positions, and none of them is per accepted position.
    """
    pieces: list[tuple[int, int, T | None]] = []
    todo = [(0, n)] if n else []
    while todo:
        low, high = todo.pop()
        result = attempt(low, high)
        if result is not None or high - low == 1:
            pieces.append((low, high, result))
        else:
            step = _PIECE if high - low > _PIECE else (high - low + 1) // 2
            todo += [(at, min(at + step, high)) for at in range(low, high, step)][::-1]
    return pieces


def true_mask(values: pa.Array) -> Mask:
    """A boolean array as NumPy mask; null counts as false."""
    filled = values.fill_null(False) if values.null_count else values
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=bool)


def null_mask(values: pa.Array) -> Mask:
    """Where the array is null."""
    return np.asarray(values.is_null().to_numpy(zero_copy_only=False), dtype=bool)


def snippet(text: str | None, limit: int = 40) -> str:
    """A value as an error message shows it: quoted, cut at `limit` characters."""
    if text is None:
        return "NULL"
    return f'"{text}"' if len(text) <= limit else f'"{text[:limit]}..."'


class Reason(str):
    """Why a record is malformed: the text for people who look after a stream; `in_copy`, with its SQLSTATE, is how
    PostgreSQL's COPY says the same."""

    __slots__ = ("in_copy", "sqlstate")

    in_copy: str
    sqlstate: str

    def __new__(cls, text: str, sqlstate: str, in_copy: str) -> Reason:
        """Both texts."""
        made = super().__new__(cls, text)
        made.sqlstate, made.in_copy = sqlstate, in_copy
        return made


def wrong_value(name: str, dtype: pa.DataType, value: str) -> Reason:
    """A field of a column whose text is no value of the column's type."""
    found = wrong_text(value, dtype)
    text = f'column "{name}": invalid value for type {to_sql(dtype)}: {snippet(value)}'
    return Reason(text, found.sqlstate, found.message)


def not_utf8(data: bytes, text: str = "invalid byte sequence for encoding UTF8") -> Reason:
    """A record that is no UTF-8."""
    return Reason(text, "22021", utf8_fault(data))


def wrong_count(names: Sequence[str], found: int) -> Reason:
    """A record with more or fewer fields than columns."""
    text = f"expected {len(names)} fields, got {found}"
    if found > len(names):
        return Reason(text, "22P04", "extra data after last expected column")
    return Reason(text, "22P04", f'missing data for column "{names[found]}"')


def assemble(
    schema: pa.Schema,
    columns: Sequence[Converted],
    rows: Positions,
    bad: list[tuple[int, str]],
    show: Callable[[int, int], str],
) -> Decoded:
    """Rows out of converted columns: a record with any bad value is bad, named after its first one.

    `rows[i]` is the input position of value i of each column; `show(column, i)` is that value's reason.
    """
    first = np.full(len(rows), -1, dtype=np.int64)
    for index in reversed(range(len(columns))):
        first[columns[index].bad] = index
    failed = np.flatnonzero(first >= 0)
    arrays = [c.values for c in columns]
    if len(failed):
        bad = sorted([*bad, *((int(rows[i]), show(int(first[i]), int(i))) for i in failed)])
        kept = pa.array(np.flatnonzero(first < 0))
        arrays, rows = [a.take(kept) for a in arrays], rows[first < 0]
    return Decoded(batch_of(schema, arrays, len(rows)), rows, bad)


def batch_of(schema: pa.Schema, arrays: Sequence[pa.Array], num_rows: int) -> pa.RecordBatch:
    """A record batch, also when it has no columns."""
    if not arrays:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * num_rows, pa.struct([])))
    return pa.RecordBatch.from_arrays(list(arrays), schema=schema)
