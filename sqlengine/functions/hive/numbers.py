"""Arithmetic by Hive's rules: whole numbers wrap, division is of doubles or decimals, a zero divisor gives NULL."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.registry import Kernel, scalar

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
    if pa.types.is_floating(result):
        return lambda a, b: pc.subtract(a, pc.multiply(pc.trunc(pc.divide(a, _no_zero(b))), b))
    return lambda a, b: _whole_remainder(a, _no_zero(b))


def _whole_remainder(a: pa.Array, b: pa.Array) -> pa.Array:
    divisor = pc.if_else(pc.equal(b, pa.scalar(-1, b.type)), pa.scalar(1, b.type), b)  # the least number / -1 overflows
    return pc.subtract(a, pc.multiply(pc.divide(a, divisor), divisor))


mod = scalar(
    "hive$mod(a anynumber, b anynumber) -> anynumber", "remainder with the sign of a; NULL when b is 0", factory=True
)(_remainder)
