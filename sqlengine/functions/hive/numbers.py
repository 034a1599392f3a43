"""Arithmetic by Hive's rules: whole numbers wrap, division is of doubles or decimals, a zero divisor gives NULL."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.decimal_digits import rounded as digits_rounded
from sqlengine.functions.registry import Kernel, scalar
from sqlengine.functions.signature import Arg

_ARROW = {"add": pc.add, "subtract": pc.subtract, "multiply": pc.multiply}


def _wrapping(name: str) -> Kernel:
    function = _ARROW[name]
    return lambda a, b: function(a, b)


add = scalar("hive$add(a anynumber, b anynumber) -> anynumber", "sum; whole numbers wrap")(_wrapping("add"))
subtract = scalar("hive$subtract(a anynumber, b anynumber) -> anynumber", "difference; whole numbers wrap")(
    _wrapping("subtract")
)
multiply = scalar("hive$multiply(a anynumber, b anynumber) -> anynumber", "product; whole numbers wrap")(
    _wrapping("multiply")
)
negative = scalar("hive$negative(a anynumber) -> anynumber", "the number with the other sign; whole numbers wrap")(
    pc.negate
)
positive = scalar("hive$positive(a anynumber) -> anynumber", "the number itself")(lambda a: a)


@scalar("hive$divide(a double precision, b double precision) -> double precision", "quotient; NULL when b is 0")
def divide(a: pa.Array, b: pa.Array) -> pa.Array:
    return pc.divide(a, _no_zero(b))


def _no_zero(b: pa.Array) -> pa.Array:
    """The divisor, NULL where it is 0."""
    zero = pa.scalar(0, pa.int64()).cast(b.type)
    return pc.if_else(pc.equal(b, zero), pa.scalar(None, b.type), b)


@scalar("hive$div(a bigint, b bigint) -> bigint", "quotient of whole numbers, cut; NULL when b is 0")
def div(a: pa.Array, b: pa.Array) -> pa.Array:
    lowest = pc.and_(pc.equal(a, -(2**63)), pc.equal(b, -1))  # its negative wraps to itself
    return pc.if_else(lowest, a, pc.divide(a, pc.if_else(lowest, pa.scalar(1, pa.int64()), _no_zero(b))))


def _remainder(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    return lambda a, b: remainder(a, b)


def remainder(a: pa.Array, b: pa.Array) -> pa.Array:
    """Java's `%` of two arrays of one number type; NULL where b is 0."""
    if pa.types.is_floating(a.type):
        with np.errstate(invalid="ignore"):
            found = np.fmod(_floats(a), _floats(b))
        return pa.array(found, a.type, mask=_unknown(a, _no_zero(b)))
    divisor = _no_zero(b)
    safe = pc.if_else(pc.equal(divisor, pa.scalar(-1, b.type)), pa.scalar(1, b.type), divisor)  # least / -1 overflows
    return pc.subtract(a, pc.multiply(pc.divide(a, safe), safe))


mod = scalar(
    "hive$mod(a anynumber, b anynumber) -> anynumber",
    "remainder with the sign of a; NULL when b is 0",
    factory=True,
    broadcast=True,
)(_remainder)


@scalar(
    "hive$pmod(a anynumber, b anynumber) -> anynumber",
    "((a % b) + b) % b: the remainder with the sign of b; NULL when b is 0",
    broadcast=True,
)
def pmod(a: pa.Array, b: pa.Array) -> pa.Array:
    if a.type in (pa.int8(), pa.int16()):  # Java computes these as int
        wide = remainder(pc.add(remainder(a.cast(pa.int32()), b.cast(pa.int32())), b.cast(pa.int32())), b.cast("int32"))
        return wide.cast(a.type, safe=False)
    return remainder(pc.add(remainder(a, b), b), b)


def _floats(a: pa.Array) -> np.ndarray:
    """The values, NaN where they are NULL."""
    return a.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _unknown(*arrays: pa.Array) -> np.ndarray | None:
    """Where one of the arrays is NULL; None for nowhere."""
    masks = [pc.is_null(a).to_numpy(zero_copy_only=False) for a in arrays if a.null_count]
    return np.logical_or.reduce(masks) if masks else None


# ---------------------------------------------------------------- bits


def _shifted(arg_types: Sequence[pa.DataType], result: pa.DataType, which: str) -> Kernel:
    bits = result.bit_width
    signed, unsigned = np.dtype(f"i{bits // 8}"), np.dtype(f"u{bits // 8}")

    def kernel(a: pa.Array, b: pa.Array) -> pa.Array:
        values = pc.fill_null(a.cast(result), 0).to_numpy(zero_copy_only=False)
        by = pc.fill_null(b, 0).to_numpy(zero_copy_only=False).astype(np.int64) & (bits - 1)
        if which == "left":
            found = np.left_shift(values.view(unsigned), by.astype(unsigned)).view(signed)
        elif which == "right":
            found = np.right_shift(values, by.astype(signed))
        else:
            found = np.right_shift(values.view(unsigned), by.astype(unsigned)).view(signed)
        return pa.array(found, result, mask=_unknown(a, b))

    return kernel


