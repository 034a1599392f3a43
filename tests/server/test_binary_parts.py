"""COPY's binary numerics and arrays read column by column: the same as what was written, and as one value at a time."""

from __future__ import annotations

import io
import random
import struct
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from sqlengine.errors import Error
from sqlengine.server.pg.encode import RowEncoder
from sqlengine.server.pg.receive import SIGNATURE, TRAILER, binary_pieces


def stream(rows: list[list[bytes | None]]) -> bytes:
    """A file of COPY's binary format."""
    out = SIGNATURE + bytes(8)
    for row in rows:
        out += struct.pack("!h", len(row))
        for cell in row:
            out += struct.pack("!i", -1) if cell is None else struct.pack("!i", len(cell)) + cell
    return out + TRAILER


def read(data: bytes, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches([piece.batch for piece in binary_pieces(io.BytesIO(data), schema)])


def written(table: pa.RecordBatch) -> bytes:
    """The file our own encoder makes, whose output psycopg and PostgreSQL read (test_values.py)."""
    messages = RowEncoder(table.schema, [1] * len(table.schema)).encode(table, b"d")
    body, at = b"", 0
    while at < len(messages):
        size = int.from_bytes(messages[at + 1 : at + 5], "big")
        body, at = body + messages[at + 5 : at + 1 + size], at + 1 + size
    return SIGNATURE + bytes(8) + body + TRAILER


@pytest.mark.parametrize(
    ("precision", "scale"), [(1, 0), (4, 2), (9, 9), (10, 2), (18, 5), (19, 0), (38, 0), (38, 9), (38, 38)]
)
def test_numerics_are_what_was_written(precision: int, scale: int) -> None:
    rng = random.Random(precision * 100 + scale)
    ends = [0, 1, -1, 10**precision - 1, 1 - 10**precision, 10 ** (precision - 1)]
    units = ends + [
        rng.randrange(-(10 ** rng.randint(1, precision)) + 1, 10 ** rng.randint(1, precision)) for _ in range(500)
    ]
    values = [Decimal((u < 0, tuple(map(int, str(abs(u)))), -scale)) for u in units]
    array = pa.array([None, *values, None], pa.decimal128(precision, scale))
    batch = pa.RecordBatch.from_arrays([array, array], names=["a", "b"])
    assert read(written(batch), batch.schema).to_batches()[0].equals(batch)


def numeric(groups: list[int], weight: int, sign: int = 0, scale: int = 0) -> bytes:
    return struct.pack(f"!hhHH{len(groups)}h", len(groups), weight, sign, scale, *groups)


def test_what_has_no_place_is_rounded_or_refused() -> None:
    schema = pa.schema([("a", pa.decimal128(6, 2))])
    cells = [
        numeric([1, 2345], 0, scale=4),
        numeric([1, 9950], 0, 0x4000, 3),
        numeric([0, 1], 0, scale=4),
        numeric([1, 2300, 0, 0], 0, scale=2),
        numeric([1, 2345], 0, scale=1),  # what its own scale does not show is not there
        numeric([], 0),
    ]
    got = read(stream([[cell] for cell in cells]), schema)["a"].to_pylist()
    assert got == [
        Decimal("1.23"),
        Decimal("-2.00"),
        Decimal("0.00"),
        Decimal("1.23"),
        Decimal("1.20"),
        Decimal("0.00"),
    ]
    for cell, state in [
        (numeric([1, 0], 1), "22P02"),
        (numeric([], 0, 0xC000), "22P02"),
        (numeric([10_000], 0), "22P03"),
        (numeric([-1], 0), "22P03"),
        (numeric([1], 0, 7), "22P03"),
        (numeric([1], 0)[:-1], "22P03"),
        (b"\0\0", "22P03"),
    ]:
        with pytest.raises(Error) as error:
            read(stream([[numeric([5], 0)], [cell]]), schema)
        assert error.value.sqlstate == state, cell


ARRAYS: list[tuple[pa.DataType, list[object]]] = [
    (pa.int32(), [1, -2, 2**31 - 1]),
    (pa.string(), ["", "a", "Grüße", 'x"y,{}']),
    (pa.float64(), [1.5, -0.0, 1e300]),
    (pa.bool_(), [True, False]),
    (pa.decimal128(12, 3), [Decimal("1.250"), Decimal("-999999999.999")]),
    (pa.timestamp("us"), [0, 10**15]),
    (pa.binary(), [b"", b"\0\xff"]),
]


@pytest.mark.parametrize(("kind", "some"), ARRAYS)
def test_arrays_are_what_was_written(kind: pa.DataType, some: list[object]) -> None:
    rng = random.Random(str(kind))
    lists = [None, [], [None], *([rng.choice([None, *some]) for _ in range(rng.randint(0, 9))] for _ in range(300))]
    batch = pa.RecordBatch.from_arrays([pa.array(lists, pa.list_(kind)), pa.array(range(len(lists)))], names=["a", "n"])
    assert read(written(batch), batch.schema).to_pylist() == batch.to_pylist()


def array(*elements: bytes, oid: int = 23, dimensions: int = 1) -> bytes:
    return struct.pack("!iiiii", dimensions, 0, oid, len(elements), 1) + b"".join(elements)


@pytest.mark.parametrize(
    ("cell", "state"),
    [
        (array(struct.pack("!i", 4)), "22P03"),
        (array(struct.pack("!i", 400) + b"1234"), "22P03"),
        (array(struct.pack("!i", -2)), "22P03"),
        (array(struct.pack("!ii", 4, 1)) + b"x", "22P03"),
        (array(struct.pack("!ih", 2, 1)), "22P03"),
        (array(oid=25), "42804"),
        (array(dimensions=-1), "22P03"),
        (struct.pack("!iiiii", 1, 0, 23, 2**31 - 1, 1), "22P03"),
        (struct.pack("!iiiii", 1, 0, 23, -1, 1), "22P03"),
        (b"\0\0\0\1", "22P03"),
    ],
)
def test_arrays_that_are_malformed_are_refused(cell: bytes, state: str) -> None:
    schema = pa.schema([("a", pa.list_(pa.int32()))])
    with pytest.raises(Error) as error:
        read(stream([[array(struct.pack("!ii", 4, 1))], [cell]]), schema)
    assert error.value.sqlstate == state


def test_bytes_nobody_would_send_are_an_error_or_values() -> None:
    rng = random.Random(7)
    schema = pa.schema([("a", pa.list_(pa.int32())), ("n", pa.decimal128(20, 4))])
    good = [
        [array(struct.pack("!ii", 4, 1), struct.pack("!i", -1)), numeric([12, 3400], 0)],
        [None, numeric([9999], 2)],
    ]
    for _ in range(3_000):
        cells = [[None if c is None else bytearray(c) for c in row] for row in good]
        for row in cells:
            for cell in row:
                if cell is not None and rng.random() < 0.7:
                    cell[rng.randrange(len(cell))] = rng.choice((0, 1, 127, 128, 255))
        try:
            found = read(stream([[None if c is None else bytes(c) for c in row] for row in cells]), schema)
        except Error as error:
            assert error.sqlstate in ("22P02", "22P03", "42804", "22003", "54000"), error
        else:
            assert found.num_rows == 2
            found.validate(full=True)
            assert np.all([len(x) < 10 for x in found["a"].to_pylist() if x is not None])
