"""Double-double arithmetic in NumPy: a number as an unevaluated sum high + low of two float64 arrays.

Why: variances subtract squares that are nearly equal; with about 106 bits the difference keeps its digits whatever the
data's mean and whatever was retracted.  Algorithms: two-sum (Knuth, TAOCP 2, 4.2.2) and the product by splitting
(Dekker, Numerische Mathematik 18, 1971).  It must not know what is added up.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Pair = tuple[Floats, Floats]

_SPLIT = 134217729.0  # 2**27 + 1


def two_sum(a: Floats, b: Floats) -> Pair:
    """a + b exactly."""
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow shows in the result, as it does in C
        total = a + b
        shadow = total - a
        return total, (a - (total - shadow)) + (b - shadow)


def _halves(a: Floats) -> Pair:
    """The leading and the trailing half of the digits."""
    scaled = a * _SPLIT
    high = scaled - (scaled - a)
    return high, a - high


def two_product(a: Floats, b: Floats) -> Pair:
    """a * b exactly (for magnitudes below 1e300)."""
    with np.errstate(over="ignore", invalid="ignore"):
        product = a * b
        a_high, a_low = _halves(a)
        b_high, b_low = _halves(b)
        return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def add(x: Pair, y: Pair) -> Pair:
    """x + y."""
    high, low = two_sum(x[0], y[0])
    return two_sum(high, low + (x[1] + y[1]))


def multiply(x: Pair, y: Pair) -> Pair:
    """x * y."""
    high, low = two_product(x[0], y[0])
    return two_sum(high, low + (x[0] * y[1] + x[1] * y[0]))


def divide(x: Pair, by: Floats) -> Pair:
    """x / by."""
    quotient = x[0] / by
    back = two_product(quotient, by)
    rest = ((x[0] - back[0]) - back[1] + x[1]) / by
    return two_sum(quotient, rest)


def negate(x: Pair) -> Pair:
    """-x."""
    return -x[0], -x[1]
