"""Arrow values as PostgreSQL writes them: the one text form of every type.

The prompt's tables, CSV output, COPY and the wire protocol's text format all read this file, so a value
looks the same wherever it is seen.  Everything is computed a column at a time, numbers and times by kernels of our own
(kernels/value_text.pyx), the rest by Arrow's.  This module must not know settings, sessions or files: the session's
TextStyle is an argument; what is not PostgreSQL's default is written by pgtext_styles.py.

Types that PostgreSQL lacks take the form of its nearest relative: MAP is written as `hstore` does, STRUCT
as a composite value, a duration as an interval.  Times finer than a microsecond keep their digits.
"""

from __future__ import annotations

import datetime
import itertools
import re
import zoneinfo
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import pgtext_styles
from sqlengine.kernels import choose
from sqlengine.masks import present
from sqlengine.text_style import TextStyle

if TYPE_CHECKING:
    from sqlengine.kernels import value_text_reference as kernel
else:
    kernel = choose("value_text", "value_text_reference")

_QUOTE_IN_ARRAY = r'^$|[\s\x0b{}",\\]|^(?i:null)$'
_QUOTE_IN_ROW = r'^$|[\s\x0b(),"\\]'
_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS_PER_DAY = 86_400
_FIRST_DAY = -719_162  # 0001-01-01; earlier days are written with BC
_LAST_DAY = 11_248_737  # 32767-12-31, the last day Arrow's own cast writes
_LAST_TABLED_SECOND = 2_114_380_800  # 2037-01-01; Arrow knows no daylight saving after that year
_FIXED_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
Numbers = np.ndarray[Any, Any]
_INTERVAL_LAYOUT = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])


PLAIN = TextStyle()
"""PostgreSQL's defaults, in UTC."""


def to_text(array: pa.Array | pa.ChunkedArray, style: TextStyle = PLAIN) -> list[str | None]:
    """PostgreSQL's text of each value, None for NULL, in a session's style."""
    texts: list[str | None] = to_text_array(array, style).to_pylist()
    return texts


def to_text_array(array: pa.Array | pa.ChunkedArray, style: TextStyle = PLAIN) -> pa.Array:
    """As to_text, as an Arrow `string` array of the same length with the same nulls."""
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array.type, pa.UuidType):
        return _uuid(array.storage)
    array = _plain(array)
    for matches, convert in _CONVERTERS:
        if matches(array.type):
            return convert(array, style)
    return array.cast(pa.string())


def _plain(array: pa.Array) -> pa.Array:
    """The values without dictionary, run-end or extension wrapping."""
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    return array


def _written(made: tuple[Numbers, Numbers], array: pa.Array) -> pa.Array:
    """A kernel's bytes and offsets as text with the array's nulls."""
    data, offsets = made
    known = None
    if array.null_count:
        known = pa.py_buffer(np.packbits(present(array), bitorder="little"))
    return pa.Array.from_buffers(pa.string(), len(array), [known, pa.py_buffer(offsets), pa.py_buffer(data)])


def _valid(array: pa.Array) -> Numbers | None:
    """uint8: which values are there; None = all."""
    return present(array).view(np.uint8) if array.null_count else None


def _values(array: pa.Array, dtype: type[np.generic]) -> Numbers:
    """The values of a column of fixed width, whatever stands for NULL."""
    if not len(array):
        return np.empty(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)]


# ---------------------------------------------------------------- numbers, booleans, bytes


def _bool(array: pa.Array, _style: TextStyle) -> pa.Array:
    return pc.if_else(array, "t", "f")


def _integer(array: pa.Array, _style: TextStyle) -> pa.Array:
    wide = _values(array.cast(pa.int64()), np.int64)
    return _written(kernel.integers(wide, _valid(array)), array)


def _float32(array: pa.Array, style: TextStyle) -> pa.Array:
    return _float(array.cast(pa.float32()), np.float32, 6, style)


def _float64(array: pa.Array, style: TextStyle) -> pa.Array:
    return _float(array, np.float64, 15, style)


def _float(array: pa.Array, dtype: type[np.generic], exponent_from: int, style: TextStyle) -> pa.Array:
    """The shortest digits that read back as the same value, unless extra_float_digits asks for so many.

    PostgreSQL itself writes one digit more than the shortest for some whole numbers above 2^53 (real: 2^24);
    both read back as the same value.
    """
    values = _values(array, dtype)
    if style.float_digits <= 0:
        return pgtext_styles.floats(values, array.is_valid(), exponent_from + style.float_digits)
    return _written(kernel.floats(values, _valid(array), exponent_from), array)


