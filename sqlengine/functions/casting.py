"""CAST between the types of types.py: which casts exist, and a vectorised kernel for each.

PostgreSQL's meaning: doubles round half to even on their way to whole numbers, numeric half away from zero;
text that is not a value is InvalidText (22P02) or InvalidDatetime (22007), a value that does not fit OutOfRange
(22003). Text of a value is pgtext's. Kernels see whole columns; a failing one is searched by halving, never row
by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck, errors, pgtext
from sqlengine.array_text import braces_to_json
from sqlengine.decimal_digits import rounded
from sqlengine.functions.arrays_of import from_int64s, int64s, interval_array, interval_parts, nulls
from sqlengine.functions.kernel_errors import translate_arrow
from sqlengine.functions.moments_read import read_moments
from sqlengine.functions.wrong_text import moment_kind, wrong_text
from sqlengine.functions.zoned import clocks, moments
from sqlengine.json_canonical import canonical_texts
from sqlengine.reading import zone_of_now
from sqlengine.text_style import TextStyle
from sqlengine.types import (
    INTERVAL,
    JSON,
    JSONB,
    TIMESTAMP,
    TIMESTAMPTZ,
    has_jsonb,
    is_integer,
    is_json,
    is_numeric,
    is_text,
    without_jsonb,
)

ArrayKernel = Callable[[pa.Array], pa.Array]
_MOMENTS = frozenset({pa.date32(), TIMESTAMP, TIMESTAMPTZ})
_TIME = pa.time64("us")


def castable(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether an explicit CAST from one type to the other exists."""
    if source == target or pa.types.is_null(source) or is_text(target) or is_text(source):
        return True
    if pa.types.is_list(source) and pa.types.is_list(target):
        return castable(source.value_type, target.value_type)
    if pa.types.is_struct(source) and pa.types.is_struct(target):
        pairs = zip(source, target, strict=False)
        return source.num_fields == target.num_fields and all(castable(a.type, b.type) for a, b in pairs)
    if is_json(source) and is_json(target):
        return True
    if pa.types.is_boolean(source) or pa.types.is_boolean(target):
        return is_integer(source) or is_integer(target) or is_json(source)
    if is_numeric(target):
        return is_numeric(source) or is_json(source)
    pair = (source, target)
    return (source in _MOMENTS and target in _MOMENTS) or pair in _PAIRS or (source, None) in _PAIRS


_PAIRS: frozenset[tuple[pa.DataType, pa.DataType | None]] = frozenset(
    {(TIMESTAMP, _TIME), (TIMESTAMPTZ, _TIME), (INTERVAL, _TIME), (_TIME, INTERVAL)}
)


