"""SQL operators as functions: arithmetic on numbers, bits, comparison, boolean logic.

Arithmetic is checked: overflow is OutOfRange (22003), x / 0 is DivisionByZero (22012), integer division truncates.
Comparison orders NaN above every number and equal to itself, as PostgreSQL and DuckDB do and IEEE does not.
Date and interval arithmetic is in time_arithmetic.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck, errors
from sqlengine.functions.arrays_of import interval_order
from sqlengine.functions.casting import decimal_to_float
from sqlengine.functions.registry import Function, Kernel, Value, declare, scalar
from sqlengine.functions.signature import Arg
from sqlengine.json_canonical import normal_texts, order_keys
from sqlengine.types import INTERVAL, JSONB

_call: Callable[[str], Any] = pc.get_function

# ---------------------------------------------------------------- numeric (decimal) arithmetic


def _digits(args: Sequence[Arg]) -> tuple[int, int, int, int]:
    left, right = args[0].type, args[1].type
    return left.precision, left.scale, right.precision, right.scale


def _sum_type(args: Sequence[Arg]) -> pa.DataType:
    p1, s1, p2, s2 = _digits(args)
    scale = max(s1, s2)
    return pa.decimal128(min(38, max(p1 - s1, p2 - s2) + scale + 1), scale)


def _product_type(args: Sequence[Arg]) -> pa.DataType:
    p1, s1, p2, s2 = _digits(args)
    return pa.decimal128(min(38, p1 + p2 + 1), min(s1 + s2, 38))


def _remainder_type(args: Sequence[Arg]) -> pa.DataType:
    p1, s1, p2, s2 = _digits(args)
    scale = max(s1, s2)
    return pa.decimal128(min(38, max(p1 - s1, p2 - s2) + scale), scale)


def _decimal_kernel(name: str) -> Kernel:
    """A factory: decimal arithmetic whose exact result may need more than 38 digits runs in 76, then narrows."""
    plain = _call(name)

    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        if result.precision < 38:
            return lambda a, b: plain.call([a, b])
        wide = [pa.decimal256(t.precision, t.scale) for t in arg_types]

        def kernel(a: Value, b: Value) -> Value:
            exact = plain.call([a.cast(wide[0]), b.cast(wide[1])])
            return exact if exact.type == result else exact.cast(result, safe=True)

        return kernel

    return make


def _divide_doubles(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    """Quotients of the nearest doubles, as DuckDB makes them: a quotient of exact numbers has no exact type."""
    left, right = (decimal_to_float(t, result) for t in arg_types)
    return lambda a, b: pc.divide_checked(left(a), right(b))


add_numeric = scalar(
    "add(a numeric, b numeric) -> numeric",
    "sum of exact numbers",
    example="1.25 + 2.5 = 3.75",
    operator="+",
    duck="({0} + {1})",
    can_raise=True,
    factory=True,
    result_type=_sum_type,
)(_decimal_kernel("add_checked"))
subtract_numeric = scalar(
    "subtract(a numeric, b numeric) -> numeric",
    "difference of exact numbers",
    example="2.5 - 1.25 = 1.25",
    operator="-",
    duck="({0} - {1})",
    can_raise=True,
    factory=True,
    result_type=_sum_type,
)(_decimal_kernel("subtract_checked"))
multiply_numeric = scalar(
    "multiply(a numeric, b numeric) -> numeric",
    "product of exact numbers",
    example="1.5 * 1.5 = 2.25",
    operator="*",
    duck="({0} * {1})",
    can_raise=True,
    factory=True,
    result_type=_product_type,
)(_decimal_kernel("multiply_checked"))
mod_numeric = scalar(
    "mod(a numeric, b numeric) -> numeric",
    "remainder with the sign of the dividend",
    example="-5.5 % 2.0 = -1.5",
    operator="%",
    aliases=("mod", "modulo"),
    duck="({0} % {1})",
    can_raise=True,
    factory=True,
    result_type=_remainder_type,
)(_decimal_kernel("remainder_checked"))
divide_numeric = scalar(
    "divide(a numeric, b numeric) -> double precision",
    "quotient of exact numbers, to about 16 digits; div() gives its whole part exactly",
    example="1.0 / 4 = 0.25",
    operator="/",
    duck="({0} / {1})",
    can_raise=True,
    factory=True,
    broadcast=True,
)(_divide_doubles)


# ---------------------------------------------------------------- numbers


def _number(name: str, sql: str, arrow: str, description: str, example: str, **options: Any) -> Function:
    arity = 1 if arrow in ("negate_checked", "bit_wise_not") else 2
    kind = options.pop("kind", "anynumber")
    params = ", ".join(f"{p} {kind}" for p in "ab"[:arity])
    function = _call(arrow)
    one = lambda a: function.call([a])  # noqa: E731 - two shapes of one thin wrapper
    two = lambda a, b: function.call([a, b])  # noqa: E731
    text = f"({sql}{{0}})" if arity == 1 else f"({{0}} {sql} {{1}})"
    return scalar(
        f"{name}({params}) -> {kind}",
        description,
        example=example,
        operator=sql,
        duck=options.pop("duck", text),
        **{"can_raise": True, **options},
    )(one if arity == 1 else two)


add = _number("add", "+", "add_checked", "sum", "2 + 3 = 5")
subtract = _number("subtract", "-", "subtract_checked", "difference", "2 - 3 = -1")
multiply = _number("multiply", "*", "multiply_checked", "product", "2 * 3 = 6")
divide = _number("divide", "/", "divide_checked", "quotient; of whole numbers truncated towards zero", "-7 / 2 = -3")


def _checked_remainder(a: Any, b: Any) -> Any:
    """Arrow's remainder, which overflows for the least whole number by -1; by -1 and by 1 the answer is 0."""
    plain = _call("remainder_checked")
    try:
        return plain.call([a, b])
    except pa.ArrowInvalid:
        if not pa.types.is_integer(b.type):
            raise
        return plain.call([a, pc.if_else(pc.equal(b, pa.scalar(-1, b.type)), pa.scalar(1, b.type), b)])


