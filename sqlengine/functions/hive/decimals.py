"""Decimals by Hive's rules: computed exactly, rounded half up to the result's scale, NULL when they do not fit.

Precision and scale of a result are the caller's business (expr/hive/operators.py).  Exact results need up to 76 digits,
which is what Arrow's decimal256 holds; what needs more is computed with Python's integers.  Arrow refuses operations by
the *declared* digits of their operands, so operands that are known to be small enough are declared narrower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.decimal_digits import WIDE, cut, declared, rounded
from sqlengine.functions.registry import Function, Kernel, scalar

_CONTEXT = Context(prec=WIDE)
Op = Callable[[pa.Array, pa.Array, pa.DataType], pa.Array]


# ---------------------------------------------------------------- rounding


def fitted(exact: pa.Array, target: pa.DataType) -> pa.Array:
    """A decimal256 as a decimal of the target: half up, NULL when it has too many digits before the point."""
    whole = target.precision - target.scale
    small = _below(exact, whole)
    if exact.type.scale > target.scale:
        small = _below(rounded(small, target.scale, "half_towards_infinity"), whole)
    return small.cast(pa.decimal256(WIDE, target.scale)).cast(target)


def _below(exact: pa.Array, digits: int) -> pa.Array:
    """The values with at most so many digits before the point, else NULL."""
    fits = pc.less(pc.abs(cut(exact, 0)), pa.scalar(Decimal(10**digits), pa.decimal256(WIDE, 0)))
    return pc.if_else(fits, exact, pa.scalar(None, exact.type))


# ---------------------------------------------------------------- arithmetic


def widened(a: pa.Array) -> pa.Array:
    """A decimal as decimal256 of the same digits."""
    return a.cast(pa.decimal256(a.type.precision, a.type.scale))


def _sum(function: Callable[[pa.Array, pa.Array], pa.Array]) -> Op:
    def compute(a: pa.Array, b: pa.Array, result: pa.DataType) -> pa.Array:
        scale = max(a.type.scale, b.type.scale)
        digits = max(a.type.precision - a.type.scale, b.type.precision - b.type.scale) + scale
        if digits >= WIDE:
            return _by_integers("-" if function is pc.subtract else "+", a, b, result)
        kind = pa.decimal256(max(digits, 1), scale)
        return fitted(function(a.cast(kind), b.cast(kind)), result)

    return compute


def _product(a: pa.Array, b: pa.Array, result: pa.DataType) -> pa.Array:
    one, other = widened(a), widened(b)
    if a.type.precision + b.type.precision >= WIDE:  # 76 digits hold the product, Arrow asks for one more
        other = declared(other, WIDE - 1 - a.type.precision, b.type.scale)
    return fitted(pc.multiply(one, other), result)


def _quotient(a: pa.Array, b: pa.Array, result: pa.DataType) -> pa.Array:
    shift = result.scale + 1 + b.type.scale - a.type.scale
    if shift < 2 or a.type.precision + shift > WIDE:
        return _by_integers("/", a, b, result)
    raw = _cut_quotient(widened(a), _no_zero(widened(b)), shift)
    return fitted(declared(raw, WIDE, result.scale + 1), result)


def _cut_quotient(a: pa.Array, b: pa.Array, shift: int) -> pa.Array:
    """The integers behind two decimals: a * 10^shift / b, cut.

    Arrow moves its left operand by max(4, s1 + p2 - s2 + 1) + s2 - s1 digits; with s1 = 3, s2 = 0 and p2 = shift - 1
    that is `shift`.  Some of its quotients are wrong (see decimal_digits.py): each is multiplied back, and those that
    are no quotient are computed again."""
    left = declared(a, max(a.type.precision, 3), 3)
    made = pc.divide(left, declared(b, shift - 1, 0))
    wrong = _is_no_quotient(declared(made, WIDE, 0), a, b, shift)
    if not pc.any(wrong).as_py():
        return made
    rows = pc.indices_nonzero(wrong)
    pairs = zip(_integers(a.take(rows)), _integers(b.take(rows)), strict=True)
    right = [None if x is None or not y else Decimal(_cut_ratio(x * 10**shift, y)) for x, y in pairs]
    mended = pc.replace_with_mask(declared(made, WIDE, 0), wrong, pa.array(right, pa.decimal256(WIDE, 0)))
    return declared(mended, made.type.precision, made.type.scale)


def _cut_ratio(over: int, under: int) -> int:
    whole = abs(over) // abs(under)
    return -whole if (over < 0) != (under < 0) else whole


def _is_no_quotient(made: pa.Array, a: pa.Array, b: pa.Array, shift: int) -> pa.Array:
    """Where what a division left is no rest: as large as b, or of another sign than a; false for NULLs."""
    power = declared(pa.array([Decimal(10**shift)], pa.decimal256(WIDE, 0)), WIDE // 2, 0)[0]
    over = declared(pc.multiply(declared(a, WIDE // 2 - 1, 0), power), WIDE - 1, 0)
    under = declared(b, WIDE, 0)
    back = declared(pc.multiply(declared(made, WIDE // 2 - 1, 0), declared(b, WIDE // 2, 0)), WIDE - 1, 0)
    rest = declared(pc.subtract(over, back), WIDE, 0)
    zero = pa.scalar(Decimal(0), rest.type)
    turned = pc.and_(pc.not_equal(rest, zero), pc.xor(pc.less(rest, zero), pc.less(declared(a, WIDE, 0), zero)))
    about = pc.multiply(pc.abs(made.cast(pa.float64())), pc.abs(under.cast(pa.float64())))
    beyond = pc.greater(about, pc.multiply(pc.abs(declared(over, WIDE, 0).cast(pa.float64())), 1.001))  # 256 bits wrap
    wrong = pc.or_(pc.or_(turned, beyond), pc.greater_equal(pc.abs(rest), pc.abs(under)))
    return pc.fill_null(wrong, False)


def _no_zero(b: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(b, pa.scalar(Decimal(0), b.type)), pa.scalar(None, b.type), b)


def _remainder(a: pa.Array, b: pa.Array, result: pa.DataType) -> pa.Array:
    scale = max(a.type.scale, b.type.scale)
    digits = max(a.type.precision - a.type.scale, b.type.precision - b.type.scale) + scale
    if digits + 2 > WIDE:
        return _by_integers("%", a, b, result)
    kind = pa.decimal256(max(digits, 3), scale)
    one, other = a.cast(kind), _no_zero(b.cast(kind))
    times = declared(_cut_quotient(one, other, 2), WIDE, 2).cast(pa.decimal256(WIDE, 0), safe=False)
    used = pc.multiply(declared(times, 37, 0), declared(other, 38, scale))  # no larger than a
    return fitted(pc.subtract(one, declared(used, WIDE - 2, scale)), result)


def _by_integers(op: str, a: pa.Array, b: pa.Array, result: pa.DataType) -> pa.Array:
    """What has no room in 76 digits."""
    ten = 10
    s1, s2 = a.type.scale, b.type.scale
    low = max(s1, s2)
    limit = ten**result.precision

    def one(x: int, y: int) -> Decimal | None:
        if op == "/":
            over, under = x * ten ** (result.scale + s2), y * ten**s1
            if not under:
                return None
            value = _rounded_ratio(over, under)
        else:
            x, y = x * ten ** (low - s1), y * ten ** (low - s2)
            if op == "%":
                if not y:
                    return None
                exact = abs(x) % abs(y) * (-1 if x < 0 else 1)
            else:
                exact = x + y if op == "+" else x - y
            value = _rounded_ratio(exact * ten**result.scale, ten**low)
        return Decimal(value).scaleb(-result.scale, _CONTEXT) if abs(value) < limit else None

    pairs = zip(_integers(a), _integers(b), strict=True)
    return pa.array([None if x is None or y is None else one(x, y) for x, y in pairs], result)


def _rounded_ratio(over: int, under: int) -> int:
    sign = -1 if (over < 0) != (under < 0) else 1
    whole, rest = divmod(abs(over), abs(under))
    return sign * (whole + (2 * rest >= abs(under)))


def _integers(a: pa.Array) -> list[int | None]:
    plain = declared(widened(a), WIDE, 0)
    return [None if v is None else int(v) for v in plain.to_pylist()]


def _kernel(compute: Op) -> Kernel:
    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        return lambda a, b: compute(a, b, result)

    return make


def _declare(name: str, compute: Op, description: str) -> Function:
    signature = f"hive$decimal_{name}(a numeric, b numeric) -> numeric"
    return scalar(signature, description, factory=True, broadcast=True)(_kernel(compute))


add = _declare("add", _sum(pc.add), "sum of decimals; NULL when it does not fit")
subtract = _declare("subtract", _sum(pc.subtract), "difference of decimals; NULL when it does not fit")
multiply = _declare("multiply", _product, "product of decimals, half up; NULL when it does not fit")
divide = _declare("divide", _quotient, "quotient of decimals, half up; NULL when b is 0")
mod = _declare("mod", _remainder, "remainder of decimals with the sign of a; NULL when b is 0")
