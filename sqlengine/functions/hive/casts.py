"""CAST by Hive's rules: nothing raises; what is no value of the type is NULL, whole numbers wrap and are cut.

From Hive's UDFTo* classes and PrimitiveObjectInspectorUtils (Apache Hive 4): a whole number that comes from a number
keeps its low bits, from a text or a decimal it is NULL when it does not fit; doubles are cut and stop at the ends of
bigint; decimals round half up and are NULL when they do not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.decimal_digits import cut, declared
from sqlengine.functions.casting import ArrayKernel
from sqlengine.functions.hive.decimals import fitted, widened
from sqlengine.functions.hive.java_text import double_text
from sqlengine.functions.registry import Kernel, Value, scalar
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ, is_integer, is_numeric, is_text, to_sql

_WHOLE = r"^\s*(?P<whole>[+-]?\d+)(?:\.\d*)?\s*$"
_NUMBER = r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?\s*$|^\s*(?:NaN|[+-]?Infinity)\s*$"
_DATE = r"^\s*(?P<y>\d{1,6})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?:[ T].*)?\s*$"
_TIME = (
    r"^\s*(?P<y>\d{1,6})-(?P<m>\d{1,2})-(?P<d>\d{1,2})"
    r"(?:[ T](?P<h>\d{1,2}):(?P<i>\d{1,2}):(?P<s>\d{1,2})(?:\.(?P<f>\d{1,9}))?)?\s*Z?\s*$"
)
_FALSE = ("", "false", "no", "off", "0")
_BITS = {pa.int8(): 8, pa.int16(): 16, pa.int32(): 32, pa.int64(): 64}
_STRING = pa.string()
_CONTEXT = Context(prec=400)
DAY_US = 86_400_000_000
_LAST_DAY = 2**63 // DAY_US - 1
"""Days from 1970 that have a timestamp of microseconds."""


def _cast(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    return hive_cast(arg_types[0], result)


cast = scalar(
    "hive$cast(x any) -> any", "the value as another type, NULL where it has none", factory=True, broadcast=True
)(_cast)


def hive_cast(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    """The kernel of CAST(source AS target), which never raises; CannotCoerce (42846) when there is no such cast."""
    if source == target:
        return lambda a: a
    if pa.types.is_null(source):
        return lambda a: pa.nulls(len(a), target)
    if is_text(target):
        return text_of(source)
    if is_text(source) or pa.types.is_binary(source):
        return _from_text(target)
    if pa.types.is_boolean(source):
        from_int = hive_cast(pa.int32(), target)
        return lambda a: from_int(a.cast(pa.int32()))
    if pa.types.is_boolean(target):
        return _to_boolean(source)
    if source in (pa.date32(), TIMESTAMP, TIMESTAMPTZ):
        return _from_moment(source, target)
    if is_numeric(source):
        return _from_number(source, target)
    return _nested(source, target)


def _no_cast(source: pa.DataType, target: pa.DataType) -> errors.Error:
    return errors.CannotCoerce(f"cannot cast type {to_sql(source)} to {to_sql(target)}")


def castable(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether Hive has a CAST from one type to the other."""
    try:
        hive_cast(source, target)
    except errors.CannotCoerce:
        return False
    return True


