"""round and bround: half up (away from zero) and half to even, on the digits that are written.

Java rounds the decimal text of a double (`BigDecimal.valueOf`): 2.675 to two places is 2.68, whatever its bits say.
Doubles far from a tie are rounded by arithmetic, the few near one by their text.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.decimal_digits import declared
from sqlengine.decimal_digits import rounded as digits_rounded
from sqlengine.functions.hive.decimals import fitted
from sqlengine.functions.registry import Kernel, Value, scalar
from sqlengine.functions.signature import Arg

_CONTEXT = Context(prec=800)
_EXACT_BELOW = 2.0**52
_DIGITS = 38


def _round_type(args: Sequence[Arg]) -> pa.DataType:
    """Of a decimal one with that scale and a digit more when digits go (GenericUDFRound); else the type itself."""
    kind = args[0].type
    if not pa.types.is_decimal(kind):
        return kind
    if len(args) > 1 and not (args[1].constant and isinstance(args[1].value, int)):
        return pa.decimal128(min(_DIGITS, kind.precision + 1), kind.scale)
    digits = args[1].value if len(args) > 1 else 0
    whole = kind.precision - kind.scale + (1 if digits < kind.scale else 0)
    scale = min(max(digits, 0), _DIGITS)
    return pa.decimal128(max(1, min(whole + scale, _DIGITS)), min(scale, _DIGITS))


def _rounding(even: bool) -> Kernel:
    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        def kernel(x: pa.Array, digits: pa.Array | None = None) -> Value:
            if digits is None:
                return rounded(x, 0, even, result)
            known = pc.unique(digits).drop_null().to_pylist()
            out = pa.nulls(len(x), result)
            for count in known:
                chosen = pc.fill_null(pc.equal(digits, count), False)
                out = pc.replace_with_mask(out, chosen, rounded(x.filter(chosen), count, even, result))
            return out

        return kernel

    return make


def rounded(x: pa.Array, digits: int, even: bool, result: pa.DataType) -> pa.Array:
    """Numbers with so many digits behind the point, negative ones before it."""
    if pa.types.is_integer(x.type):
        return x if digits >= 0 else _whole(x, -digits, even)
    if pa.types.is_decimal(x.type):
        return _decimal(x, digits, even, result)
    return _doubles(x, digits, even)


def _whole(x: pa.Array, digits: int, even: bool) -> pa.Array:
    if digits > 19:
        return pc.if_else(pc.is_valid(x), pa.scalar(0, x.type), pa.scalar(None, x.type))
    wide = x.cast(pa.int64()).cast(pa.decimal128(19, 0)).cast(pa.decimal256(76, 0))
    mode = "half_to_even" if even else "half_towards_infinity"
    exact = digits_rounded(wide, -digits, mode)
    low = pc.subtract(declared(exact, 40, 0), pa.scalar(Decimal(2**64), pa.decimal256(40, 0)))
    inside = pc.less(exact, pa.scalar(Decimal(2**63), exact.type))
    return pc.if_else(inside, exact, low.cast(exact.type)).cast(pa.int64()).cast(x.type, safe=False)


def _decimal(x: pa.Array, digits: int, even: bool, result: pa.DataType) -> pa.Array:
    wide = x.cast(pa.decimal256(76, x.type.scale))
    if digits < -_DIGITS:
        return pc.if_else(pc.is_valid(x), pa.scalar(Decimal(0), result), pa.scalar(None, result))
    if digits < x.type.scale:
        mode = "half_to_even" if even else "half_towards_infinity"
        wide = digits_rounded(wide, digits, mode)
    return fitted(wide, result)


def _doubles(x: pa.Array, digits: int, even: bool) -> pa.Array:
    values = x.to_numpy(zero_copy_only=False).astype(np.float64)
    size = np.abs(values)
    scaled = np.where(np.isfinite(size), size, 0.0)
    if abs(digits) <= 22:
        scaled = scaled * 10.0**digits if digits >= 0 else scaled / 10.0**-digits
        fraction = scaled - np.floor(scaled)
        plain = (scaled < _EXACT_BELOW / 1024) & (np.abs(fraction - 0.5) > 1e-3)
        count = np.floor(scaled + 0.5)
        made = np.copysign(count / 10.0**digits if digits >= 0 else count * 10.0**-digits, values)
        made = np.where(count == 0, 0.0, made)  # BigDecimal knows no negative zero
    else:
        plain, made = np.zeros(len(values), bool), values.copy()
    mode = ROUND_HALF_EVEN if even else ROUND_HALF_UP
    for row in np.flatnonzero(~plain & np.isfinite(values)):
        made[row] = _by_text(x.type, values[row], digits, mode)
    made = np.where(np.isfinite(values), made, values)
    mask = pc.is_null(x).to_numpy(zero_copy_only=False) if x.null_count else None
    return pa.array(made.astype(x.type.to_pandas_dtype()), x.type, mask=mask)


def _by_text(kind: pa.DataType, value: float, digits: int, mode: str) -> float:
    text = str(np.float32(value)) if kind == pa.float32() else repr(float(value))
    if digits > 400 or digits < -400:
        return value if digits > 0 else 0.0
    exact = Decimal(text).quantize(Decimal(1).scaleb(-digits, _CONTEXT), rounding=mode, context=_CONTEXT)
    return float(exact) + 0.0


round_ = scalar(
    "hive$round(x anynumber) -> anynumber; hive$round(x anynumber, digits integer) -> anynumber",
    "rounded half up to so many digits behind the point",
    factory=True,
    broadcast=True,
    result_type=_round_type,
)(_rounding(False))
bround = scalar(
    "hive$bround(x anynumber) -> anynumber; hive$bround(x anynumber, digits integer) -> anynumber",
    "rounded half to even to so many digits behind the point",
    factory=True,
    broadcast=True,
    result_type=_round_type,
)(_rounding(True))