def assignable(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether a value of one type goes into a column of the other without a written CAST (PostgreSQL's assignment)."""
    if source == target or pa.types.is_null(source):
        return True
    if pa.types.is_list(source) and pa.types.is_list(target):
        return assignable(source.value_type, target.value_type)
    if is_text(target):
        return not pa.types.is_nested(source)
    if is_json(source) and is_json(target):
        return True
    written = is_text(source) or is_json(source) or pa.types.is_boolean(source) or pa.types.is_boolean(target)
    return not written and not pa.types.is_nested(source) and castable(source, target)


def widens(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether every value of one number type is the same number as a value of the other."""
    if not (is_numeric(source) and is_numeric(target)):
        return source == target
    digits = {16: 5, 32: 10, 64: 19}
    if pa.types.is_decimal(source):
        scales = pa.types.is_decimal(target) and target.scale >= source.scale
        return bool(scales and target.precision - target.scale >= source.precision - source.scale)
    if pa.types.is_floating(source):
        return pa.types.is_floating(target) and target.bit_width >= source.bit_width
    if pa.types.is_decimal(target):
        return bool(target.precision - target.scale >= digits[source.bit_width])
    exact = target.bit_width if is_integer(target) else {32: 16, 64: 32}[target.bit_width]
    return bool(source.bit_width <= exact)


def cast_kernel(source: pa.DataType, target: pa.DataType, *, safe: bool = False) -> ArrayKernel:
    """The kernel of CAST(source AS target); with `safe`, of TRY_CAST: NULL where CAST would raise.

    The kernel raises DataErrors only.  Precondition: castable(source, target).
    """
    plain = _kernel(source, target)
    guarded = _translating(plain, target)
    return (lambda array: _null_bad(guarded, array, target)) if safe else guarded


def can_raise(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether some value of `source` cannot be cast to `target`."""
    if source == target or pa.types.is_null(source) or is_text(target):
        return False
    if is_integer(source) and is_integer(target):
        return source.bit_width > target.bit_width
    if is_integer(source) and pa.types.is_floating(target):
        return False
    if source in _MOMENTS and target in _MOMENTS:
        return source == pa.date32()
    return (source, target) != (JSONB, JSON)


def _translating(plain: ArrayKernel, target: pa.DataType) -> ArrayKernel:
    def kernel(array: pa.Array) -> pa.Array:
        try:
            return plain(array)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as err:
            raise translate_arrow(err, target) from err

    return kernel


def retyped(table: pa.Table, wanted: Sequence[pa.DataType]) -> pa.Table:
    """DuckDB's answer with its columns of json as jsonb where it is wanted."""
    columns = []
    for column, kind in zip(table.columns, wanted, strict=True):
        if has_jsonb(kind) and column.type == without_jsonb(kind):
            kernel = cast_kernel(column.type, kind)
            column = pa.chunked_array([kernel(chunk) for chunk in column.chunks], kind)
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def _null_bad(kernel: ArrayKernel, array: pa.Array, target: pa.DataType) -> pa.Array:
    """The kernel's result with NULL for the values it fails on, found by halving."""
    try:
        return kernel(array)
    except errors.DataError:
        if len(array) == 1:
            return pa.nulls(1, target)
        middle = len(array) // 2
        halves = [_null_bad(kernel, part, target) for part in (array[:middle], array[middle:])]
        return pa.concat_arrays(halves)


def _kernel(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    if source == target:
        return lambda a: a
    if pa.types.is_null(source):
        return lambda a: pa.nulls(len(a), target)
    if is_text(target):
        return _to_text(source)
    if is_text(source):
        return _from_text(target)
    if source == JSONB and target == JSON:
        return lambda a: pa.ExtensionArray.from_storage(JSON, a.storage)
    if is_json(source):
        return lambda a: _from_text(target)(a.storage)
    if pa.types.is_list(source):
        return _lists(source, target)
    if pa.types.is_struct(source):
        return _structs(source, target)
    if pa.types.is_boolean(target):
        return lambda a: pc.not_equal(a, pa.scalar(0, source))
    if is_numeric(target):
        return _to_number(source, target)
    return _to_moment(source, target)


# ---------------------------------------------------------------- numbers


def _to_number(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    if pa.types.is_boolean(source):
        return lambda a: a.cast(pa.int32()).cast(target)
    if is_integer(target) and pa.types.is_floating(source):
        return lambda a: pc.round(a, round_mode="half_to_even").cast(target)
    if is_integer(target) and pa.types.is_decimal(source):
        return lambda a: _rescale(a, pa.decimal128(38, 0)).cast(target)
    if pa.types.is_decimal(source) and pa.types.is_decimal(target):
        return lambda a: _rescale(a, target)
    if pa.types.is_decimal(target) and is_integer(source):
        if target.precision - target.scale >= {16: 5, 32: 10}.get(source.bit_width, 19):
            return lambda a: a.cast(target)
        return lambda a: a.cast(pa.decimal256(76, target.scale)).cast(target)
    if pa.types.is_decimal(source):
        return decimal_to_float(source, target)
    if target == pa.float32() and source == pa.float64():
        return _narrow_float
    return lambda a: a.cast(target, safe=not pa.types.is_floating(target))


def decimal_to_float(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    """The nearest float.  Arrow multiplies by a power of ten that is not exact; one division of exact numbers rounds
    once, and more than 15 digits go through their text."""
    divisor = pa.scalar(float(10**source.scale))
    if source.precision <= 15 and source.scale <= 22:
        return lambda a: pc.divide(_unscaled(a), divisor).cast(target, safe=False)
    return lambda a: a.cast(pa.string()).cast(target)


def _unscaled(a: pa.Array) -> pa.Array:
    """The digits of a decimal128 of at most 18 digits as whole numbers: the low word of each value."""
    words = np.frombuffer(a.buffers()[1], dtype=np.int64)[2 * a.offset : 2 * (a.offset + len(a)) : 2]
    return pa.array(words.astype(np.float64), mask=nulls(a))


def _narrow_float(a: pa.Array) -> pa.Array:
    out = a.cast(pa.float32(), safe=False)
    if pc.any(pc.and_(pc.is_inf(out), pc.is_finite(a))).as_py():
        raise errors.OutOfRange("real out of range")
    return out


def _rescale(a: pa.Array, target: pa.DataType) -> pa.Array:
    """A decimal in another precision and scale, rounded half away from zero; fails when it does not fit."""
    if a.type.scale <= target.scale:
        return a.cast(target)
    return rounded(a, target.scale, "half_towards_infinity").cast(target)


# ---------------------------------------------------------------- moments


def _to_moment(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    if source == TIMESTAMPTZ:
        local = _local_moment(target)
        return lambda a: local(clocks(a))
    if target == TIMESTAMPTZ:
        return lambda a: moments(a.cast(TIMESTAMP))
    return _local_moment(target) if source == TIMESTAMP else _clock(source, target)


def _local_moment(target: pa.DataType) -> ArrayKernel:
    if target == pa.date32():
        return lambda a: pc.floor_temporal(a, unit="day").cast(target)
    return lambda a: a.cast(target)


def _clock(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    if source == INTERVAL:
        return lambda a: from_int64s(interval_parts(a)[2] % 86_400_000_000, _TIME, nulls(a))
    if target == INTERVAL:
        return lambda a: interval_array(0, 0, int64s(a), nulls(a))
    return lambda a: a.cast(target)


# ---------------------------------------------------------------- nested


def _lists(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    inner = _kernel(source.value_type, target.value_type)

    def kernel(a: pa.Array) -> pa.Array:
        first = a.offsets[0].as_py() if len(a.offsets) else 0
        offsets = pc.subtract(a.offsets, pa.scalar(first, pa.int32()))
        values = inner(a.values[first : a.offsets[-1].as_py() if len(a.offsets) else 0])
        out = pa.ListArray.from_arrays(offsets, values, mask=a.is_null() if a.null_count else None)
        return out if out.type == target else out.cast(target)

    return kernel


def _structs(source: pa.DataType, target: pa.DataType) -> ArrayKernel:
    inner = [_kernel(s.type, t.type) for s, t in zip(source, target, strict=True)]

    def kernel(a: pa.Array) -> pa.Array:
        parts = [cast(pc.struct_field(a, [i])) for i, cast in enumerate(inner)]
        return pa.StructArray.from_arrays(parts, fields=list(target), mask=a.is_null())

    return kernel


# ---------------------------------------------------------------- text


def _to_text(source: pa.DataType) -> ArrayKernel:
    if is_text(source):
        return lambda a: a.cast(pa.string())
    if is_json(source):
        return lambda a: a.storage.cast(pa.string())
    if pa.types.is_boolean(source):
        return lambda a: a.cast(pa.string())
    if source == TIMESTAMPTZ:
        return lambda a: pgtext.to_text_array(a, TextStyle(zone_of_now()))
    return pgtext.to_text_array


def _from_text(target: pa.DataType) -> ArrayKernel:
    """Text to a value: quickly when every text is plain, else with blanks and other spellings allowed."""
    if target == JSONB:
        return lambda a: pa.ExtensionArray.from_storage(JSONB, canonical_texts(a))
    quick, thorough = _text_kernels(target)

    def kernel(a: pa.Array) -> pa.Array:
        if quick is not None:
            try:
                return quick(a)
            except pa.ArrowInvalid:
                pass  # some text is not in the plain form: the thorough way decides
        try:
            return thorough(a)
        except (pa.ArrowInvalid, errors.DataError):
            raise _bad_text(thorough, a, target) from None

    return kernel


def _text_kernels(target: pa.DataType) -> tuple[ArrayKernel | None, ArrayKernel]:
    if is_integer(target):
        return (lambda a: a.cast(target)), (lambda a: _integer_text(a).cast(target))
    if pa.types.is_floating(target):
        return (lambda a: a.cast(target)), (lambda a: _number_text(a).cast(target))
    if pa.types.is_decimal(target):
        return None, lambda a: _rescale(_number_text(a).cast(pa.decimal256(76, 38)), target)
    if pa.types.is_boolean(target):
        return None, _boolean_text
    if target in (TIMESTAMP, pa.date32()):
        return (lambda a: a.cast(target)), _moment_text(target)
    if target in (TIMESTAMPTZ, _TIME):
        return None, _moment_text(target)
    if pa.types.is_binary(target):
        return None, _bytes_text
    if pa.types.is_list(target):
        return None, _list_text(target)
    return None, _by_duckdb(target)


def _list_text(target: pa.DataType) -> ArrayKernel:
    """`[1, 2]` as DuckDB reads it, or `{1,2}` as PostgreSQL does."""
    in_brackets, from_json = _by_duckdb(target), f"CAST(CAST(a AS JSON) AS {duck.sql_type(target)})"

    def kernel(a: pa.Array) -> pa.Array:
        in_braces = pc.fill_null(pc.match_substring_regex(a, pattern=r"^\s*\{"), False)
        if not pc.any(in_braces).as_py():
            return in_brackets(a)
        out = _retyped(duck.evaluate([from_json], {"a": braces_to_json(a.filter(in_braces))}, len(a))[0], target)
        rest = in_brackets(a.filter(pc.invert(in_braces)))
        braced = in_braces.to_numpy(zero_copy_only=False)
        place = np.where(braced, np.cumsum(braced) - 1, len(out) + np.cumsum(~braced) - 1)
        return pa.concat_arrays([out, rest]).take(pa.array(place))

    return kernel


def _integer_text(a: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(pc.ascii_trim_whitespace(a), pattern=r"^\+([0-9])", replacement="\\1")


def _number_text(a: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(
        pc.ascii_lower(pc.ascii_trim_whitespace(a)), pattern=r"^\+([0-9.i])", replacement="\\1"
    )


_TRUE = ["t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"]
_FALSE = ["f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"]


def _boolean_text(a: pa.Array) -> pa.Array:
    words = pc.ascii_lower(pc.ascii_trim_whitespace(a))
    true = pc.is_in(words, value_set=pa.array(_TRUE))
    known = pc.or_(true, pc.is_in(words, value_set=pa.array(_FALSE)))
    if not pc.all(pc.or_(known, pc.is_null(words)), min_count=0).as_py():
        raise errors.InvalidText("invalid input syntax for type boolean")
    return pc.if_else(pc.is_valid(words), true, pa.scalar(None, pa.bool_()))


def _bytes_text(a: pa.Array) -> pa.Array:
    """`\\x` and hexadecimal digits, else the text's own bytes (UTF-8)."""
    in_hex = pc.match_substring_regex(a, pattern=r"^\\x([0-9a-fA-F]{2})*$")
    if not pc.any(in_hex).as_py():
        return a.cast(pa.binary())
    digits = pc.if_else(in_hex, pc.utf8_slice_codeunits(a, start=2), "")
    from_hex = duck.evaluate(["from_hex(a)"], {"a": digits}, len(a))[0]
    return pc.if_else(in_hex, from_hex, a.cast(pa.binary()))


def _moment_text(target: pa.DataType) -> ArrayKernel:
    plain, kind = _by_duckdb(target), moment_kind(target)
    return lambda a: plain(read_moments(a, kind))


def _by_duckdb(target: pa.DataType) -> ArrayKernel:
    text = f"CAST(a AS {duck.sql_type(target)})"

    def kernel(a: pa.Array) -> pa.Array:
        return _retyped(duck.evaluate([text], {"a": a}, len(a))[0], target)

    return kernel


def _retyped(made: pa.Array, target: pa.DataType) -> pa.Array:
    """DuckDB's values as ours; for it jsonb is json."""
    if made.type == target:
        return made
    return _kernel(made.type, target)(made) if has_jsonb(target) else made.cast(target)


def _bad_text(kernel: ArrayKernel, a: pa.Array, target: pa.DataType) -> errors.Error:
    """The error that names the first text the kernel fails on."""
    low, high = 0, len(a)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _fails(kernel, a[low:middle]) else (middle, high)
    return wrong_text(a[low].as_py(), target)


def _fails(kernel: ArrayKernel, a: pa.Array) -> bool:
    try:
        kernel(a)
    except (pa.ArrowInvalid, errors.DataError):
        return True
    return False
