from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.log import format as frames
from storage.log import message
from storage.log.schema_plan import plan_schema
from storage.log.statistics import decode_statistics, encode_statistics
from tests.storage.arrow_data import NESTED_TYPES, SIMPLE_TYPES, random_batch, random_schema


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksum_matches_the_vectors_of_rfc_3720(data: bytes, expected: int) -> None:
    assert frames.checksum([data]) == expected
    assert frames.checksum([data[:5], data[5:]]) == expected


def _header(**fields: int) -> frames.FrameHeader:
    values = dict.fromkeys(frames.FrameHeader._fields, 0) | fields
    return frames.FrameHeader(**values)


@given(
    st.integers(0, 2**62),
    st.integers(1, 2**32 - 1),
    st.integers(-1, 2**62),
    st.integers(-1, 2**15 - 1),
    st.binary(),
)
def test_header_survives_packing(base: int, records: int, producer: int, epoch: int, body: bytes) -> None:
    header = _header(base_offset=base, record_count=records, producer_id=producer, producer_epoch=epoch, kind=1)
    packed = frames.pack_header(header, frames.checksum([body]))
    assert len(packed) == frames.HEADER_SIZE == 64
    found = frames.unpack_header(b"xx" + packed, 2)
    assert found is not None and found[:-1] == header[:-1]
    assert found.crc == frames.checksum([body, packed[:60]])


def test_bytes_of_a_known_header_never_change() -> None:
    header = _header(kind=1, schema_id=2, base_offset=3, record_count=4, payload_length=5, trailer_units=6)
    header = header._replace(producer_epoch=7, leader_epoch=8, producer_id=9, append_timestamp_us=10)
    packed = frames.pack_header(header._replace(max_timestamp_us=11, sequence=12), 0)
    assert packed.hex() == (
        "53454601010002000300000000000000040000000500000006000700080000000900000000000000"
        "0a000000000000000b000000000000000c000000" + packed[60:].hex()
    )


def test_what_is_no_header_is_refused() -> None:
    packed = frames.pack_header(_header(kind=1, record_count=1), 0)
    assert frames.unpack_header(packed[:63], 0) is None
    assert frames.unpack_header(bytes(64), 0) is None
    assert frames.unpack_header(b"SEF\x02" + packed[4:], 0) is None
    assert frames.header_version(b"SEF\x02" + packed[4:], 0) == 2
    assert frames.unpack_header(packed[:5] + b"\x08" + packed[6:], 0) is None


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 2, 255, 256, 257, 300, 1000, 3000]), st.booleans())
def test_any_batch_survives_encoding(seed: int, rows: int, nested: bool) -> None:
    rng = random.Random(seed)
    schema = random_schema(rng, SIMPLE_TYPES + NESTED_TYPES if nested else SIMPLE_TYPES)
    batch = random_batch(rng, schema, rows)
    if rng.random() < 0.3:
        batch = batch.slice(rng.randrange(rows + 1), rng.randrange(rows + 1))
    payload = message.encode(batch, plan_schema(schema))
    stored = pa.py_buffer(b"".join(payload.pieces))
    assert stored.size == payload.length
    found = message.decode(payload.kind, stored, schema)
    found.validate(full=True)
    assert found.equals(batch)


@given(st.integers(0, 2**32))
def test_pyarrow_reads_our_messages_in_its_stream(seed: int) -> None:
    rng = random.Random(seed)
    schema = random_schema(rng, SIMPLE_TYPES)
    batch = random_batch(rng, schema, 2000)
    payload = message.encode(batch, plan_schema(batch.schema))
    stream = b"".join([schema.serialize().to_pybytes(), *map(bytes, payload.pieces)])
    assert pa.ipc.open_stream(stream).read_all().to_batches() == [batch]


def test_buffers_of_large_batches_are_aligned_and_not_copied() -> None:
    batch = pa.record_batch({"a": np.arange(50_001), "b": np.arange(50_001) < 7, "c": ["text"] * 50_001})
    payload = message.encode(batch, plan_schema(batch.schema))
    pieces = {piece.address for piece in payload.pieces if isinstance(piece, pa.Buffer)}
    assert batch.column("a").buffers()[1].address in pieces
    assert batch.column("c").buffers()[2].address in pieces
    stored = pa.allocate_buffer(payload.length)
    np.frombuffer(stored, np.uint8)[:] = np.frombuffer(b"".join(payload.pieces), np.uint8)
    found = message.decode(payload.kind, stored, batch.schema)
    assert stored.address % 64 == 0
    assert all(buffer.address % 64 == 0 for column in found.columns for buffer in column.buffers() if buffer)


@given(st.integers(0, 2**32))
def test_statistics_are_those_of_pyarrow(seed: int) -> None:
    rng = random.Random(seed)
    schema = random_schema(rng, SIMPLE_TYPES, most=10)
    batch = random_batch(rng, schema, rng.choice((2048, 2500)))
    found = decode_statistics(encode_statistics(batch, plan_schema(batch.schema)), schema)
    for field, column in zip(schema, batch.columns, strict=True):
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        assert (field.name in found) >= (numeric or pa.types.is_timestamp(field.type))
        if field.name not in found:
            continue
        physical = column if numeric else column.view(pa.int64() if field.type.bit_width == 64 else pa.int32())
        bounds = pc.min_max(physical).as_py()
        statistics = found[field.name]
        assert (statistics.min, statistics.max) == (bounds["min"], bounds["max"])
        assert statistics.null_count == column.null_count


def test_a_column_with_nan_has_no_bounds() -> None:
    values = [1.0] * 2999 + [float("nan")]
    for column in (pa.array(values), pa.array([None, *values[1:]])):
        batch = pa.record_batch({"x": column})
        statistics = decode_statistics(encode_statistics(batch, plan_schema(batch.schema)), batch.schema)["x"]
        assert (statistics.min, statistics.max, statistics.null_count) == (None, None, column.null_count)
