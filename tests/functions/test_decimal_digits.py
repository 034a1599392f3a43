"""Rounding of decimals beside Python's decimal, on numbers whose binary words are full of ones above all."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sqlengine
from sqlengine.decimal_digits import cut, rounded

MODES = {
    "towards_zero": ROUND_DOWN,
    "down": ROUND_FLOOR,
    "up": ROUND_CEILING,
    "half_towards_infinity": ROUND_HALF_UP,
    "half_to_even": ROUND_HALF_EVEN,
}
CONTEXT = Context(prec=120)
ONES = st.builds(lambda bits, zeros: (2**bits - 1) * 10**zeros, st.integers(1, 126), st.integers(0, 20))
HALVES = st.builds(lambda n, zeros: (10 * n + 5) * 10**zeros, st.integers(0, 10**12), st.integers(0, 24))
NUMBERS = st.builds(
    lambda n, sign: sign * (n % 10**38), st.one_of(ONES, HALVES, st.integers(0, 10**38 - 1)), st.sampled_from((1, -1))
)


@given(
    st.lists(NUMBERS, min_size=1, max_size=30), st.integers(0, 38), st.integers(-30, 38), st.sampled_from(list(MODES))
)
def test_as_python_rounds(numbers: list[int], scale: int, digits: int, mode: str) -> None:
    values = [Decimal(n).scaleb(-scale, CONTEXT) for n in numbers]
    got = rounded(pa.array([*values, None], pa.decimal128(38, scale)), digits, mode)
    unit = Decimal(1).scaleb(-digits)
    expected = [v if digits >= scale else v.quantize(unit, MODES[mode], CONTEXT) for v in values]
    assert got.to_pylist() == [*expected, None]
    assert got.type.scale == (scale if digits >= scale else max(digits, 0))


@given(st.lists(st.one_of(ONES, st.integers(0, 10**75)), min_size=1, max_size=30), st.integers(0, 38))
def test_digits_are_cut_off(numbers: list[int], scale: int) -> None:
    values = [Decimal(n).scaleb(-38, CONTEXT) for n in numbers]
    got = cut(pa.array(values, pa.decimal256(76, 38)), scale)
    assert got.to_pylist() == [v.quantize(Decimal(1).scaleb(-scale), ROUND_DOWN, CONTEXT) for v in values]


@pytest.mark.parametrize("text", ["9223372036854775807", "79228162514264337593", "-18446744073709551615.5"])
def test_a_view_rounds_as_a_query_does(text: str) -> None:
    items = "round(s::numeric(38,17), 2) AS a, s::numeric(38,17)::numeric(25,1) AS b, trunc(s::numeric(38,17)) AS c"
    with sqlengine.connect() as database:
        database.execute("CREATE TABLE t (s TEXT)")
        database.execute(f"CREATE MATERIALIZED VIEW v AS SELECT {items} FROM t")
        database.execute(f"INSERT INTO t VALUES ('{text}')")
        whole = Decimal(text).quantize(Decimal("1"), ROUND_DOWN)
        expected = [(Decimal(text), Decimal(text), whole)]
        assert database.execute("SELECT * FROM v").fetchall() == expected
        assert database.execute(f"SELECT {items} FROM t").fetchall() == expected