def _decimal(array: pa.Array, _style: TextStyle) -> pa.Array:
    """All digits of the scale, never an exponent (Arrow's own cast writes 0E-9)."""
    dtype = array.type
    scale = dtype.scale
    if scale < 0:
        return array.cast(pa.decimal256(76, 0)).cast(pa.string())
    whole_type = _WHOLE_DECIMALS[dtype.bit_width](dtype.precision, 0)
    whole_numbers = pa.Array.from_buffers(whole_type, len(array), array.buffers(), offset=array.offset)
    digits = whole_numbers.cast(pa.string())
    if scale == 0:
        return digits
    sign = pc.if_else(pc.starts_with(digits, "-"), "-", "")
    padded = pc.ascii_lpad(pc.ascii_ltrim(digits, "-"), scale + 1, "0")
    whole = pc.utf8_slice_codeunits(padded, 0, -scale)
    return pc.binary_join_element_wise(sign, whole, ".", pc.utf8_slice_codeunits(padded, -scale), "")


_WHOLE_DECIMALS: dict[int, Callable[[int, int], pa.DataType]] = {
    32: pa.decimal32,
    64: pa.decimal64,
    128: pa.decimal128,
    256: pa.decimal256,
}


def _bytes(array: pa.Array, style: TextStyle) -> pa.Array:
    if style.bytes_form == "escape":
        return pgtext_styles.escaped_bytes(array.cast(pa.binary()))
    return pc.binary_join_element_wise("\\x", hex_digits(array), "")


def hex_digits(array: pa.Array) -> pa.Array:
    """Binary of any layout as lower-case hexadecimal digits."""
    array = array.cast(pa.binary())
    if len(array) == 0:
        return pa.array([], pa.string())
    _, offset_buffer, data = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + len(array) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    digits = (data.slice(first, last - first).to_pybytes() if data is not None else b"").hex().encode()
    doubled = pa.py_buffer(((offsets - first) * 2).astype(np.int32))
    text = pa.Array.from_buffers(pa.string(), len(array), [None, doubled, pa.py_buffer(digits)])
    return pc.if_else(array.is_valid(), text, None)


def _uuid(storage: pa.Array) -> pa.Array:
    digits = hex_digits(storage)
    bounds = (0, 8, 12, 16, 20, 32)
    parts = [pc.utf8_slice_codeunits(digits, a, b) for a, b in itertools.pairwise(bounds)]
    return pc.binary_join_element_wise(*parts, "-")


# ---------------------------------------------------------------- dates and times


def _date(array: pa.Array, style: TextStyle) -> pa.Array:
    days = _values(array.cast(pa.date32()), np.int32)
    text = _written(kernel.dates(days, _valid(array)), array)
    return text if style.dates == "ISO" else pgtext_styles.dates(text, style)


def _time(array: pa.Array, _style: TextStyle) -> pa.Array:
    text = _trim_fraction(array.cast(pa.string()), has_fraction=array.type.unit != "s")
    whole_day = _SECONDS_PER_DAY * _UNITS_PER_SECOND[array.type.unit]
    number = array.cast(pa.int32() if array.type.bit_width == 32 else pa.int64())
    return pc.if_else(pc.equal(number, whole_day), "24:00:00", text)