def _remainder(a: Any, b: Any) -> Any:
    """Whole numbers by a positive constant through NumPy's division by an invariant, four times quicker."""
    constant = b.as_py() if isinstance(b, pa.Scalar) and pa.types.is_integer(b.type) else None
    plain = (
        isinstance(a, pa.Array)
        and pa.types.is_integer(a.type)
        and not a.null_count
        and a.type == getattr(b, "type", None)
    )
    if not plain or constant is None or constant <= 0 or not len(a):
        return _checked_remainder(a, b)
    values = np.asarray(a)
    rest = np.floor_divide(values, constant)
    rest *= constant
    np.subtract(values, rest, out=rest)
    if values.min() < 0:  # SQL's remainder has the dividend's sign, floor division gives the divisor's
        rest[(values < 0) & (rest != 0)] -= constant
    return pa.array(rest)


mod = scalar(
    "mod(a anynumber, b anynumber) -> anynumber",
    "remainder with the sign of the dividend",
    example="mod(-7, 2) = -1",
    operator="%",
    duck="({0} % {1})",
    can_raise=True,
    aliases=("mod", "modulo"),
)(_remainder)
negate = _number("negate", "-", "negate_checked", "the number with the opposite sign", "-(3) = 0 - 3", duck="(- {0})")
bit_and = _number("bit_and_op", "&", "bit_wise_and", "bits set in both", "6 & 3 = 2", kind="anyint", can_raise=False)
bit_or = _number("bit_or_op", "|", "bit_wise_or", "bits set in either", "6 | 3 = 7", kind="anyint", can_raise=False)
bit_xor = _number(
    "bit_xor_op",
    "#",
    "bit_wise_xor",
    "bits set in one of the two",
    "6 # 3 = 5",
    kind="anyint",
    can_raise=False,
    duck="xor({0}, {1})",
)
bit_not = _number("bit_not", "~", "bit_wise_not", "every bit turned over", "~5 = -6", kind="anyint", can_raise=False)