def _nested(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    if pa.types.is_list(source) and pa.types.is_list(target):
        inner = hive_cast(source.value_type, target.value_type)
        return lambda a: pa.ListArray.from_arrays(a.offsets, inner(a.values), type=target, mask=_mask(a))
    if pa.types.is_struct(source) and pa.types.is_struct(target) and source.num_fields == target.num_fields:
        kernels = [hive_cast(a.type, b.type) for a, b in zip(source, target, strict=True)]
        return lambda a: pa.StructArray.from_arrays(
            [k(c) for k, c in zip(kernels, a.flatten(), strict=True)], fields=list(target), mask=_mask(a)
        )
    if pa.types.is_map(source) and pa.types.is_map(target):
        keys, items = hive_cast(source.key_type, target.key_type), hive_cast(source.item_type, target.item_type)
        return lambda a: pa.MapArray.from_arrays(
            pa.array(a.offsets.to_numpy(), pa.int32(), mask=_ends(a)), keys(a.keys), items(a.items), type=target
        )
    raise _no_cast(source, target)


def _ends(a: pa.Array) -> np.ndarray | None:
    """Which offsets of a map array are of NULLs."""
    return np.append(pc.is_null(a).to_numpy(zero_copy_only=False), False) if a.null_count else None


def _mask(array: pa.Array) -> pa.Array | None:
    return pc.is_null(array) if array.null_count else None


# ---------------------------------------------------------------- from text


def _from_text(target: pa.DataType) -> ArrayKernel:
    if target in _BITS:
        return lambda a: _whole(_text(a), target)
    if pa.types.is_floating(target):
        return lambda a: text_to_double(_text(a)).cast(target)
    if pa.types.is_decimal(target):
        return lambda a: text_to_decimal(_text(a), target)
    if pa.types.is_boolean(target):
        return lambda a: (
            pc.invert(pc.is_in(pc.utf8_lower(_text(a)), pa.array(_FALSE)))
            if not a.null_count
            else (pc.if_else(pc.is_valid(a), pc.invert(pc.is_in(pc.utf8_lower(_text(a)), pa.array(_FALSE))), None))
        )
    if target == pa.date32():
        return lambda a: text_to_date(_text(a))
    if target in (TIMESTAMP, TIMESTAMPTZ):
        return lambda a: text_to_timestamp(_text(a)).cast(target)
    if pa.types.is_binary(target):
        return lambda a: a.cast(pa.binary())
    raise _no_cast(_STRING, target)


def _text(array: pa.Array) -> pa.Array:
    return array if is_text(array.type) else array.cast(pa.string())


def text_to_double(a: pa.Array) -> pa.Array:
    """Doubles as Java reads them; NULL for what is none."""
    good = pc.match_substring_regex(a, _NUMBER)
    bare = pc.replace_substring_regex(pc.utf8_trim_whitespace(a), r"[fFdD]$", "")
    return pc.if_else(good, bare, pa.scalar(None, pa.string())).cast(pa.float64())


def _whole(a: pa.Array, target: pa.DataType) -> pa.Array:
    """Whole numbers, what follows a point cut off; NULL when they do not fit."""
    digits = pc.struct_field(pc.extract_regex(a, _WHOLE), "whole")
    digits = pc.replace_substring_regex(digits, r"^([+-]?)0+(\d)", r"\1\2")
    digits = pc.replace_substring_regex(digits, r"^\+", "")
    short = pc.less_equal(pc.utf8_length(digits), 20)
    wide = pc.if_else(short, digits, pa.scalar(None, pa.string())).cast(pa.decimal128(38, 0))
    low, high = -(2 ** (_BITS[target] - 1)), 2 ** (_BITS[target] - 1) - 1
    bound = pa.decimal128(38, 0)
    fits = pc.and_(
        pc.greater_equal(wide, pa.scalar(Decimal(low), bound)), pc.less_equal(wide, pa.scalar(Decimal(high), bound))
    )
    return pc.if_else(fits, wide, pa.scalar(None, bound)).cast(target)


def text_to_decimal(a: pa.Array, target: pa.DataType) -> pa.Array:
    """Decimals rounded half up; NULL for what is none or does not fit."""
    bare = pc.utf8_trim_whitespace(a)
    plain = pc.match_substring_regex(bare, r"^[+-]?(?:\d{1,38}(?:\.\d*)?|\.\d+)$")
    short = pc.replace_substring_regex(bare, r"(\.\d{0,37})\d*$", r"\1")
    short = pc.replace_substring_regex(pc.replace_substring_regex(short, r"^([+-]?)\.", r"\10."), r"\.$", "")
    short = pc.replace_substring_regex(short, r"^\+", "")
    exact = pc.if_else(plain, short, pa.scalar(None, pa.string())).cast(pa.decimal256(76, 38))
    made = fitted(exact, target)
    odd = pc.and_(pc.invert(plain), pc.match_substring_regex(bare, r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"))
    return made if not pc.any(odd).as_py() else pc.if_else(odd, _decimals_of(bare, odd, target), made)


def _decimals_of(a: pa.Array, chosen: pa.Array, target: pa.DataType) -> pa.Array:
    """Rare texts with exponents or too many digits, one by one."""
    made: list[Decimal | None] = []
    unit, limit = Decimal(1).scaleb(-target.scale), Decimal(10) ** (target.precision - target.scale)
    for text, wanted in zip(a.to_pylist(), chosen.to_pylist(), strict=True):
        value = None
        if wanted:
            try:
                value = Decimal(text).quantize(unit, rounding="ROUND_HALF_UP", context=_CONTEXT)
            except InvalidOperation:
                value = None
        made.append(value if value is not None and abs(value) < limit else None)
    return pa.array(made, target)


def _part(found: pa.Array, name: str) -> np.ndarray:
    """The digits of a group as numbers, 0 where there are none."""
    text = pc.struct_field(found, name)
    known = pc.if_else(pc.equal(pc.fill_null(text, ""), ""), "0", pc.fill_null(text, "0"))
    return known.cast(pa.int64()).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _days(found: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(days since 1970, which are dates of the calendar) of groups y, m, d."""
    year, month, day = (_part(found, g) for g in "ymd")
    inside = (month >= 1) & (month <= 12)
    months = ((year - 1970) * 12 + np.where(inside, month, 1) - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    good = inside & (day >= 1) & (day <= length) & pc.is_valid(found).to_numpy(zero_copy_only=False)
    return first + day - 1, good


def text_to_date(a: pa.Array) -> pa.Array:
    """`yyyy-M-d`, a time behind it ignored; NULL for what is no day of the calendar."""
    days, good = _days(pc.extract_regex(a, _DATE))
    return pa.array(days.astype(np.int32), pa.int32(), mask=~good).cast(pa.date32())


def text_to_timestamp(a: pa.Array) -> pa.Array:
    """`yyyy-M-d[ H:m[:s[.f]]]`, `T` for the blank as well; NULL for anything else."""
    found = pc.extract_regex(a, _TIME)
    days, good = _days(found)
    hour, minute, second = (_part(found, g) for g in "his")
    digits = pc.utf8_rpad(pc.fill_null(pc.struct_field(found, "f"), ""), 9, "0")
    fraction = digits.cast(pa.int64()).to_numpy(zero_copy_only=False) // 1000
    good &= (hour < 24) & (minute < 60) & (second < 60) & (np.abs(days) < _LAST_DAY)
    days = np.where(good, days, 0)
    micros = days * DAY_US + ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    return pa.array(micros, pa.int64(), mask=~good).cast(TIMESTAMP)


# ---------------------------------------------------------------- from numbers and moments


def _to_boolean(source: pa.DataType) -> ArrayKernel:
    if source in (TIMESTAMP, TIMESTAMPTZ):
        return lambda a: pc.not_equal(a.cast(pa.int64()), 0)
    if not is_numeric(source):
        raise _no_cast(source, pa.bool_())
    zero = pa.scalar(Decimal(0), source) if pa.types.is_decimal(source) else pa.scalar(0, pa.int64()).cast(source)
    return lambda a: pc.not_equal(a, zero)


def _from_number(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    if target in _BITS:
        return _to_whole(source, target)
    if pa.types.is_floating(target):
        if pa.types.is_decimal(source):
            return lambda a: decimal_to_double(a).cast(target, safe=False)
        return lambda a: a.cast(target, safe=False)
    if pa.types.is_decimal(target):
        if pa.types.is_floating(source):
            return lambda a: text_to_decimal(double_text(a.cast(pa.float64())), target)
        wide = pa.decimal256(76, 38)
        if is_integer(source):
            return lambda a: fitted(a.cast(pa.decimal256(76, 38)), target)
        return lambda a: fitted(a.cast(wide), target)
    if target in (TIMESTAMP, TIMESTAMPTZ):
        if is_integer(source):
            return lambda a: pc.multiply(a.cast(pa.int64()), 1000).cast(TIMESTAMP).cast(target)
        return lambda a: _seconds_to_moment(a, target)
    raise _no_cast(source, target)


def decimal_to_double(a: pa.Array) -> pa.Array:
    """The nearest doubles (Arrow's own cast is only near): integers below 2^53 divided by an exact power of ten."""
    if a.type.precision <= 15:
        digits = declared(widened(a), a.type.precision, 0).cast(pa.int64()).cast(pa.float64())
        return pc.divide(digits, 10.0**a.type.scale)
    return a.cast(pa.string()).cast(pa.float64())


def _seconds_to_moment(a: pa.Array, target: pa.DataType) -> pa.Array:
    micros = pc.round(pc.multiply(a.cast(pa.float64()), 1e6))
    return micros.cast(pa.int64(), safe=False).cast(TIMESTAMP).cast(target)


def _to_whole(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    if is_integer(source):
        return lambda a: wrapped(a, target)
    if pa.types.is_decimal(source):
        return lambda a: _decimal_to_whole(a, target)
    return lambda a: _double_to_whole(a.cast(pa.float64()), target)


def wrapped(a: pa.Array, target: pa.DataType) -> pa.Array:
    """Whole numbers of another width: the low bits."""
    return a.cast(target, safe=False)


def _decimal_to_whole(a: pa.Array, target: pa.DataType) -> pa.Array:
    whole = cut(widened(a), 0)
    low, high = -(2 ** (_BITS[target] - 1)), 2 ** (_BITS[target] - 1) - 1
    bound = pa.decimal256(76, 0)
    fits = pc.and_(
        pc.greater_equal(whole, pa.scalar(Decimal(low), bound)), pc.less_equal(whole, pa.scalar(Decimal(high), bound))
    )
    return pc.if_else(fits, whole, pa.scalar(None, bound)).cast(pa.decimal128(38, 0)).cast(target)


def _double_to_whole(a: pa.Array, target: pa.DataType) -> pa.Array:
    """Java's narrowing of doubles: cut, NaN is 0, the ends of the type (of int for narrower ones) hold."""
    values = np.nan_to_num(a.to_numpy(zero_copy_only=False).astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
    bits = 64 if target == pa.int64() else 32
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    inside = np.clip(np.trunc(values), float(low), float(high))
    with np.errstate(invalid="ignore"):
        whole = np.where(inside >= float(high), high, np.where(inside <= float(low), low, inside.astype(np.int64)))
    mask = None if not a.null_count else pc.is_null(a).to_numpy(zero_copy_only=False)
    return pa.array(whole.astype(np.int64), pa.int64(), mask=mask).cast(target, safe=False)


def _from_moment(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    if target in (TIMESTAMP, TIMESTAMPTZ, pa.date32()):
        return lambda a: a.cast(target, safe=False)
    if source == pa.date32():
        raise _no_cast(source, target)
    if is_integer(target):
        return lambda a: wrapped(
            pc.floor(pc.divide(a.cast(pa.int64()).cast(pa.float64(), safe=False), 1e6)).cast(pa.int64(), safe=False),
            target,
        )
    if pa.types.is_floating(target):
        return lambda a: pc.divide(a.cast(pa.int64()).cast(pa.float64(), safe=False), 1e6).cast(target)
    if pa.types.is_decimal(target):
        return lambda a: fitted(declared(a.cast(pa.int64()).cast(pa.decimal256(76, 0)), 76, 6), target)
    raise _no_cast(source, target)


# ---------------------------------------------------------------- to text


def text_of(source: pa.DataType) -> ArrayKernel:
    """The kernel that writes values as Hive's CAST(x AS STRING) does."""
    if pa.types.is_boolean(source):
        return lambda a: pc.if_else(a, "TRUE", "FALSE")
    if pa.types.is_floating(source):
        return double_text
    if pa.types.is_decimal(source):
        return lambda a: pc.replace_substring_regex(
            pc.replace_substring_regex(_plain_decimal(a), r"(\.\d*?)0+$", r"\1"), r"\.$", ""
        )
    if source in (TIMESTAMP, TIMESTAMPTZ):
        return timestamp_text
    if pa.types.is_nested(source):
        raise _no_cast(source, _STRING)
    return lambda a: a.cast(pa.string())


def _plain_decimal(a: pa.Array) -> pa.Array:
    """Decimals without an exponent."""
    text = a.cast(pa.string())
    odd = pc.match_substring(text, "E")
    if not pc.any(odd).as_py():
        return text
    return pa.array([None if v is None else format(v, "f") for v in a.to_pylist()], pa.string())


def timestamp_text(a: pa.Array) -> pa.Array:
    """`yyyy-MM-dd HH:mm:ss[.f]` without zeros behind the fraction."""
    text = pc.strftime(a.cast(TIMESTAMP), "%Y-%m-%d %H:%M:%S") if len(a) else pa.nulls(0, pa.string())
    return pc.replace_substring_regex(pc.replace_substring_regex(text, r"(\.\d*?)0+$", r"\1"), r"\.$", "")


# ---------------------------------------------------------------- texts of limited length


@scalar("hive$cut_char(s text, n integer) -> text", "CAST(s AS char(n)): without blanks at the end", constant_args=(1,))
def cut_char(s: Value, n: Value) -> Value:
    return pc.utf8_rtrim(pc.utf8_slice_codeunits(s, 0, n.as_py()), characters=" ")


@scalar("hive$cut_varchar(s text, n integer) -> text", "CAST(s AS varchar(n))", constant_args=(1,))
def cut_varchar(s: Value, n: Value) -> Value:
    return pc.utf8_slice_codeunits(s, 0, n.as_py())
