"""Which partition a row goes to by its key: the one rule for all that write topics, so that equal keys meet.

The number never changes for a key and a number of partitions: files on disk depend on it. Must not know topics.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Between the columns of a key in its text.
_SEPARATOR = "\x1f"


def partitions_by_key(columns: Sequence[pa.Array | pa.ChunkedArray], count: int) -> np.ndarray:
    """int64[n]: the partition, of `count`, of each row of the key `columns`.

    CRC-32 (ISO-HDLC, as zlib's) of the key as text, or of its bytes when it is binary, modulo the number of
    partitions; NULL, also in one of several columns, goes to partition 0. Kafka's own clients take murmur2 of the
    serialized key instead, and have no rule for typed columns.
    """
    arrays = [_plain(column) for column in columns]
    key = arrays[0] if len(arrays) == 1 else _joined(arrays)
    encoded = key.dictionary_encode()
    keys = encoded.dictionary
    if not _is_bytes(keys.type):
        keys = keys.cast(pa.string()).cast(pa.binary())
    # NULL, which has no index, takes the place after the last key.
    numbers = [0 if k is None else zlib.crc32(k) % count for k in keys.to_pylist()]
    chosen = np.array([*numbers, 0], dtype=np.int64)
    return chosen[encoded.indices.fill_null(len(keys)).to_numpy(zero_copy_only=False)]


def deal(batch: pa.RecordBatch, chosen: np.ndarray, count: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """(partition, its rows) of a batch whose rows go to the partitions `chosen`; in their order, none empty."""
    for partition in range(count):
        rows = np.flatnonzero(chosen == partition)
        if len(rows) == batch.num_rows:
            yield partition, batch
        elif len(rows):
            yield partition, batch.take(pa.array(rows))


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array of the storage type."""
    array = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _joined(arrays: list[pa.Array]) -> pa.Array:
    """The text of a key of several columns."""
    return pc.binary_join_element_wise(*(array.cast(pa.string()) for array in arrays), _SEPARATOR)


def _is_bytes(kind: pa.DataType) -> bool:
    """Whether values are bytes already."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))