@scalar(
    "power(a double precision, b double precision) -> double precision",
    "a raised to b",
    example="2 ^ 10 = 1024",
    operator="^",
    aliases=("power", "pow"),
    duck="power({0}, {1})",
    can_raise=True,
)
def power(a: Value, b: Value) -> Value:
    out = pc.power(a, b)
    odd = pc.and_(pc.invert(pc.is_finite(out)), pc.and_(pc.is_finite(a), pc.is_finite(b)))
    if odd.as_py() if isinstance(odd, pa.Scalar) else odd.true_count:
        raise errors.OutOfRange("a power of this base is undefined or out of range", sqlstate="2201F")
    return out


@scalar(
    "shift_left(a anyint, b anyint) -> anyint",
    "bits moved to the left",
    example="1 << 4 = 16",
    operator="<<",
    aliases=("shiftleft",),
    duck="({0} << {1})",
    can_raise=True,
)
def shift_left(a: Value, b: Value) -> Value:
    return pc.shift_left_checked(a, b)


@scalar(
    "shift_right(a anyint, b anyint) -> anyint",
    "bits moved to the right",
    example="16 >> 4 = 1",
    operator=">>",
    aliases=("shiftright",),
    duck="({0} >> {1})",
    can_raise=True,
)
def shift_right(a: Value, b: Value) -> Value:
    return pc.shift_right_checked(a, b)


# ---------------------------------------------------------------- comparison


_ARROW_COMPARE = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_NEGATED = {"gt": "less_equal", "ge": "less"}


def _compare_floats(name: str) -> Kernel:
    """Comparison with NaN equal to itself and above all; the IEEE kernels serve wherever no NaN is on the right."""
    plain = _call(_ARROW_COMPARE[name])
    negated = _call(_NEGATED[name]) if name in _NEGATED else None
    invert = _call("invert")

    def kernel(a: Value, b: Value) -> Value:
        if _may_be_nan(b):
            return _total_order(name, a, b)
        if negated is None:
            return plain.call([a, b])
        return invert.call([negated.call([a, b])])

    return kernel


def _may_be_nan(value: Value) -> bool:
    if isinstance(value, pa.Scalar):
        return value.is_valid and value.as_py() != value.as_py()
    return bool(pc.is_nan(value).true_count)


def _total_order(name: str, a: Value, b: Value) -> Value:
    """Comparison by (is NaN, value): with NaNs replaced by zero only the flags decide between a NaN and a number."""
    if name in ("gt", "ge"):
        return _total_order({"gt": "lt", "ge": "le"}[name], b, a)
    if name == "ne":
        return pc.invert(_total_order("eq", a, b))
    a_nan, b_nan = pc.is_nan(a), pc.is_nan(b)
    if name == "eq":
        return pc.or_(pc.equal(a, b), pc.and_(a_nan, b_nan))
    less = pc.or_(pc.less(a, b), pc.and_(b_nan, pc.invert(a_nan)))
    return less if name == "lt" else pc.or_(less, _total_order("eq", a, b))


def _compare_factory(name: str) -> Callable[[Sequence[pa.DataType], pa.DataType], Kernel]:
    arrow = _call(_ARROW_COMPARE[name])

    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        dtype = arg_types[0]
        if pa.types.is_floating(dtype):
            return _compare_floats(name)
        if dtype == JSONB:
            key = _jsonb_texts(normal_texts if name in ("eq", "ne") else order_keys)
            return lambda a, b: arrow.call([key(a), key(b)])
        if dtype == INTERVAL:
            return lambda a, b: arrow.call([_interval_key(a), _interval_key(b)])
        if isinstance(dtype, pa.BaseExtensionType):
            return lambda a, b: arrow.call([_storage(a), _storage(b)])
        if pa.types.is_nested(dtype):
            return _compare_nested(name)
        return lambda a, b: arrow.call([a, b])

    return make


def comparison_kernel(name: str, arg_types: Sequence[pa.DataType]) -> Kernel:
    """The kernel of eq, ne, lt, le, gt or ge for one type, for functions that compare inside."""
    return _compare_factory(name)(arg_types, pa.bool_())


def _interval_key(value: Value) -> Value:
    if isinstance(value, pa.Scalar):
        return interval_order(pa.array([value.as_py()], INTERVAL))[0]
    return interval_order(value)


def _jsonb_texts(make: Callable[[pa.Array], pa.Array]) -> Callable[[Value], Value]:
    """What two columns of jsonb, or constants, are compared by."""

    def key(value: Value) -> Value:
        if not isinstance(value, pa.Scalar):
            return make(value.storage)
        return make(pa.array([value.as_py()], pa.string()))[0]

    return key


