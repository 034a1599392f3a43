"""Which partition a row goes to by its key: the one rule for all that write topics, so that equal keys meet.

The number never changes for a key and a number of partitions: files on disk depend on it. Must not know topics.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Keys up to this long are hashed byte by byte for all keys at once, others key by key.
_SHORT_BYTES = 32
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
        keys = keys.cast(pa.string())
    # NULL, which has no index, takes the place after the last key.
    chosen = np.append(_checksums(keys.cast(pa.binary())) % count, 0).astype(np.int64)
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


def _checksums(keys: pa.BinaryArray) -> np.ndarray:
    """uint32[n]: CRC-32 of each key, 0 of NULL."""
    offsets = np.frombuffer(keys.buffers()[1], dtype=np.int32)[keys.offset : keys.offset + len(keys) + 1]
    lengths = np.diff(offsets)
    if lengths.max(initial=0) > _SHORT_BYTES:
        result = np.array([0 if key is None else zlib.crc32(key) for key in keys.to_pylist()], dtype=np.uint32)
    else:
        result = _checksums_by_column(np.frombuffer(keys.buffers()[2] or b"", dtype=np.uint8), offsets[:-1], lengths)
    if keys.null_count:
        result[keys.is_null().to_numpy(zero_copy_only=False)] = 0
    return result


def _checksums_by_column(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """CRC-32 of the keys at `starts` of the bytes `data`, the first byte of all, then the second of all, and so on."""
    result = np.full(len(starts), 0xFFFFFFFF, dtype=np.uint32)
    shortest, longest = (int(lengths.min()), int(lengths.max())) if len(lengths) else (0, 0)
    for place in range(longest):
        longer = slice(None) if place < shortest else np.flatnonzero(lengths > place)
        before = result[longer]
        result[longer] = _CRC_TABLE[(before ^ data[starts[longer] + place]) & 0xFF] ^ (before >> np.uint32(8))
    return ~result


def _crc_table() -> np.ndarray:
    """What a byte does to the checksum, by its value: the reflected polynomial 0xEDB88320, bit by bit."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> np.uint32(1)) ^ np.uint32(0xEDB88320), table >> np.uint32(1))
    return table


_CRC_TABLE = _crc_table()


def _is_bytes(kind: pa.DataType) -> bool:
    """Whether values are bytes already."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))
