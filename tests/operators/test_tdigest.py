"""approx_quantile as a sketch: exact while small, within its bound afterwards, however the rows come."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.errors import InvalidParameter
from sqlengine.kernels import COMPILED
from sqlengine.operators.aggregates.distributions import PercentileDisc
from sqlengine.operators.aggregates.tdigest import TDigest
from tests.depth import rounds
from tests.operators.sketch_support import add, answers, call_of, empty, filled, merged, reopened

Floats = npt.NDArray[np.float64]

FRACTIONS = (0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0)
EXACT_UP_TO = 1024
LARGE = 1_000_000 if COMPILED else 5_000


def bound(fraction: float, n: int, accuracy: int = 100) -> float:
    """The documented distance of an answer from its place, as a share of the values."""
    return 2 * math.sqrt(fraction * (1 - fraction)) / accuracy + (math.pi / (math.pi * accuracy)) ** 2 + 1 / max(n, 1)


def distance(ordered: Floats, value: float, fraction: float) -> float:
    """How far from a fraction of the values the value's place is, as a share of them."""
    first, last = (np.searchsorted(ordered, value, side) / len(ordered) for side in ("left", "right"))
    return max(0.0, float(first) - fraction, fraction - float(last))


def distributions(n: int) -> dict[str, Floats]:
    rng = np.random.default_rng(n)
    return {
        "uniform": rng.random(n),
        "normal": rng.normal(size=n),
        "skewed": rng.exponential(size=n) ** 3,
        "ascending": np.arange(n, dtype=float),
        "descending": -np.arange(n, dtype=float),
        "zipf": rng.zipf(1.5, n).astype(float),
        "two far heaps": np.where(rng.random(n) < 0.5, rng.normal(size=n), 1e9 + rng.normal(size=n)),
        "waves": np.sin(np.arange(n) / 100) + 1e-9 * rng.random(n),
        "constant": np.full(n, 0.1),
        "huge": rng.normal(size=n) * 1e307,
    }


@pytest.mark.sampled(4)
@pytest.mark.parametrize("n", [1, 2, 1_000, 1_025, 30_000, LARGE])
@pytest.mark.parametrize("accuracy", [100, 20])
def test_answers_are_within_the_documented_bound(n: int, accuracy: int) -> None:
    call = call_of("approx_quantile", pa.float64(), FRACTIONS, accuracy)
    slots = np.zeros(n, dtype=np.int64)
    for name, values in distributions(n).items():
        (found,) = answers(filled(call, slots, pa.array(values), range(0, n, 65_536)))
        (parts,) = answers(merged(call, slots, pa.array(values), np.arange(n) % 16))
        assert isinstance(found, list) and isinstance(parts, list)
        ordered = np.sort(values)
        assert (found[0], found[-1]) == (parts[0], parts[-1]) == (ordered[0], ordered[-1])
        for fraction, one, other in zip(FRACTIONS, found, parts, strict=True):
            assert distance(ordered, one, fraction) <= bound(fraction, n, accuracy), (name, fraction)
            assert distance(ordered, other, fraction) <= 2 * bound(fraction, n, accuracy), (name, fraction)


NUMBERS = st.sampled_from([0.0, -0.0, 0.1, -3.5, 1e300, math.inf, -math.inf, math.nan]) | st.integers(-9, 9).map(float)
ROWS = st.lists(st.tuples(st.integers(0, 3), st.none() | NUMBERS), max_size=80)


@given(rows=ROWS, fraction=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.99, 1.0]), data=st.data())
@settings(max_examples=rounds(40, 100), deadline=None)
def test_small_groups_answer_as_duckdb_does_exactly(
    rows: list[tuple[int, float | None]], fraction: float, data: st.DataObject
) -> None:
    call = call_of("approx_quantile", pa.float64(), fraction)
    slots, values = np.array([r[0] for r in rows], dtype=np.int64), pa.array([r[1] for r in rows], pa.float64())
    connection = duckdb.connect()
    connection.register("t", pa.table({"g": pa.array(slots), "x": values}))
    sql = f"SELECT g, quantile_disc(x, {fraction}) FROM t GROUP BY g"
    exact = {g: repr(None if x is None else x + 0.0) for g, x in connection.execute(sql).fetchall()}
    want = [exact.get(g, "None") for g in range(int(slots.max(initial=-1)) + 1)]
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))
    parts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))), dtype=np.int64)
    made = filled(call, slots, values, cuts)
    for one in (made, reopened(made, call, pa.float64()), merged(call, slots, values, parts)):
        assert [repr(x if x is None else x + 0.0) for x in answers(one)] == want  # type: ignore[operator]


def test_splits_restarts_and_looks_do_not_change_a_digest() -> None:
    call = call_of("approx_quantile", pa.float64(), FRACTIONS)
    rng = np.random.default_rng(8)
    slots, values = rng.integers(0, 4, 20_000) ** 2, rng.normal(size=20_000)
    want = answers(filled(call, slots, pa.array(values)))
    assert answers(filled(call, slots, pa.array(values), range(0, 20_000, 37))) == want
    digest = empty(call, pa.float64())
    for start in range(0, 20_000, 1_111):
        add(digest, slots[start : start + 1_111], pa.array(values[start : start + 1_111]))
        answers(digest)
        digest = reopened(digest, call, pa.float64())
    assert answers(digest) == want
    keep = np.isin(np.arange(10), [1, 9])
    digest.compact(keep, np.where(keep, np.cumsum(keep) - 1, -1))
    assert answers(digest) == [want[1], want[9]]


