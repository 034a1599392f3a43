"""Functions of doubles as Java's Math computes them; NULL where Hive says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import factorial as _factorial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.registry import Function, scalar

Doubles = np.ndarray


def of_doubles(
    name: str,
    function: Callable[..., Doubles],
    description: str,
    *,
    args: str = "x",
    unknown: Callable[..., Doubles] | None = None,
    **options: Any,
) -> Function:
    """A function of doubles; `unknown` says where the answer is NULL."""

    def kernel(*arrays: pa.Array) -> pa.Array:
        values = [a.to_numpy(zero_copy_only=False) for a in arrays]
        masks = [pc.is_null(a).to_numpy(zero_copy_only=False) for a in arrays if a.null_count]
        with np.errstate(all="ignore"):
            made = function(*values)
            if unknown is not None:
                masks.append(unknown(*values))
        return pa.array(made, pa.float64(), mask=np.logical_or.reduce(masks) if masks else None)

    shown = ", ".join(f"{a} double precision" for a in args.split())
    return scalar(f"hive${name}({shown}) -> double precision", description, broadcast=True, **options)(kernel)


def _not_positive(x: Doubles) -> Doubles:
    return x <= 0.0


def _outside(x: Doubles) -> Doubles:
    return (x < -1.0) | (x > 1.0)


def _cube_root(x: Doubles) -> Doubles:
    """One step of Newton's behind the C library, whose root of 27 is a bit above 3."""
    root = np.cbrt(x)
    better = root - (root * root * root - x) / (3.0 * root * root)
    return np.where(np.isfinite(better), better, root)


def _power(x: Doubles, y: Doubles) -> Doubles:
    """Java's Math.pow: 1 or -1 to no finite power is NaN, where C says 1."""
    odd = (np.abs(x) == 1.0) & ~np.isfinite(y)
    return np.where(odd, np.nan, np.power(x, y))


ln = of_doubles("ln", np.log, "natural logarithm; NULL of 0 and below", unknown=_not_positive)
log = of_doubles("log", np.log, "natural logarithm; NULL of 0 and below", unknown=_not_positive)
log_base = of_doubles(
    "log",
    lambda base, x: np.log(x) / np.log(base),
    "logarithm to a base; NULL of 0 and below, and for bases up to 1",
    args="base x",
    unknown=lambda base, x: (base <= 1.0) | (x <= 0.0),
)
log2 = of_doubles(
    "log2", lambda x: np.log(x) / np.log(2.0), "logarithm to base 2; NULL of 0 and below", unknown=_not_positive
)
log10 = of_doubles("log10", np.log10, "logarithm to base 10; NULL of 0 and below", unknown=_not_positive)
sqrt = of_doubles("sqrt", np.sqrt, "square root; NULL below 0", unknown=lambda x: x < 0.0)
cbrt = of_doubles("cbrt", _cube_root, "cube root")
exp = of_doubles("exp", np.exp, "e raised to x")
power = of_doubles("power", _power, "x raised to y", args="x y", aliases=("hive$pow",))
sin = of_doubles("sin", np.sin, "sine of radians")
cos = of_doubles("cos", np.cos, "cosine of radians")
tan = of_doubles("tan", np.tan, "tangent of radians")
asin = of_doubles("asin", np.arcsin, "arc sine, in radians; NULL outside -1 to 1", unknown=_outside)
acos = of_doubles("acos", np.arccos, "arc cosine, in radians; NULL outside -1 to 1", unknown=_outside)
atan = of_doubles("atan", np.arctan, "arc tangent, in radians")
degrees = of_doubles("degrees", lambda x: x * (180.0 / np.pi), "radians as degrees")
radians = of_doubles("radians", lambda x: x * (np.pi / 180.0), "degrees as radians")


@scalar("hive$e() -> double precision", "Euler's number")
def e() -> pa.Scalar:
    return pa.scalar(np.e, pa.float64())


@scalar("hive$pi() -> double precision", "the circle's number")
def pi() -> pa.Scalar:
    return pa.scalar(np.pi, pa.float64())


@cache
def _factorials() -> pa.Array:
    return pa.array([_factorial(n) for n in range(21)], pa.int64())


@scalar("hive$factorial(n integer) -> bigint", "the product of 1 to n; NULL outside 0 to 20", broadcast=True)
def factorial(n: pa.Array) -> pa.Array:
    inside = pc.and_(pc.greater_equal(n, 0), pc.less_equal(n, 20))
    return _factorials().take(pc.if_else(inside, n, pa.scalar(None, pa.int32())))


# ---------------------------------------------------------------- random numbers

_MULTIPLIER, _ADDEND, _MASK = 0x5DEECE66D, 0xB, (1 << 48) - 1


def java_doubles(seed: int, count: int) -> Doubles:
    """What java.util.Random(seed).nextDouble() answers, so many times (the class's documented generator)."""
    state = (seed ^ _MULTIPLIER) & _MASK
    drawn = np.empty(2 * count, np.int64)
    for i in range(2 * count):
        state = (state * _MULTIPLIER + _ADDEND) & _MASK
        drawn[i] = state
    high, low = drawn[0::2] >> 22, drawn[1::2] >> 21
    return ((high << 27) + low) / float(1 << 53)


@scalar(
    "hive$rand(seed bigint) -> double precision",
    "the numbers that java.util.Random gives for a seed, in order of the rows of a batch",
    broadcast=True,
    volatility="volatile",
    aliases=("hive$random",),
)
def rand_seeded(seed: pa.Array) -> pa.Array:
    known = pc.unique(seed).drop_null().to_pylist()
    out = np.zeros(len(seed))
    for value in known:
        rows = pc.fill_null(pc.equal(seed, value), False).to_numpy(zero_copy_only=False)
        out[rows] = java_doubles(value, int(rows.sum()))
    return pa.array(out, mask=pc.is_null(seed).to_numpy(zero_copy_only=False))


# ---------------------------------------------------------------- bases

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _converted(text: str, base: int, to: int) -> str | None:
    """As Hive's conv: unsigned 64 bits unless `to` is negative; digits end at the first wrong one."""
    if not 2 <= base <= 36 or not 2 <= abs(to) <= 36:
        return None
    if not text:
        return ""
    negative = text[0] == "-"
    value = 0
    for letter in text[negative:].lower():
        digit = _DIGITS.find(letter)
        if digit < 0 or digit >= base:
            break
        value = value * base + digit
    value = min(value, 2**64 - 1)
    signed = value - 2**64 if value >= 2**63 else value
    if negative and to > 0:
        signed = -1 if signed < 0 else -signed
    if to < 0 and signed < 0:
        signed, negative = -signed, True
    rest, out = signed & (2**64 - 1), ""
    while rest:
        rest, digit = divmod(rest, abs(to))
        out = _DIGITS[digit] + out
    return ("-" if negative and to < 0 else "") + (out or "0").upper()


@scalar(
    "hive$conv(n text, from_base integer, to_base integer) -> text", "a number written in another base", broadcast=True
)
def conv(n: pa.Array, from_base: pa.Array, to_base: pa.Array) -> pa.Array:
    rows = zip(n.to_pylist(), from_base.to_pylist(), to_base.to_pylist(), strict=True)
    known: dict[tuple[str, int, int], str | None] = {}
    out: list[str | None] = []
    for row in rows:
        if None in row:
            out.append(None)
            continue
        if row not in known:
            known[row] = _converted(*row)
        out.append(known[row])
    return pa.array(out, pa.string())