def _timestamp(array: pa.Array, style: TextStyle) -> pa.Array:
    """`2024-02-29 12:00:00.5`, with an offset such as +00 or +05:30 when the type has a zone."""
    per_second = _UNITS_PER_SECOND[array.type.unit]
    ticks = _values(array, np.int64)
    instants = ticks
    if array.type.tz is None:
        offsets = np.empty(0, np.int32)
    elif style.timezone.upper() == "UTC":
        offsets = np.zeros(1, np.int32)
    else:
        offsets = _offsets(array, style.timezone)
        ticks = ticks + offsets * np.int64(per_second)
    text = _written(kernel.timestamps(ticks, _valid(array), per_second, offsets), array)
    if style.dates == "ISO":
        return text
    zones = pgtext_styles.zone_names(pa.array(instants // per_second), style.timezone) if array.type.tz else None
    return pgtext_styles.timestamps(text, ticks // (_SECONDS_PER_DAY * per_second), zones, style)


def _offsets(array: pa.Array, timezone: str) -> Numbers:
    """int32: what is added to each UTC instant, in seconds, for the wall clock's time; 0 in years no clock knows."""
    fixed = _FIXED_OFFSET.fullmatch(timezone)
    if fixed is not None:
        seconds = (int(fixed[2]) * 60 + int(fixed[3])) * 60
        ticks = _values(array, np.int64)
        is_finite = (ticks > -(2**63) + 1) & (ticks < 2**63 - 1)
        return np.where(is_finite, -seconds if fixed[1] == "-" else seconds, 0).astype(np.int32)
    unit = array.type.unit
    per_second = _UNITS_PER_SECOND[unit]
    per_day = _SECONDS_PER_DAY * per_second
    ticks = array.cast(pa.int64())
    lowest, highest = max(_FIRST_DAY * per_day, -(2**63) + 2), min(_LAST_DAY * per_day, 2**63 - 2)
    is_far = pc.or_(pc.less(ticks, lowest), pc.greater(ticks, highest)).fill_null(True)
    instants = pc.if_else(is_far, 0, ticks)
    zoned = pc.local_timestamp(instants.cast(pa.timestamp(unit, timezone)))
    offsets = pc.divide(pc.subtract(zoned.cast(pa.int64()), instants), per_second)
    late = pc.greater_equal(instants, _LAST_TABLED_SECOND * per_second)
    if pc.any(late).as_py():
        offsets = _with_late_offsets(offsets, late, pc.divide(instants, per_second), timezone)
    return pc.if_else(is_far, 0, offsets).to_numpy(zero_copy_only=False).astype(np.int32)


def _with_late_offsets(offsets: pa.Array, late: pa.Array, seconds: pa.Array, timezone: str) -> pa.Array:
    """UTC offsets after 2037, where time zone files give a rule that Arrow does not read but `zoneinfo` does.

    The rule repeats with the calendar, so any year stands for the one 400 years later.
    """
    late = late.fill_null(False)
    zone = zoneinfo.ZoneInfo(timezone)
    quarters = pc.divide(seconds.filter(late), 900).dictionary_encode()
    cycle = 400 * 365.2425 * _SECONDS_PER_DAY
    found = []
    for quarter in quarters.dictionary.to_pylist():
        past = (quarter * 900 - _LAST_TABLED_SECOND) % int(cycle) + _LAST_TABLED_SECOND
        delta = datetime.datetime.fromtimestamp(past, zone).utcoffset()
        found.append(int(delta.total_seconds()) if delta is not None else 0)
    return pc.replace_with_mask(offsets, late, pa.array(found, pa.int64()).take(quarters.indices))


def _trim_fraction(text: pa.Array, has_fraction: bool) -> pa.Array:
    return pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".") if has_fraction else text


# ---------------------------------------------------------------- intervals


def _interval(array: pa.Array, style: TextStyle) -> pa.Array:
    cells = np.frombuffer(array.buffers()[1], _INTERVAL_LAYOUT)[array.offset : array.offset + len(array)]
    text = _interval_text(cells["months"], cells["days"], cells["nanoseconds"], style)
    return pc.if_else(array.is_valid(), text, None)


def _duration(array: pa.Array, style: TextStyle) -> pa.Array:
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    scale = 10**9 // _UNITS_PER_SECOND[array.type.unit]
    zeros = np.zeros(len(array), np.int32)
    return pc.if_else(array.is_valid(), _interval_text(zeros, zeros, ticks * scale, style), None)


def _interval_text(months: Numbers, days: Numbers, nanos: Numbers, style: TextStyle) -> pa.Array:
    """PostgreSQL's default interval style: `1 year -2 mons +3 days -04:05:06.5`.

    A positive part that follows a negative one carries a plus sign; zero parts are left out, and all zero is
    00:00:00.
    """
    if style.intervals != "postgres":
        return pgtext_styles.intervals(months, days, nanos, style.intervals)
    years = np.trunc(months / 12).astype(np.int64)
    after_minus = np.zeros(len(months), bool)
    parts = []
    for values, unit in ((years, "year"), (months - years * 12, "mon"), (days.astype(np.int64), "day")):
        sign = np.where(after_minus & (values > 0), "+", "")
        noun = np.where(values == 1, f" {unit}", f" {unit}s")
        number = pa.array(values.astype(np.int64)).cast(pa.string())
        signed = pc.binary_join_element_wise(pa.array(sign, pa.string()), number, "")
        text = pc.binary_join_element_wise(signed, pa.array(noun, pa.string()), "")
        parts.append(pc.if_else(pa.array(values != 0), text, None))
        after_minus = np.where(values != 0, values < 0, after_minus)
    no_other = (months == 0) & (days == 0)
    clock = pc.if_else(pa.array((nanos != 0) | no_other), _clock_of_interval(nanos, after_minus), None)
    return pc.binary_join_element_wise(*parts, clock, " ", null_handling="skip")


def _clock_of_interval(nanos: Numbers, after_minus: Numbers) -> pa.Array:
    sign = pa.array(np.where(nanos < 0, "-", np.where(after_minus, "+", "")), pa.string())
    size = np.abs(nanos)
    seconds, fraction = size // 10**9, size % 10**9
    fields = [seconds // 3600, seconds // 60 % 60, seconds % 60]
    padded = [pc.ascii_lpad(pa.array(f).cast(pa.string()), 2, "0") for f in fields]
    clock = pc.binary_join_element_wise(sign, pc.binary_join_element_wise(*padded, ":"), "")
    if not fraction.any():
        return clock
    digits = pc.ascii_lpad(pa.array(fraction).cast(pa.string()), 9, "0")
    return _trim_fraction(pc.binary_join_element_wise(clock, digits, "."), has_fraction=True)


# ---------------------------------------------------------------- nested values


def list_parts(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Offsets from 0 and the values they point into, of a list or map array with any slice taken."""
    offsets = array.offsets
    first = offsets[0].as_py()
    last = offsets[-1].as_py()
    return pc.subtract(offsets, first), array.values.slice(first, last - first)


def join_lists(array: pa.Array, texts: pa.Array, separator: str) -> pa.Array:
    """Each list's element texts joined, NULL where the list is NULL; `texts` are of
    `list_parts(array)[1]`."""
    offsets, _ = list_parts(array)
    mask = array.is_null() if array.null_count else None
    lists = pa.ListArray.from_arrays(offsets.cast(pa.int32()), texts, mask=mask)
    return pc.binary_join(lists, separator)


def quote(text: pa.Array, pattern: str, quote_as: str, backslash_as: str) -> pa.Array:
    """Values that match `pattern` in double quotes, with inner quotes and backslashes replaced."""
    needed = pc.match_substring_regex(text, pattern)
    if not pc.any(needed).as_py():
        return text
    inner = pc.replace_substring(pc.replace_substring(text, "\\", backslash_as), '"', quote_as)
    return pc.if_else(needed, pc.binary_join_element_wise('"', inner, '"', ""), text)


def _list(array: pa.Array, style: TextStyle) -> pa.Array:
    """`{1,NULL,"a b"}`; lists inside lists are written `{{1},{2}}` as PostgreSQL's arrays are."""
    array = array.cast(pa.list_(array.type.value_type))
    if len(array) == 0:
        return pa.array([], pa.string())
    _, values = list_parts(array)
    text = to_text_array(values, style)
    if not _is_list(values.type) and not _never_quoted(values.type):
        text = quote(text, _QUOTE_IN_ARRAY, '\\"', "\\\\")
    joined = join_lists(array, text.fill_null("NULL"), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")


def _struct(array: pa.Array, style: TextStyle) -> pa.Array:
    """`(1,"a b",)`: PostgreSQL's composite value; NULL fields are left empty."""
    fields = [quote(to_text_array(f, style), _QUOTE_IN_ROW, '""', "\\\\") for f in array.flatten()]
    if not fields:
        return pc.if_else(array.is_valid(), "()", None)
    joined = pc.binary_join_element_wise(*fields, ",", null_handling="replace", null_replacement="")
    return pc.if_else(array.is_valid(), pc.binary_join_element_wise("(", joined, ")", ""), None)


def _map(array: pa.Array, style: TextStyle) -> pa.Array:
    """`"a"=>"1", "b"=>NULL`: the text of PostgreSQL's hstore."""
    if len(array) == 0:
        return pa.array([], pa.string())
    _, entries = list_parts(array)
    keys, values = (quote(to_text_array(f, style), "", '\\"', "\\\\") for f in entries.flatten())
    return join_lists(array, pc.binary_join_element_wise(keys, values.fill_null("NULL"), "=>"), ", ")


def _is_list(dtype: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(dtype)
        or pa.types.is_large_list(dtype)
        or pa.types.is_fixed_size_list(dtype)
        or pa.types.is_list_view(dtype)
        or pa.types.is_large_list_view(dtype)
    )


def _is_binary(dtype: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(dtype)
        or pa.types.is_large_binary(dtype)
        or pa.types.is_fixed_size_binary(dtype)
        or pa.types.is_binary_view(dtype)
    )


def _never_quoted(dtype: pa.DataType) -> bool:
    """Types whose text cannot hold a blank, comma, brace or quote."""
    plain = pa.types.is_primitive(dtype) and not pa.types.is_temporal(dtype)
    return bool(plain or pa.types.is_decimal(dtype))


def _is_signed(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_signed_integer(dtype))


def _is_interval(dtype: pa.DataType) -> bool:
    return bool(dtype == pa.month_day_nano_interval())


_CONVERTERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, TextStyle], pa.Array]], ...] = (
    (pa.types.is_boolean, _bool),
    (_is_signed, _integer),
    (pa.types.is_float64, _float64),
    (pa.types.is_floating, _float32),
    (pa.types.is_decimal, _decimal),
    (_is_binary, _bytes),
    (pa.types.is_date, _date),
    (pa.types.is_time, _time),
    (pa.types.is_timestamp, _timestamp),
    (_is_interval, _interval),
    (pa.types.is_duration, _duration),
    (_is_list, _list),
    (pa.types.is_struct, _struct),
    (pa.types.is_map, _map),
)