def _storage(value: Value) -> Value:
    return value.value if isinstance(value, pa.ExtensionScalar) else value.storage


def _compare_nested(name: str) -> Kernel:
    """Arrays, structs and maps compare in DuckDB: Arrow has no kernel for them."""
    text = f"a {_SQL_COMPARE[name]} b"

    def kernel(a: Value, b: Value) -> Value:
        rows = max((len(v) for v in (a, b) if isinstance(v, pa.Array)), default=1)
        columns = {n: v if isinstance(v, pa.Array) else pa.repeat(v, rows) for n, v in (("a", a), ("b", b))}
        return duck.evaluate([text], columns, rows)[0]

    return kernel


_SQL_COMPARE = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_COMPARE_WORDS = {
    "eq": ("equal", "1 = 1"),
    "ne": ("not equal", "1 <> 2"),
    "lt": ("less", "1 < 2"),
    "le": ("less or equal", "1 <= 1"),
    "gt": ("greater", "2 > 1"),
    "ge": ("greater or equal", "2 >= 2"),
}


def _comparison(name: str) -> Function:
    words, example = _COMPARE_WORDS[name]
    return scalar(
        f"{name}(a anyelement, b anyelement) -> boolean",
        words,
        example=example,
        operator=_SQL_COMPARE[name],
        duck=f"({{0}} {_SQL_COMPARE[name]} {{1}})",
        factory=True,
    )(_compare_factory(name))


eq, ne, lt, le, gt, ge = (_comparison(name) for name in _ARROW_COMPARE)


@scalar(
    "is_distinct(a anyelement, b anyelement) -> boolean",
    "not equal, where NULL equals NULL",
    example="1 IS DISTINCT FROM NULL",
    operator="is distinct from",
    duck="({0} IS DISTINCT FROM {1})",
    strict=False,
    factory=True,
)
def is_distinct(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    differ = _compare_factory("ne")(arg_types, result)

    def kernel(a: Value, b: Value) -> Value:
        by_null = pc.xor(pc.is_valid(a), pc.is_valid(b))
        return pc.coalesce(differ(a, b), by_null)

    return kernel


# ---------------------------------------------------------------- logic


and_ = declare(
    "and(VARIADIC a boolean) -> boolean",
    "true when all are",
    example="true AND true",
    operator="and",
    strict=False,
    duck="({0} AND {1})",
)
or_ = declare(
    "or(VARIADIC a boolean) -> boolean",
    "true when any is",
    example="true OR false",
    operator="or",
    strict=False,
    duck="({0} OR {1})",
)


@scalar("not(a boolean) -> boolean", "the opposite", example="NOT false", operator="not", duck="(NOT {0})")
def not_(a: Value) -> Value:
    return pc.invert(a)


@scalar(
    "is_null(a any) -> boolean",
    "whether the value is NULL",
    example="NULL IS NULL",
    operator="is null",
    duck="({0} IS NULL)",
    aliases=("isnull",),
    strict=False,
)
def is_null(a: Value) -> Value:
    return pc.is_null(a)


@scalar(
    "is_not_null(a any) -> boolean",
    "whether the value is not NULL",
    example="1 IS NOT NULL",
    operator="is not null",
    duck="({0} IS NOT NULL)",
    aliases=("isnotnull",),
    strict=False,
)
def is_not_null(a: Value) -> Value:
    return pc.is_valid(a)


@scalar(
    "is_true(a boolean) -> boolean",
    "whether the value is true, never NULL",
    example="(1 = 1) IS TRUE",
    operator="is true",
    duck="({0} IS TRUE)",
    strict=False,
)
def is_true(a: Value) -> Value:
    return pc.coalesce(a, pa.scalar(False))


@scalar(
    "is_false(a boolean) -> boolean",
    "whether the value is false, never NULL",
    example="(1 = 2) IS FALSE",
    operator="is false",
    duck="({0} IS FALSE)",
    strict=False,
)
def is_false(a: Value) -> Value:
    return pc.coalesce(pc.invert(a), pa.scalar(False))
