"""Mathematical functions over Arrow's kernels.

Domain errors are OutOfRange (22003) as in PostgreSQL.  Rounding: doubles half to even, numeric half away from zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.decimal_digits import rounded
from sqlengine.functions.registry import Function, Kernel, Value, declare, scalar
from sqlengine.functions.signature import Arg


def _double(name: str, arrow: str, description: str, example: str, **options: Any) -> Function:
    """A function of one double, computed by the Arrow function of the given name."""
    function = pc.get_function(arrow)
    raises = arrow.endswith("_checked")
    return scalar(
        f"{name}(x double precision) -> double precision",
        description,
        example=example,
        can_raise=raises,
        **options,
    )(lambda x: function.call([x]))


abs_ = scalar(
    "abs(x anynumber) -> anynumber",
    "the number without its sign",
    example="abs(-3) = 3",
    can_raise=True,
)(lambda x: pc.abs_checked(x))


sign_numeric = scalar(
    "sign(x numeric) -> numeric",
    "-1, 0 or 1",
    example="sign(-2.5) = -1",
    result_type=lambda args: pa.decimal128(19, 0),
)(lambda x: pc.sign(x).cast(pa.decimal128(19, 0)))
sign = scalar("sign(x anynumber) -> anynumber", "-1, 0 or 1", example="sign(-2) = -1", factory=True)(
    lambda arg_types, result: lambda x: pc.sign(x).cast(result)
)

ceil_double = _double("ceil", "ceil", "the nearest whole number not below", "ceil(1.2) = 2", aliases=("ceiling",))
floor_double = _double("floor", "floor", "the nearest whole number not above", "floor(-1.2) = -2")


def _whole(args: Sequence[Arg]) -> pa.DataType:
    """The type of a numeric rounded to a whole number: one digit more may be needed."""
    dtype = args[0].type
    return pa.decimal128(min(38, dtype.precision - dtype.scale + 1), 0)


def _round_decimal(mode: str) -> Kernel:
    """A factory: rounding of numerics in 76 digits (Arrow wants room for a carry), narrowed to the result."""

    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        def kernel(x: Value, digits: Value | None = None) -> Value:
            places = 0 if digits is None else digits.as_py()
            if places is None:
                return pa.scalar(None, result)
            capped = max(-38, min(places, arg_types[0].scale))
            return rounded(x, capped, mode).cast(result)

        return kernel

    return make


def _rounded(args: Sequence[Arg]) -> pa.DataType:
    """The type of round(numeric, n): scale n when n is a known constant within the scale."""
    dtype = args[0].type
    digits = args[1].value if args[1].constant else None
    if digits is None or digits >= dtype.scale:
        return dtype
    scale = max(0, digits)
    return pa.decimal128(min(38, dtype.precision - dtype.scale + scale + 1), scale)


ceil_numeric = scalar(
    "ceil(x numeric) -> numeric",
    "the nearest whole number not below",
    example="ceil(-1.5) = -1",
    factory=True,
    aliases=("ceiling",),
    result_type=_whole,
)(_round_decimal("up"))
floor_numeric = scalar(
    "floor(x numeric) -> numeric",
    "the nearest whole number not above",
    example="floor(-1.5) = -2",
    factory=True,
    result_type=_whole,
)(_round_decimal("down"))
round_numeric = scalar(
    "round(x numeric) -> numeric",
    "to the nearest whole number, halves away from zero",
    example="round(2.5) = 3",
    factory=True,
    result_type=_whole,
)(_round_decimal("half_towards_infinity"))
round_digits = scalar(
    "round(x numeric, digits integer) -> numeric",
    "to that many digits after the point, halves away from zero",
    example="round(2.345, 2) = 2.35",
    factory=True,
    result_type=_rounded,
    constant_args=(1,),
    can_raise=True,
)(_round_decimal("half_towards_infinity"))
trunc_numeric = scalar(
    "trunc(x numeric) -> numeric",
    "without the digits after the point",
    example="trunc(-2.7) = -2",
    factory=True,
    result_type=_whole,
)(_round_decimal("towards_zero"))
trunc_digits = scalar(
    "trunc(x numeric, digits integer) -> numeric",
    "cut to that many digits after the point",
    example="trunc(2.789, 2) = 2.78",
    aliases=("truncate",),
    factory=True,
    result_type=_rounded,
    constant_args=(1,),
    can_raise=True,
)(_round_decimal("towards_zero"))


@scalar(
    "round(x double precision) -> double precision",
    "to the nearest whole number, halves to even",
    example="round(2.5::double precision) = 2",
)
def round_double(x: Value) -> Value:
    return pc.round(x, ndigits=0, round_mode="half_to_even")


@scalar(
    "round(x double precision, digits integer) -> double precision",
    "to that many digits after the point",
    example="round(2.345::double precision, 1) = 2.3",
    constant_args=(1,),
)
def round_double_digits(x: Value, digits: Value) -> Value:
    places = digits.as_py()
    if places is None:
        return pa.scalar(None, pa.float64())
    return pc.round(x, ndigits=places, round_mode="half_towards_infinity")


trunc_double_digits = declare(
    "trunc(x double precision, digits integer) -> double precision",
    "cut to that many digits after the point",
    example="trunc(2.789::double precision, 2) = 2.78",
    duck="system.main.trunc({0}, {1})",
    aliases=("truncate",),
)
trunc_double = _double("trunc", "trunc", "without the digits after the point", "trunc(-2.7::double precision) = -2")
sqrt = _double("sqrt", "sqrt_checked", "square root", "sqrt(9) = 3")
exp = _double("exp", "exp", "e raised to x", "exp(0) = 1")
ln = _double("ln", "ln_checked", "natural logarithm", "ln(1) = 0")
log10 = _double("log10", "log10_checked", "logarithm to base 10", "log(100) = 2", aliases=("log",))
log2 = _double("log2", "log2_checked", "logarithm to base 2", "log2(8) = 3")
sin = _double("sin", "sin", "sine of radians", "sin(0) = 0")
cos = _double("cos", "cos", "cosine of radians", "cos(0) = 1")
tan = _double("tan", "tan", "tangent of radians", "tan(0) = 0")
asin = _double("asin", "asin_checked", "arc sine, in radians", "asin(0) = 0")
acos = _double("acos", "acos_checked", "arc cosine, in radians", "acos(1) = 0")
atan = _double("atan", "atan", "arc tangent, in radians", "atan(0) = 0")
sinh = _double("sinh", "sinh", "hyperbolic sine", "sinh(0) = 0")
cosh = _double("cosh", "cosh", "hyperbolic cosine", "cosh(0) = 1")
tanh = _double("tanh", "tanh", "hyperbolic tangent", "tanh(0) = 0")
asinh = _double("asinh", "asinh", "inverse hyperbolic sine", "asinh(0) = 0")
acosh = _double("acosh", "acosh_checked", "inverse hyperbolic cosine", "acosh(1) = 0")
atanh = _double("atanh", "atanh_checked", "inverse hyperbolic tangent", "atanh(0) = 0")
isnan = scalar(
    "isnan(x double precision) -> boolean",
    "whether the value is not a number",
    example="isnan('NaN')",
)(lambda x: pc.is_nan(x))
isfinite_double = scalar(
    "isfinite(x double precision) -> boolean",
    "neither infinite nor NaN",
    example="isfinite(1.5)",
)(lambda x: pc.is_finite(x))
isinf = scalar("isinf(x double precision) -> boolean", "whether infinite", example="isinf('-Infinity')")(
    lambda x: pc.is_inf(x)
)


@scalar(
    "atan2(y double precision, x double precision) -> double precision",
    "angle of the point (x, y), in radians",
    example="atan2(0, 1) = 0",
)
def atan2(y: Value, x: Value) -> Value:
    return pc.atan2(y, x)


@scalar("pi() -> double precision", "the circle's ratio", example="round(pi()::numeric, 4) = 3.1416")
def pi() -> Value:
    return pa.scalar(math.pi)


@scalar("degrees(x double precision) -> double precision", "radians as degrees", example="degrees(pi()) = 180")
def degrees(x: Value) -> Value:
    return pc.multiply(x, pa.scalar(180.0 / math.pi))


@scalar("radians(x double precision) -> double precision", "degrees as radians", example="radians(180) = pi()")
def radians(x: Value) -> Value:
    return pc.multiply(x, pa.scalar(math.pi / 180.0))


@scalar("cbrt(x double precision) -> double precision", "cube root", example="cbrt(27) = 3", broadcast=True)
def cbrt(x: pa.Array) -> Value:
    values = pc.fill_null(x, 0.0).to_numpy(zero_copy_only=False)
    root = np.cbrt(values)
    whole = np.round(root)
    # The C libraries of some machines say that the root of 27 is a bit above 3: the whole root where there is one.
    return pa.array(np.where(whole * whole * whole == values, whole, root), mask=_null_mask(x))


@scalar(
    "log(base double precision, x double precision) -> double precision",
    "logarithm of x to a base",
    example="log(2, 8) = 3",
    can_raise=True,
    duck="(ln({1}) / ln({0}))",
)
def log_base(base: Value, x: Value) -> Value:
    return pc.divide_checked(pc.ln_checked(x), pc.ln_checked(base))


@scalar(
    "div(a numeric, b numeric) -> numeric; div(a double precision, b double precision) -> double precision",
    "quotient without its digits after the point",
    example="div(7, 2) = 3",
    can_raise=True,
    duck="trunc({0} / {1})",
    result_type=lambda args: args[0].type if not pa.types.is_decimal(args[0].type) else pa.decimal128(38, 0),
    factory=True,
)
def div(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    if not pa.types.is_decimal(result):
        return lambda a, b: pc.trunc(pc.divide_checked(a, b))
    wide = pa.decimal256(38, max(t.scale for t in arg_types))

    def exact(a: Value, b: Value) -> Value:
        top, bottom = a.cast(wide, safe=True), b.cast(pa.decimal256(37, wide.scale))
        rest = pc.subtract_checked(top, pc.remainder_checked(top, bottom))
        quotient = pc.divide_checked(rest.cast(pa.decimal256(38, wide.scale)), bottom)
        return pc.round(quotient, ndigits=0).cast(result)

    return exact


def _integers(name: str, ufunc: Any, description: str, example: str) -> Function:
    """A whole-number function of two arguments computed by a NumPy ufunc; the least integer has no absolute value."""

    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        def kernel(a: pa.Array, b: pa.Array) -> Value:
            mask = _null_mask(a, b)
            wide = [pc.fill_null(v, 0).cast(pa.int64()) for v in (a, b)]
            left, right = (pc.abs_checked(v).to_numpy(zero_copy_only=False) for v in wide)
            out = ufunc(left, right)
            if name == "lcm":
                _check_lcm(left, right, out)
            return pa.array(out, mask=mask).cast(result)

        return kernel

    return scalar(
        f"{name}(a anyint, b anyint) -> anyint",
        description,
        example=example,
        factory=True,
        broadcast=True,
        can_raise=True,
    )(make)


def _check_lcm(left: Any, right: Any, out: Any) -> None:
    exact = left.astype(np.float64) / np.maximum(np.gcd(left, right), 1) * right
    if bool((exact >= 2.0**63).any() | (out < 0).any()):
        raise errors.OutOfRange("bigint out of range")


gcd = _integers("gcd", np.gcd, "greatest common divisor", "gcd(12, 18) = 6")
lcm = _integers("lcm", np.lcm, "least common multiple", "lcm(4, 6) = 12")


@scalar(
    "width_bucket(x double precision, low double precision, high double precision, count integer) -> integer",
    "number of the bucket x falls in, of `count` equal ones between low and high; 0 below, count + 1 above",
    example="width_bucket(5, 0, 10, 5) = 3",
    can_raise=True,
)
def width_bucket(x: Value, low: Value, high: Value, count: Value) -> Value:
    width = pc.subtract(high, low)
    share = pc.divide(pc.subtract(x, low), pc.if_else(pc.equal(width, 0.0), 1.0, width))
    inside = pc.add(pc.floor(pc.multiply(share, count.cast(pa.float64()))), 1.0)
    above = pc.if_else(pc.greater_equal(x, high), pc.add(count, 1), _clip(inside, count))
    complete = pc.is_valid(pc.multiply(share, count.cast(pa.float64())))
    bucket = pc.if_else(pc.less(x, low), 0, above).cast(pa.int32())
    return pc.if_else(complete, bucket, pa.scalar(None, pa.int32()))


def _clip(inside: Value, count: Value) -> Value:
    """The bucket number of values inside the range; what lies outside is replaced by the caller."""
    top = pc.add(count.cast(pa.float64()), 1.0)
    return pc.max_element_wise(pc.min_element_wise(inside, top), 0.0).cast(pa.int32())


def _null_mask(*arrays: pa.Array) -> Any:
    masks = [a.is_null().to_numpy(zero_copy_only=False) for a in arrays]
    return np.logical_or.reduce(masks)


factorial = declare("factorial(n integer) -> bigint", "product of 1..n", example="factorial(5) = 120", can_raise=True)
cot = declare(
    "cot(x double precision) -> double precision", "cotangent of radians", example="round(cot(1.0), 3) = 0.642"
)
random = declare(
    "random() -> double precision",
    "a random number from 0 up to 1",
    example="random() < 1",
    volatility="volatile",
    aliases=("rand",),
    duck="random()",
)
rand_integer = declare(
    "rand_integer(bound integer) -> integer",
    "a random whole number from 0 up to the bound",
    example="rand_integer(5) < 5",
    volatility="volatile",
    duck="floor(random() * {0})::INTEGER",
)
euler = declare(
    "e() -> double precision",
    "the base of natural logarithms",
    example="round(e()::numeric, 4) = 2.7183",
    duck="exp(1.0::DOUBLE)",
)
log1p = declare(
    "log1p(x double precision) -> double precision",
    "natural logarithm of 1 + x",
    example="log1p(0) = 0",
    duck="ln(1.0::DOUBLE + {0})",
    can_raise=True,
)
pmod = declare(
    "pmod(a anyint, b anyint) -> anyint",
    "the remainder of a by b, with the sign of b (Hive, Spark)",
    example="pmod(-7, 3) = 2",
    duck="((({0} % {1}) + {1}) % {1})",
    can_raise=True,
)


def _after_point(kept: str) -> str:
    """DuckDB text: how many digits a numeric has behind the point, of those that are `kept`."""
    digits = kept.format("split_part({0}::VARCHAR, '.', 2)")
    return f"CASE WHEN {{0}} IS NOT NULL THEN length({digits}) END::INTEGER"


scale = declare(
    "scale(x numeric) -> integer",
    "how many digits there are behind the point",
    example="scale(8.410) = 3",
    duck=_after_point("{}"),
)
min_scale = declare(
    "min_scale(x numeric) -> integer",
    "how many digits behind the point the number needs",
    example="min_scale(8.410) = 2",
    duck=_after_point("rtrim({}, '0')"),
)