def _shift_type(args: Sequence[Arg]) -> pa.DataType:
    """bigint of bigint, int of anything narrower."""
    return pa.int64() if args[0].type == pa.int64() else pa.int32()


def _shift(which: str, name: str, description: str) -> object:
    return scalar(
        f"hive${name}(a anyint, b integer) -> anyint",
        description,
        factory=True,
        broadcast=True,
        result_type=_shift_type,
    )(lambda arg_types, result: _shifted(arg_types, result, which))


shift_left = _shift("left", "shiftleft", "the bits moved left by b, modulo the width")
shift_right = _shift("right", "shiftright", "the bits moved right by b, filled with the sign")
shift_unsigned = _shift("unsigned", "shiftrightunsigned", "the bits moved right by b, filled with zeros")


@scalar("hive$bin(a bigint) -> text", "the number in base 2", broadcast=True)
def bin_(a: pa.Array) -> pa.Array:
    encoded = a.dictionary_encode()
    texts = [format(v & (2**64 - 1), "b") for v in encoded.dictionary.to_pylist()]
    return pc.take(pa.array(texts, pa.string()), encoded.indices)


# ---------------------------------------------------------------- sizes and whole parts


def _abs_type(args: Sequence[Arg]) -> pa.DataType:
    """int of what is narrower, double of float."""
    kind = args[0].type
    if kind in (pa.int8(), pa.int16()):
        return pa.int32()
    return pa.float64() if kind == pa.float32() else kind


abs_ = scalar(
    "hive$abs(a anynumber) -> anynumber",
    "the number without its sign; the least whole number stays itself",
    factory=True,
    result_type=_abs_type,
)(lambda arg_types, result: lambda a: pc.abs(a if pa.types.is_decimal(result) else a.cast(result)))


def _sign_type(args: Sequence[Arg]) -> pa.DataType:
    return pa.int32() if pa.types.is_decimal(args[0].type) else pa.float64()


def _sign(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    return lambda a: pc.sign(a if pa.types.is_decimal(a.type) else a.cast(pa.float64())).cast(result)


sign = scalar(
    "hive$sign(a anynumber) -> double precision",
    "-1.0, 0.0 or 1.0; of a decimal -1, 0 or 1",
    factory=True,
    result_type=_sign_type,
)(_sign)


def _whole_type(args: Sequence[Arg]) -> pa.DataType:
    kind = args[0].type
    if pa.types.is_decimal(kind):
        return pa.decimal128(min(38, kind.precision - kind.scale + 1), 0)
    return pa.int64()


def _whole(function: Kernel, mode: str) -> Kernel:
    """floor or ceil (`mode`: down or up): of a double a bigint that stops at its ends, of a decimal a decimal."""

    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        if pa.types.is_decimal(result):
            return lambda a: digits_rounded(a, 0, mode).cast(result)
        return lambda a: _saturated(function(a.cast(pa.float64(), safe=False)))

    return make


def _saturated(a: pa.Array) -> pa.Array:
    """Whole doubles as bigint: NaN is 0, what lies beyond an end is that end (Java's narrowing)."""
    low, high = float(-(2**63)), float(2**63)
    bounded = pc.if_else(pc.is_nan(a), 0.0, pc.max_element_wise(a, low, skip_nulls=False))
    beyond = pc.greater_equal(bounded, high)
    return pc.if_else(beyond, 2**63 - 1, pc.if_else(beyond, 0.0, bounded).cast(pa.int64()))


floor = scalar(
    "hive$floor(a anynumber) -> bigint",
    "the whole number not above",
    factory=True,
    broadcast=True,
    result_type=_whole_type,
)(_whole(pc.floor, "down"))
ceil = scalar(
    "hive$ceil(a anynumber) -> bigint",
    "the whole number not below",
    factory=True,
    broadcast=True,
    aliases=("hive$ceiling",),
    result_type=_whole_type,
)(_whole(pc.ceil, "up"))


@scalar(
    "hive$width_bucket(x anynumber, low anynumber, high anynumber, n integer) -> integer",
    "which of n equal buckets from low to high holds x: 0 before, n + 1 behind; high below low counts downwards",
    broadcast=True,
)
def width_bucket(x: pa.Array, low: pa.Array, high: pa.Array, n: pa.Array) -> pa.Array:
    whole = pa.types.is_integer(x.type)
    kind = pa.int64() if whole else pa.float64()
    values, start, end = (
        pc.fill_null(a.cast(kind, safe=False), 0).to_numpy(zero_copy_only=False) for a in (x, low, high)
    )
    count = pc.fill_null(n, 1).to_numpy(zero_copy_only=False).astype(np.int64)
    up = end > start
    into, width = np.where(up, values - start, start - values), np.where(up, end - start, start - end)
    usable = (width > 0) & (count > 0)
    width = np.where(usable, width, 1)
    place = np.floor_divide(count * into, width) if whole else np.floor(count * into / width)
    found = np.where(into < 0, 0, np.where(into >= width, count + 1, place.astype(np.int64) + 1))
    unknown = _unknown(x, low, high, n)
    mask = ~usable if unknown is None else ~usable | unknown
    return pa.array(found.astype(np.int32), pa.int32(), mask=mask)
