"""Decimal arithmetic beside Python's decimal module, at random digits and at the ends of what fits."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.expr import tree
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.hive import operation
from tests.depth import rounds

_WIDE = Context(prec=200)


@st.composite
def _typed(draw: st.DrawFn) -> tuple[pa.DataType, list[Decimal | None]]:
    precision = draw(st.sampled_from([1, 2, 5, 10, 19, 37, 38]))
    scale = draw(st.integers(0, precision))
    most = 10**precision - 1
    whole = st.one_of(st.integers(-most, most), st.sampled_from([0, most, -most, 5 * 10 ** (precision - 1)]), st.none())
    drawn = draw(st.lists(whole, min_size=4, max_size=4))
    values = [None if v is None else Decimal(v).scaleb(-scale, _WIDE) for v in drawn]
    return pa.decimal128(precision, scale), values


def _exact(op: str, a: Decimal, b: Decimal) -> Decimal | None:
    if op in "/%" and not b:
        return None
    return {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else a, "%": a % b if b else a}[op]


def _fit(value: Decimal | None, kind: pa.DataType) -> Decimal | None:
    if value is None:
        return None
    rounded = value.quantize(Decimal(1).scaleb(-kind.scale), rounding=ROUND_HALF_UP)
    return rounded if abs(rounded) < Decimal(10) ** (kind.precision - kind.scale) else None


@pytest.mark.parametrize("op", ["+", "-", "*", "/", "%"])
@settings(max_examples=rounds(24, 60), deadline=None)
@given(left=_typed(), right=_typed())
def test_arithmetic_is_exact_and_rounds_half_up(
    op: str,
    left: tuple[pa.DataType, list[Decimal | None]],
    right: tuple[pa.DataType, list[Decimal | None]],
) -> None:
    made = operation(op, tree.InputRef(left[0], 0, "a"), tree.InputRef(right[0], 1, "b"))
    batch = pa.record_batch([pa.array(left[1], left[0]), pa.array(right[1], right[0])], names=["a", "b"])
    got = compile_exprs([made])(batch)[0].to_pylist()
    with localcontext(_WIDE):
        pairs = zip(left[1], right[1], strict=True)
        want = [None if a is None or b is None else _fit(_exact(op, a, b), made.type) for a, b in pairs]
    assert got == want


_UNEVEN = [  # quotients that Arrow's division of 256-bit integers has wrong (pyarrow 26)
    ("-2.417851639229258349412350", (33, 24), "1.000000000000000E-21", (37, 36)),
    ("-118059162071.7410254848", (35, 10), "-0.00099999999999999999999", (29, 23)),
    ("0.2305843009213693951", (20, 19), "1000.000000000000", (18, 12)),
    ("811296384146066816957890051.44063", (38, 5), "0.0100000000000000000", (33, 19)),
]


@pytest.mark.parametrize("case", _UNEVEN)
def test_quotients_that_arrow_has_wrong(case: tuple[str, tuple[int, int], str, tuple[int, int]]) -> None:
    kinds = pa.decimal128(*case[1]), pa.decimal128(*case[3])
    values = Decimal(case[0]), Decimal(case[2])
    for op in "/%":
        made = operation(op, tree.InputRef(kinds[0], 0, "a"), tree.InputRef(kinds[1], 1, "b"))
        columns = [pa.array([v, None, Decimal(0)], kind) for v, kind in zip(values, kinds, strict=True)]
        got = compile_exprs([made])(pa.record_batch(columns, names=["a", "b"]))[0].to_pylist()
        with localcontext(_WIDE):
            assert got == [_fit(_exact(op, *values), made.type), None, None]


_SHAPES = [  # Hive's documentation: precision and scale of results, and how they give way at 38 digits
    ("+", (10, 2), (5, 4), (13, 4)),
    ("-", (10, 2), (5, 4), (13, 4)),
    ("*", (10, 2), (5, 4), (16, 6)),
    ("/", (10, 2), (5, 4), (20, 8)),
    ("%", (10, 2), (5, 4), (5, 4)),
    ("*", (38, 18), (38, 18), (38, 6)),
    ("/", (38, 18), (38, 18), (38, 6)),
    ("+", (38, 0), (38, 38), (38, 6)),
]


@pytest.mark.parametrize(("op", "left", "right", "result"), _SHAPES)
def test_precision_and_scale(op: str, left: tuple[int, int], right: tuple[int, int], result: tuple[int, int]) -> None:
    a, b = (tree.InputRef(pa.decimal128(*shape), i, "x") for i, shape in enumerate((left, right)))
    assert operation(op, a, b).type == pa.decimal128(*result)
