"""Decimals rounded to fewer digits.

Why not by Arrow's round and cast alone: where they divide by more than 10^9, quotients of some numbers are wrong (those
of which whole words are full of ones, such as the greatest bigint; seen with pyarrow 26).  Up to 10^9 they are exact,
and digits cut off in several steps are the digits cut off in one.
"""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

WIDE = 76
"""Digits of Arrow's decimal256."""
_STEP = 9


def declared(a: pa.Array, precision: int, scale: int) -> pa.Array:
    """The same 256-bit integers under another precision and scale."""
    kind = pa.decimal256(precision, scale)
    return pa.Array.from_buffers(kind, len(a), a.buffers(), a.null_count, a.offset)


def cut(a: pa.Array, scale: int) -> pa.Array:
    """A decimal256 without the digits behind the scale-th one, as decimal256(76, scale)."""
    while a.type.scale - scale > _STEP:
        a = a.cast(pa.decimal256(WIDE, a.type.scale - _STEP), safe=False)
    return a.cast(pa.decimal256(WIDE, scale), safe=False)


def rounded(value: pa.Array | pa.Scalar, digits: int, mode: str) -> pa.Array | pa.Scalar:
    """A decimal with so many digits behind the point, negative ones before it, as decimal256(76, max(digits, 0)); one
    that has no more of them keeps its scale.  `mode`: towards_zero, down, up, half_towards_infinity or half_to_even.
    """
    if isinstance(value, pa.Scalar):
        return rounded(pa.array([value.as_py()], value.type), digits, mode)[0]
    wide = value.cast(pa.decimal256(WIDE, value.type.scale))
    if digits >= wide.type.scale:
        return wide
    if digits >= 0:
        return _rounded(wide, digits, mode)
    before = declared(wide, WIDE, wide.type.scale - digits)  # as if the point stood that much further left
    return declared(_rounded(before, 0, mode).cast(pa.decimal256(WIDE, -digits)), WIDE, 0)


def _rounded(a: pa.Array, scale: int, mode: str) -> pa.Array:
    """Fewer digits: one too many is left for Arrow to round by; what was cut off behind it counts as a last digit that
    is not 0, where that matters."""
    if mode == "towards_zero":
        return cut(a, scale)
    kept = cut(a, scale + 1)
    if mode != "half_towards_infinity":
        more = pc.not_equal(kept.cast(a.type), a)
        kept = _with_digit(kept, more, pc.less(a, pa.scalar(Decimal(0), a.type)))
    exact = pc.round(kept, ndigits=scale, round_mode=mode)
    return cut(exact, scale)


def _with_digit(kept: pa.Array, more: pa.Array, negative: pa.Array) -> pa.Array:
    """One digit more, 1 where `more` is true and 0 elsewhere, with the number's sign."""
    scale = kept.type.scale + 1
    longer = kept.cast(pa.decimal256(WIDE, scale))
    one = pa.scalar(Decimal(1).scaleb(-scale), pa.decimal256(WIDE - 1, scale))
    none = pa.scalar(Decimal(0), one.type)
    digit = pc.if_else(more, pc.if_else(negative, pc.negate(one), one), none)
    return pc.add(longer.cast(one.type), digit).cast(pa.decimal256(WIDE, scale))
