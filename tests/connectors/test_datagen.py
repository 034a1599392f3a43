"""datagen: row n is a function of (seed, n); SplitMix64 against its published values; ranges, ends and
pace."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import errors
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.datagen.source import DatagenSource
from sqlengine.connectors.noise import below, noise, unit
from sqlengine.types import JSON, TIMESTAMP, TIMESTAMPTZ, UUID
from tests.depth import rounds

ALL = pa.schema(
    [
        ("i", pa.int64()), ("s", pa.int16()), ("f", pa.float64()), ("r", pa.float32()), ("d", pa.decimal128(10, 2)),
        ("t", TIMESTAMP), ("z", TIMESTAMPTZ), ("day", pa.date32()), ("b", pa.bool_()), ("txt", pa.string()),
        ("raw", pa.binary()), ("u", UUID), ("j", JSON), ("l", pa.list_(pa.int32())),
        ("st", pa.struct([("x", pa.int64()), ("y", pa.string())])),
    ]
)  # fmt: skip


def source(schema: pa.Schema = ALL, **options: object) -> DatagenSource:
    kind = connector("datagen")
    named = {k.replace("__", "."): v for k, v in options.items()}
    return kind.source(parse_options(kind, {"rows_per_second": "0", **named}), schema)


def column(dtype: pa.DataType, rows: int = 1000, **options: object) -> pa.Array:
    named = {f"fields.v.{k}": v for k, v in options.items()}
    return source(pa.schema([("v", dtype)]), **named).rows(np.arange(rows)).column(0)


def test_noise_is_splitmix64() -> None:
    """The first outputs of the reference implementation for seed 1234567 (published with xoshiro)."""
    start = (1234567 + 0x9E3779B97F4A7C15) % 2**64
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert noise(start, np.arange(5)).tolist() == published


def test_draws_are_even() -> None:
    bits = noise(7, np.arange(100_000))
    assert np.bincount(below(bits, 10)) == pytest.approx([10_000] * 10, rel=0.05)
    assert unit(bits).min() >= 0 and unit(bits).max() < 1 and unit(bits).mean() == pytest.approx(0.5, abs=0.01)


@settings(max_examples=rounds(10, 25), deadline=None)
@given(st.integers(0, 10**12), st.integers(1, 20), st.integers(0, 5))
def test_any_row_can_be_made_alone(first: int, count: int, seed: int) -> None:
    made = source(seed=seed, fields__txt__var_len="true", fields__i__null_rate="0.3", fields__f__kind="sequence")
    whole = made.rows(np.arange(first, first + count))
    whole.validate(full=True)
    assert pa.concat_batches([made.rows(np.array([n])) for n in range(first, first + count)]).equals(whole)


def test_sequences() -> None:
    assert column(pa.int32(), 3, kind="sequence", start="5").to_pylist() == [5, 6, 7]
    assert column(pa.float64(), 3, kind="sequence", start="1.5", step="-0.5").to_pylist() == [1.5, 1.0, 0.5]
    assert column(pa.decimal128(5, 2), 2, kind="sequence", start="1.10").to_pylist() == [
        decimal.Decimal("1.10"),
        decimal.Decimal("2.10"),
    ]
    assert column(pa.string(), 2, kind="sequence").to_pylist() == ["0", "1"]
    moments = column(TIMESTAMP, 2, kind="sequence", start="2020-01-01 00:00:00", step="500").to_pylist()
    assert moments == [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, 0, 0, 0, 500_000)]
    assert column(pa.date32(), 2, kind="sequence", start="2020-01-01").to_pylist() == [
        datetime.date(2020, 1, 1),
        datetime.date(2020, 1, 2),
    ]


def test_random_ranges() -> None:
    assert set(column(pa.int64(), min="-2", max="2").to_pylist()) == {-2, -1, 0, 1, 2}
    wide = column(pa.int64(), min=str(-(2**63)), max=str(2**63 - 1)).to_numpy()
    assert wide.min() < -(2**62) and wide.max() > 2**62
    assert set(column(pa.decimal128(5, 1), min="0.1", max="0.3").to_pylist()) == {
        decimal.Decimal(f"0.{i}") for i in (1, 2, 3)
    }
    floats = column(pa.float64(), min="10", max="20").to_numpy()
    assert floats.min() >= 10 and floats.max() < 20 and floats.mean() == pytest.approx(15, abs=0.5)
    times = column(TIMESTAMP, base="2020-01-02 00:00:00", max_past="1000").to_pylist()
    assert min(times) >= datetime.datetime(2020, 1, 1, 23, 59, 59) and max(times) <= datetime.datetime(2020, 1, 2)
    assert set(column(pa.string(), values="a, b").to_pylist()) == {"a", "b"}
    assert set(pc.binary_length(column(pa.string(), length="33")).to_pylist()) == {33}
    assert set(pc.binary_length(column(pa.string(), length="4", var_len="true")).to_pylist()) == {1, 2, 3, 4}
    assert set(pc.list_value_length(column(pa.list_(pa.int64()), length="2", **{"_.max": "1"})).to_pylist()) == {2}
    assert column(pa.int64(), null_rate="0.25", rows=10_000).null_count == pytest.approx(2500, rel=0.1)
    assert len(set(column(UUID).to_pylist())) == 1000 and {u.version for u in column(UUID).to_pylist()} == {4}


def test_columns_and_seeds_are_independent() -> None:
    schema = pa.schema([("a", pa.float64()), ("b", pa.float64())])
    first = source(schema).rows(np.arange(5000))
    a, b = (c.to_numpy() for c in first.columns)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05
    assert not first.equals(source(schema, seed=1).rows(np.arange(5000)))
    assert source(pa.schema([("b", pa.float64())])).rows(np.arange(5000)).column(0).equals(first.column(1))


def test_reading_ends_and_resumes() -> None:
    made = source(
        pa.schema([("id", pa.int64())]), number_of_rows=100, split_num=3,
        fields__ID__kind="sequence", fields__ID__start="1", fields__ID__end="50",
    )  # fmt: skip
    seen = []
    for partition in made.partitions():
        reader, done = made.open(partition, None), False
        while not done:
            polled = reader.poll(7, 0)
            seen += polled.batch.column(0).to_pylist() if polled.batch else []
            done = polled.done
            reader = made.open(partition, polled.position)
    assert sorted(seen) == list(range(1, 51))


def test_pace() -> None:
    reader = source(pa.schema([("id", pa.int64())]), rows_per_second=10).open("0", None)
    counts = [reader.poll(1000, now).batch for now in (5_000_000, 5_000_001, 5_100_000, 6_000_000)]
    assert [0 if b is None else b.num_rows for b in counts] == [1, 0, 1, 9]
    assert 90_000 < reader.poll(1000, 6_000_001).retry_after_us <= 100_001


BAD = [
    {"fields__i__kind": "sideways"}, {"fields__i__min": "5", "fields__i__max": "1"}, {"fields__s__max": "100000"},
    {"fields__i__start": "1", "fields__i__end": "0", "fields__i__kind": "sequence"}, {"fields__i__null_rate": "2"},
    {"fields__i__mn": "5"}, {"fields__i__min": "five"}, {"fields__t__base": "soon"}, {"fields__nobody__min": "1"},
    {"fields__i__values": "1,x"}, {"fields__b__kind": "sequence"},
    {"fields__i__step": "0.5", "fields__i__kind": "sequence"},
    {"fields__f__max": "inf"}, {"rows_per_second": "-1"},
]  # fmt: skip


@pytest.mark.parametrize("options", BAD)
def test_bad_options(options: dict[str, str]) -> None:
    with pytest.raises((errors.InvalidParameter, errors.UndefinedColumn, errors.NotSupportedError)) as error:
        source(**options)
    assert error.value.message


def test_columns_must_be_declared() -> None:
    with pytest.raises(errors.InvalidParameter):
        source(None)  # type: ignore[arg-type]
    with pytest.raises(errors.NotSupportedError):
        source(pa.schema([("m", pa.map_(pa.string(), pa.int64()))]))