TYPES: dict[pa.DataType, list[object]] = {
    pa.int16(): [-5, 7, 32767, -32768],
    pa.int32(): [2**31 - 1, -(2**31), 5],
    pa.int64(): [1, -(2**53), 2**53],
    pa.uint64(): [0, 1, 2**53],
    pa.float32(): [0.1, -2.5, math.inf],
    pa.decimal128(10, 2): [Decimal("1.10"), Decimal("-2.25"), Decimal("99999999.99")],
    pa.decimal128(38, 9): [Decimal("1.100000000"), Decimal("-2.250000001")],
    pa.date32(): [dt.date(2024, 1, 1), dt.date(1960, 2, 29)],
    pa.time64("us"): [dt.time(0, 0, 0, 1), dt.time(23, 59, 59, 999_999)],
    pa.timestamp("us"): [dt.datetime(2024, 1, 1, 0, 0, 0, 1), dt.datetime(1960, 1, 1)],
    pa.timestamp("us", "UTC"): [dt.datetime(2024, 1, 1, tzinfo=dt.UTC)],
    pa.string(): ["b", "a", "é"],
    pa.bool_(): [True, False],
}


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("fraction", [0.2, (0.0, 0.5, 1.0)], ids=str)
def test_every_type_keeps_its_values(kind: pa.DataType, fraction: float | tuple[float, ...]) -> None:
    call = call_of("approx_quantile", kind, fraction)
    values = pa.array([None, *TYPES[kind], *TYPES[kind], None], kind)
    slots = np.zeros(len(values), dtype=np.int64)
    (exact,), (found,) = answers(filled(call, slots, values, append_only=False)), answers(filled(call, slots, values))
    assert found == exact
    nothing = pa.nulls(2, kind)
    assert answers(filled(call, np.zeros(2, dtype=np.int64), nothing)) == [None]


def test_the_largest_values_do_not_leave_their_type() -> None:
    for kind in (pa.int64(), pa.uint64(), pa.decimal128(38, 0)):
        top = 10**38 - 1 if pa.types.is_decimal(kind) else 2**63 - 1 if kind == pa.int64() else 2**64 - 1
        values = pa.array([top] * 3, kind)
        (found,) = answers(filled(call_of("approx_quantile", kind, 0.5), np.zeros(3, dtype=np.int64), values))
        assert abs(int(found) - top) <= top * 2.0**-52  # type: ignore[call-overload]


def test_order_by_desc_counts_from_the_other_end() -> None:
    call = call_of("approx_percentile", pa.int64(), 0.2)
    descending = type(call)(call.function, call.args, call.type, order_by=((0, True, True),), constants=call.constants)
    values, slots = pa.array(range(1, 11)), np.zeros(10, dtype=np.int64)
    assert answers(filled(call, slots, values)) == [2]
    for append_only in (True, False):
        assert answers(filled(descending, slots, values, append_only=append_only)) == [9]


def test_the_state_is_bounded() -> None:
    call = call_of("approx_quantile", pa.int64(), 0.5)
    many = filled(call, np.arange(100_000), pa.array(np.arange(100_000)))
    assert many.nbytes / 100_000 < 128
    rows = 20 * 5_000
    large = filled(call, np.tile(np.arange(20), 5_000), pa.array(np.arange(rows)), range(0, rows, 4_096))
    grown = large.nbytes
    assert grown / 20 < 3 * 16 * EXACT_UP_TO
    add(large, np.tile(np.arange(20), 5_000), pa.array(np.arange(rows)))
    assert large.nbytes == grown


def test_what_answers() -> None:
    call = call_of("approx_quantile", pa.int64(), 0.5)
    assert isinstance(empty(call, pa.int64()), TDigest)
    assert isinstance(empty(call, pa.int64(), append_only=False), PercentileDisc)
    assert isinstance(empty(call_of("approx_quantile", pa.string(), 0.5), pa.string()), PercentileDisc)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ((1.5,), "percentile value 1.5 is not between 0 and 1"),
        ((-0.1,), "percentile value -0.1 is not between 0 and 1"),
        (("nan",), "percentile value nan is not between 0 and 1"),
        (((0.5, 2),), "percentile value 2 is not between 0 and 1"),
        ((None,), "percentile value of approx_quantile must be a number"),
        ((), "approx_quantile needs a fraction"),
        ((0.5, 0), "accuracy of approx_quantile must be a whole number between 1 and 10000"),
        ((0.5, 2.5), "accuracy of approx_quantile must be a whole number between 1 and 10000"),
        ((0.5, 10_001), "accuracy of approx_quantile must be a whole number between 1 and 10000"),
    ],
)
@pytest.mark.parametrize("append_only", [True, False])
def test_bad_constants(constants: tuple[object, ...], message: str, append_only: bool) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        empty(call_of("approx_quantile", pa.int64(), *constants), pa.int64(), append_only)
    assert caught.value.sqlstate == "22023"
