"""Arithmetic of numeric against Python's decimal: exact where DuckDB computes in double precision."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import errors
from sqlengine.expr.compile import compile_exprs
from tests.depth import rounds
from tests.expr.scope import batch_of, bound, one

CONTEXT = decimal.Context(prec=80, rounding=decimal.ROUND_HALF_UP)
LEFT, RIGHT = pa.decimal128(12, 4), pa.decimal128(9, 2)
OPERATIONS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "a + b": CONTEXT.add,
    "a - b": CONTEXT.subtract,
    "a * b": CONTEXT.multiply,
    "a % b": CONTEXT.remainder,
    "a / b": lambda a, b: Decimal(float(a) / float(b)),
    "div(a, b)": lambda a, b: CONTEXT.divide_int(a, b),
    "round(a, 2)": lambda a, b: CONTEXT.quantize(a, Decimal("0.01")),
    "round(a)": lambda a, b: CONTEXT.quantize(a, Decimal(1)),
    "a::double precision": lambda a, b: Decimal(float(a)),
    "a::bigint": lambda a, b: CONTEXT.quantize(a, Decimal(1)),
    "a::numeric(12, 1)": lambda a, b: CONTEXT.quantize(a, Decimal("0.1")),
}


def numbers(dtype: pa.DataType) -> st.SearchStrategy[Decimal]:
    top = 10**dtype.precision - 1
    digits = st.one_of(st.integers(-100, 100), st.integers(-top, top), st.sampled_from([top, -top]))
    return digits.map(lambda n: Decimal(n).scaleb(-dtype.scale, CONTEXT))


@pytest.mark.parametrize("text", OPERATIONS)
@settings(max_examples=rounds(10, 25), deadline=None)
@given(pairs=st.lists(st.tuples(numbers(LEFT), numbers(RIGHT).filter(bool)), min_size=1, max_size=20))
def test_agrees_with_decimal(text: str, pairs: list[tuple[Decimal, Decimal]]) -> None:
    batch = batch_of(a=pa.array([a for a, _ in pairs], LEFT), b=pa.array([b for _, b in pairs], RIGHT))
    values = compile_exprs([bound(text, batch)])(batch)[0].to_pylist()
    assert [Decimal(v) for v in values] == [OPERATIONS[text](a, b) for a, b in pairs]


def test_results_of_38_digits() -> None:
    nines = "9" * 38
    assert one(f"{nines} - 1") == Decimal("9" * 37 + "8")
    with pytest.raises(errors.OutOfRange):
        one(f"{nines} + 1")
    with pytest.raises(errors.OutOfRange):
        one(f"{nines} * {nines}")
    with pytest.raises(errors.DivisionByZero):
        one("1.5 / 0.0")
