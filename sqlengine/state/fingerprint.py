"""Fingerprints of whole rows: 128 bits per row, equal exactly when the rows are equal in SQL's DISTINCT sense.

Why: deletions, consolidation and differences look whole rows up; a fingerprint is 16 bytes whatever the row is and
needs no second copy of texts.  NULL equals NULL, -0.0 equals 0.0, every NaN equals every NaN.  Two different rows
share a fingerprint with probability about 2**-128 per pair (see kernels/row_hash.pyx), which is taken as never.
Fingerprints live in memory only: they must not be stored.  Yet checkpoints of divided operators rely on those of texts
(state/shards.py), and sketches of distinct values are made of them: a change of the function needs a new checkpoint
format.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import choose
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.codec import BytesCodec, Codec, flat_codec

if TYPE_CHECKING:
    from sqlengine.kernels import row_hash_reference as kernel
else:
    kernel = choose("row_hash", "row_hash_reference")

Ints = npt.NDArray[np.int64]
State = npt.NDArray[np.uint64]

_ALL_VALID = np.empty(0, dtype=np.uint8)
_SEED = (0x243F6A8885A308D3, 0x13198A2E03707344)


def fingerprints(columns: Sequence[pa.Array], num_rows: int) -> Ints:
    """int64[num_rows, 2] (C-contiguous): the fingerprint of each row of equally long columns of any Arrow types."""
    state = np.empty((num_rows, 2), dtype=np.uint64)
    state[:] = _SEED
    for column in columns:
        _fold(state, buffers.plain(column))
    kernel.finish(state)
    return state.view(np.int64)


def batch_fingerprints(batch: pa.RecordBatch) -> Ints:
    """The fingerprints of a batch's rows."""
    return fingerprints(batch.columns, batch.num_rows)


def _fold(state: State, column: pa.Array) -> None:
    """Fold one plain column of any type into the rows' state."""
    mask = buffers.validity(column)
    valid = _ALL_VALID if mask is None else mask.view(np.uint8)
    codec = _codec(column.type)
    if isinstance(codec, BytesCodec):
        offsets, data = buffers.bytes_of(column)
        kernel.fold_bytes(state, offsets.astype(np.int64), data, valid)
    elif pa.types.is_struct(column.type):
        fields = [column.field(i) for i in range(column.type.num_fields)]
        _fold_words(state, list(fingerprints(fields, len(column)).T), valid)
    elif codec is not None:
        _fold_words(state, codec.encode(column, mask), valid)
    else:
        offsets, items = buffers.list_parts(column)
        data = fingerprints([items], len(items)).view(np.uint8).reshape(-1)
        kernel.fold_bytes(state, offsets * 16, data, valid)


@lru_cache(maxsize=256)
def _codec(dtype: pa.DataType) -> Codec | None:
    """What turns values of a flat type into words; its dictionary (of texts) is never used.  None for nested types."""
    return flat_codec(dtype)


def _fold_words(state: State, words: Sequence[Ints], valid: npt.NDArray[np.uint8]) -> None:
    for word in words:
        kernel.fold_words(state, np.ascontiguousarray(word), valid)
