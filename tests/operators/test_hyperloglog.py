"""approx_count_distinct as a sketch: within its published error, the same however the rows come, and bounded."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.errors import InvalidParameter
from sqlengine.kernels import COMPILED
from sqlengine.operators.aggregates.distinct import Distinct
from sqlengine.operators.aggregates.hyperloglog import HyperLogLog, estimate
from sqlengine.sql.approximate import precision_of
from tests.depth import rounds
from tests.operators.sketch_support import add, answers, call_of, empty, filled, merged, reopened

CALL = call_of("approx_count_distinct", pa.int64())
LARGE = 1_000_000 if COMPILED else 30_000


def one_group(values: pa.Array, *constants: object) -> int:
    call = call_of("approx_count_distinct", values.type, *constants)
    (answer,) = answers(filled(call, np.zeros(len(values), dtype=np.int64), values)) or [0]
    assert isinstance(answer, int)
    return answer


def distributions(n: int) -> dict[str, pa.Array]:
    rng = np.random.default_rng(n)
    return {
        "consecutive": pa.array(np.arange(n)),
        "uniform": pa.array(rng.integers(0, max(n, 1), n)),
        "zipf": pa.array(rng.zipf(1.3, n)),
        "normal": pa.array(rng.normal(0, 1e6, n)),
        "texts": pa.array([f"user {i}" for i in rng.integers(0, max(n, 1), min(n, 50_000))]),
        "mostly null": pa.array(rng.integers(0, max(n, 1), n), mask=rng.random(n) < 0.95),
    }


@pytest.mark.sampled(6)
@pytest.mark.parametrize("n", [0, 1, 5, 300, 1_000, 30_000, LARGE])
@pytest.mark.parametrize("constants", [(), (0.1,), ("0.01",)], ids=str)
def test_the_error_is_within_four_times_the_published_one(n: int, constants: tuple[object, ...]) -> None:
    registers = 1 << precision_of("approx_count_distinct", constants)
    for name, values in distributions(n).items():
        want = len(values.drop_null().unique())
        found = one_group(values, *constants)
        if want <= registers * 3 // 32:
            assert found == want, name
        assert abs(found - want) <= 4 * 1.04 / math.sqrt(registers) * want, name


def test_the_error_of_many_groups_has_the_published_spread_and_no_bias() -> None:
    groups, each = 200, 2_000
    slots = np.tile(np.arange(groups), each)
    found = np.array(answers(filled(CALL, slots, pa.array(np.arange(groups * each) * 7919))), dtype=float)
    errors = found / each - 1.0
    assert abs(errors.mean()) < 4 * 1.04 / math.sqrt(4096 * groups)
    assert np.sqrt((errors**2).mean()) < 1.2 * 1.04 / math.sqrt(4096)


@pytest.mark.parametrize("precision", [6, 12, 16])
def test_the_estimator_agrees_with_the_count_of_expected_registers(precision: int) -> None:
    """Registers as n different hashes leave them on average: the estimate must be n (Ertl 2017, section 2)."""
    size, last = 1 << precision, 65 - precision
    for n in (10.0, 1e3, 1e6, 1e9, 1e15, 2.0**62):
        upto = np.array([math.exp(-n / size * 2.0**-k) for k in range(last)] + [1.0])
        expected = size * np.diff(upto, prepend=0.0)
        assert estimate(expected[None, :], precision)[0] == pytest.approx(n, rel=0.02)


VALUES = st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 40)), max_size=120)


@given(rows=VALUES, data=st.data())
@settings(max_examples=rounds(24, 60), deadline=None)
def test_small_groups_are_exact_however_rows_are_split_merged_and_restarted(
    rows: list[tuple[int, int | None]], data: st.DataObject
) -> None:
    slots, values = np.array([r[0] for r in rows], dtype=np.int64), pa.array([r[1] for r in rows], pa.int64())
    want = [len({v for s, v in rows if s == g and v is not None}) for g in range(int(slots.max(initial=-1)) + 1)]
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))
    assert answers(filled(CALL, slots, values, cuts)) == want
    parts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))), dtype=np.int64)
    assert answers(merged(CALL, slots, values, parts)) == want


@pytest.mark.parametrize("constants", [(), (0.26,), (0.05,)], ids=str)
def test_the_estimate_depends_on_the_set_of_values_alone(constants: tuple[object, ...]) -> None:
    """Around the passage to registers: any split, order, merge and restart gives the very same number."""
    call = call_of("approx_count_distinct", pa.int64(), *constants)
    rng = np.random.default_rng(5)
    sizes = np.array([1, 48, 49, 383, 384, 385, 2_000])
    slots = np.repeat(np.arange(len(sizes)), sizes)
    values = slots * 1_000_000 + rng.permutation(len(slots))
    want = answers(filled(call, slots, pa.array(values)))
    order = rng.permutation(np.repeat(np.arange(len(slots)), 2))
    slots, values = slots[order], values[order]
    assert answers(filled(call, slots, pa.array(values), range(0, len(slots), 37))) == want
    for parts in (2, 7):
        assert answers(merged(call, slots, pa.array(values), rng.integers(0, parts, len(slots)))) == want
    whole = empty(call, pa.int64())
    for start in range(0, len(slots), 501):
        answers(whole)
        add(whole, slots[start : start + 501], pa.array(values[start : start + 501]))
        whole = reopened(whole, call, pa.int64())
    assert answers(whole) == want
    joined = filled(call, slots[:900], pa.array(values[:900]))
    joined.grow(len(sizes))
    answers(joined)
    joined.merge(np.arange(len(sizes)), whole, np.arange(len(sizes)))
    assert answers(joined) == want


def test_compacted_groups_keep_their_sketches() -> None:
    slots = np.repeat(np.arange(6), [3, 1_000, 0, 500, 20, 1_500])
    values = pa.array(np.arange(len(slots)))
    made = filled(CALL, slots, values)
    want = answers(made)
    keep = np.array([True, False, True, True, False, True])
    made.compact(keep, np.where(keep, np.cumsum(keep) - 1, -1))
    assert answers(made) == [w for w, k in zip(want, keep, strict=True) if k]
    add(made, np.full(10, 4), pa.array(np.arange(10)))
    assert answers(made)[4] == 10


TYPES = {
    pa.bool_(): [True, False],
    pa.int16(): [1, -1],
    pa.uint64(): [0, 2**64 - 1],
    pa.float32(): [0.0, -0.0, 1.5, float("nan"), -float("nan"), float("inf")],
    pa.float64(): [0.0, -0.0, 1.5, float("nan"), float("inf")],
    pa.decimal128(20, 3): [Decimal("1.5"), Decimal("1.500"), Decimal("-1")],
    pa.string(): ["", "a", "ab", "aaaaaaaab"],
    pa.binary(): [b"", b"\x00", b"\x00\x00"],
    pa.date32(): [dt.date(2024, 1, 1), dt.date(1960, 1, 1)],
    pa.time64("us"): [dt.time(0), dt.time(1, 2, 3)],
    pa.timestamp("us"): [dt.datetime(2024, 1, 1), dt.datetime(1960, 1, 1)],
    pa.list_(pa.int64()): [[], [1], [1, None], [None, 1]],
    pa.struct([("a", pa.int64()), ("b", pa.string())]): [{"a": 1, "b": "x"}, {"a": None, "b": "x"}],
    pa.null(): [],
}


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_values_of_every_type_are_told_apart_as_distinct_does(kind: pa.DataType) -> None:
    values = pa.array([*TYPES[kind], None, *reversed(TYPES[kind]), None], kind)
    assert len(values)
    want = duckdb.sql("SELECT count(DISTINCT x) FROM t", connection=_with(values)).fetchall()[0][0]
    assert one_group(values) == want


def _with(values: pa.Array) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register("t", pa.table({"x": values}))
    return connection


def test_a_group_takes_no_more_than_its_registers_and_a_small_one_little() -> None:
    many = filled(CALL, np.arange(100_000), pa.array(np.arange(100_000)))
    assert many.nbytes / 100_000 < 64
    few = filled(CALL, np.repeat(np.arange(1_000), 10), pa.array(np.arange(10_000)))
    assert few.nbytes / 1_000 < 512
    registers = filled(CALL, np.tile(np.arange(50), 4_000), pa.array(np.arange(200_000)), range(0, 200_000, 4_096))
    assert registers.nbytes / 50 < 3 * 4_096
    grown = registers.nbytes
    add(registers, np.tile(np.arange(50), 4_000), pa.array(np.arange(200_000) + 10**9))
    assert registers.nbytes == grown


def test_rows_that_may_be_taken_back_are_counted_exactly() -> None:
    assert isinstance(empty(CALL, pa.int64(), append_only=True), HyperLogLog)
    exact = filled(CALL, np.zeros(5_000, dtype=np.int64), pa.array(np.arange(5_000)), append_only=False)
    assert isinstance(exact, Distinct)
    assert answers(exact) == [5_000]


@pytest.mark.parametrize("error", [0.004, 0.27, 0, -1, "nan", None, "much"])
def test_standard_errors_that_cannot_be_had(error: object) -> None:
    with pytest.raises(InvalidParameter, match="standard error of approx_count_distinct must be") as caught:
        empty(call_of("approx_count_distinct", pa.int64(), error), pa.int64())
    assert caught.value.sqlstate == "22023"
