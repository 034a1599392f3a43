"""Functions of numbers by Spark's rules: doubles as Java's Math computes them, and sums that are NULL on overflow.

Spark's Built-in Functions: Mathematical and Bitwise Functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.catalog.verifier import unguessable
from sqlengine.functions.hive.lists import row_nulls
from sqlengine.functions.hive.math import of_doubles
from sqlengine.functions.hive.spark_arrays import check_rows, whole_numbers
from sqlengine.functions.registry import Function, Kernel, scalar

acosh = of_doubles("acosh", np.arccosh, "inverse hyperbolic cosine; NaN below 1")
asinh = of_doubles("asinh", np.arcsinh, "inverse hyperbolic sine")
atanh = of_doubles("atanh", np.arctanh, "inverse hyperbolic tangent; NaN beyond 1")
cosh = of_doubles("cosh", np.cosh, "hyperbolic cosine")
sinh = of_doubles("sinh", np.sinh, "hyperbolic sine")
tanh = of_doubles("tanh", np.tanh, "hyperbolic tangent")
cot = of_doubles("cot", lambda x: 1.0 / np.tan(x), "cotangent of radians")
sec = of_doubles("sec", lambda x: 1.0 / np.cos(x), "secant of radians")
csc = of_doubles("csc", lambda x: 1.0 / np.sin(x), "cosecant of radians")
atan2 = of_doubles(
    "atan2", lambda y, x: np.arctan2(y + 0.0, x + 0.0), "the angle in radians from the x axis to a point", args="y x"
)
spark_acos = of_doubles("spark_acos", np.arccos, "arc cosine, in radians; NaN outside -1 to 1")
spark_asin = of_doubles("spark_asin", np.arcsin, "arc sine, in radians; NaN outside -1 to 1")
spark_sqrt = of_doubles("spark_sqrt", np.sqrt, "square root; NaN below 0")
log1p = of_doubles("log1p", np.log1p, "natural logarithm of 1 + x; NULL of -1 and below", unknown=lambda x: x <= -1.0)
expm1 = of_doubles("expm1", np.expm1, "e raised to x, less 1")
hypot = of_doubles("hypot", np.hypot, "the root of a squared and b squared", args="a b")
rint = of_doubles("rint", np.rint, "the nearest whole number, the even one of two, as a double")
signum = of_doubles("signum", np.sign, "-1, 0 or 1 as a double")


@scalar("hive$isnan(x double precision) -> boolean", "whether it is not a number; false of NULL", strict=False)
def isnan(x: pa.Array) -> pa.Array:
    return pc.fill_null(pc.is_nan(x), False)


@scalar(
    "hive$nanvl(a double precision, b double precision) -> double precision",
    "a, or b where a is not a number",
    broadcast=True,
    strict=False,
)
def nanvl(a: pa.Array, b: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(pc.is_nan(a), False), b, a)


# ---------------------------------------------------------------- bits


@scalar(
    "hive$bit_count(x bigint) -> integer; hive$bit_count(x boolean) -> integer",
    "how many bits are set of the 64 that a number has",
    broadcast=True,
)
def bit_count(x: pa.Array) -> pa.Array:
    return pa.array(np.bitwise_count(whole_numbers(x).view(np.uint64)).astype(np.int32), mask=row_nulls(x))


def _bit_at(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    width = arg_types[0].bit_width

    def kernel(x: pa.Array, at: pa.Array) -> pa.Array:
        places, unknown = whole_numbers(at), row_nulls(x, at)
        check_rows((places < 0) | (places >= width), f"bits of this number have places from 0 to {width - 1}", unknown)
        bits = np.right_shift(whole_numbers(x), np.clip(places, 0, 63)) & 1
        return pa.array(bits.astype(np.int8), mask=unknown)

    return kernel


bit_get = scalar(
    "hive$bit_get(x anyint, place integer) -> tinyint",
    "the bit at a place counted from 0 at the right",
    factory=True,
    broadcast=True,
    can_raise=True,
    aliases=("hive$getbit",),
)(_bit_at)


# ---------------------------------------------------------------- sums that fit


def _fits(total: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether a sum has not wrapped: with operands of one sign it has that sign."""
    return ((a ^ total) & (b ^ total)) >= 0  # type: ignore[no-any-return]


def _sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    return total, _fits(total, a, b)


def _difference(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a - b
    return total, ((a ^ b) & (a ^ total)) >= 0


def _product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A product that wrapped does not give back its factor; that of -1 and the least number does all the same."""
    total = a * b
    by = np.where((b == 0) | (b == -1), 1, b)
    least = np.iinfo(a.dtype).min
    return total, np.where(b == 0, True, np.where(b == -1, a != least, (total // by == a) & (total % by == 0)))


def _checked(
    name: str, exact: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]], what: str
) -> Function:
    def kernel(a: pa.Array, b: pa.Array) -> pa.Array:
        x, y = (pc.fill_null(v, 0).to_numpy(zero_copy_only=False) for v in (a, b))
        with np.errstate(all="ignore"):
            total, fits = exact(x, y)
        unknown = row_nulls(a, b)
        return pa.array(total, a.type, mask=~fits if unknown is None else unknown | ~fits)

    return scalar(
        f"hive${name}(a anyint, b anyint) -> anyint",
        f"{what} of whole numbers; NULL where it does not fit",
        broadcast=True,
    )(kernel)


whole_sum = _checked("whole_sum", _sum, "the sum")
whole_difference = _checked("whole_difference", _difference, "the difference")
whole_product = _checked("whole_product", _product, "the product")


@scalar(
    "hive$normal_of(rows integer) -> double precision",
    "a random number of the standard normal distribution for each row",
    broadcast=True,
    volatility="volatile",
)
def normal_of(rows: pa.Array) -> pa.Array:
    """Box and Muller's transformation of two uniform numbers."""
    drawn = np.frombuffer(unguessable(16 * len(rows)), dtype=np.uint64).reshape(2, len(rows))
    first, second = ((drawn >> np.uint64(11)) + 0.5) / 2.0**53
    return pa.array(np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second))
