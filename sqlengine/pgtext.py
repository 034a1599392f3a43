"""Arrow values as PostgreSQL writes them: the one text form of every type.

The prompt's tables, CSV output, COPY and the wire protocol's text format all read this file, so a value
looks the same wherever it is seen.  Everything is computed a column at a time with Arrow kernels; only
values that no kernel spells as PostgreSQL does (years before 1, floats between 1e10 and 1e15 with a
fraction) are written one by one.  This module must not know settings, sessions or files: the time zone is
an argument.

Types that PostgreSQL lacks take the form of its nearest relative: MAP is written as `hstore` does, STRUCT
as a composite value, a duration as an interval.  Times finer than a microsecond keep their digits.
"""

from __future__ import annotations

import datetime
import itertools
import zoneinfo
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_QUOTE_IN_ARRAY = r'^$|[\s\x0b{}",\\]|^(?i:null)$'
_QUOTE_IN_ROW = r'^$|[\s\x0b(),"\\]'
_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS_PER_DAY = 86_400
_FIRST_DAY = -719_162  # 0001-01-01; earlier days are written with BC
_LAST_DAY = 11_248_737  # 32767-12-31, the last day Arrow's own cast writes
_LAST_TABLED_SECOND = 2_114_380_800  # 2037-01-01; Arrow knows no daylight saving after that year
Numbers = np.ndarray[Any, Any]
_INTERVAL_LAYOUT = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])


def to_text(array: pa.Array | pa.ChunkedArray, timezone: str = "UTC") -> list[str | None]:
    """PostgreSQL's text of each value, None for NULL; `timezone` is where timestamptz is shown."""
    texts: list[str | None] = to_text_array(array, timezone).to_pylist()
    return texts


def to_text_array(array: pa.Array | pa.ChunkedArray, timezone: str = "UTC") -> pa.Array:
    """As to_text, as an Arrow `string` array of the same length with the same nulls."""
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array.type, pa.UuidType):
        return _uuid(array.storage)
    array = _plain(array)
    for matches, convert in _CONVERTERS:
        if matches(array.type):
            return convert(array, timezone)
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


def _patch(text: pa.Array, odd: pa.Array, values: pa.Array, write: Callable[[Any], str]) -> pa.Array:
    """`text` with the rows marked in `odd` written by `write` instead."""
    odd = odd.fill_null(False)
    if not pc.any(odd).as_py():
        return text
    written = [write(value) for value in values.filter(odd).to_numpy(zero_copy_only=False)]
    return pc.replace_with_mask(text, odd, pa.array(written, pa.string()))


def _between(values: pa.Array, low: Any, high: Any) -> pa.Array:
    """low <= value < high."""
    return pc.and_(pc.greater_equal(values, low), pc.less(values, high))


# ---------------------------------------------------------------- numbers, booleans, bytes


def _bool(array: pa.Array, _timezone: str) -> pa.Array:
    return pc.if_else(array, "t", "f")


def _float32(array: pa.Array, _timezone: str) -> pa.Array:
    array = array.cast(pa.float32())
    size = pc.abs(array)
    odd = pc.or_(_between(size, 1e6, 1e10), _between(size, 1e-7, 1e-4))
    return _patch(_float(array), odd, array, lambda value: _float_text(value, exponent_from=6))


def _float64(array: pa.Array, _timezone: str) -> pa.Array:
    size = pc.abs(array)
    large = _between(size, 1e10, 1e15)
    whole = pc.and_(large, pc.equal(pc.floor(size), size)).fill_null(False)
    text = _float(array)
    if pc.any(whole).as_py():
        text = pc.if_else(whole, pc.if_else(whole, array, 0.0).cast(pa.int64()).cast(pa.string()), text)
    odd = pc.or_(pc.and_(large, pc.invert(whole)), _between(size, 1e-7, 1e-4))
    return _patch(text, odd, array, lambda value: _float_text(value, exponent_from=15))


def _float(array: pa.Array) -> pa.Array:
    """The shortest digits that read back as the same value, with PostgreSQL's names and exponents.

    PostgreSQL itself writes one digit more than the shortest for some whole numbers above 2^53 (real: 2^24);
    both read back as the same value.
    """
    text = array.cast(pa.string())
    if pc.any(pc.match_substring(text, "e")).as_py():
        text = pc.replace_substring_regex(text, r"e([+-])(\d)$", r"e\10\2")
    finite = pc.is_finite(array)
    if pc.all(finite).as_py() is False:
        text = pc.if_else(pc.is_nan(array), "NaN", text)
        text = pc.if_else(pc.is_inf(array), pc.if_else(pc.greater(array, 0), "Infinity", "-Infinity"), text)
    return text


def _float_text(value: np.floating[Any], exponent_from: int) -> str:
    """One float; exponents below -4 or from `exponent_from` on are written."""
    scientific = np.format_float_scientific(value, trim="-", exp_digits=2)
    exponent = int(scientific.partition("e")[2])
    if exponent < -4 or exponent >= exponent_from:
        return scientific
    return np.format_float_positional(value, trim="-")


def _decimal(array: pa.Array, _timezone: str) -> pa.Array:
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


def _bytes(array: pa.Array, _timezone: str) -> pa.Array:
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


def _date(array: pa.Array, _timezone: str) -> pa.Array:
    days = array.cast(pa.date32()).cast(pa.int32())
    odd = pc.or_(pc.less(days, _FIRST_DAY), pc.greater(days, _LAST_DAY))
    text = pc.if_else(odd, 0, days).cast(pa.int32()).cast(pa.date32()).cast(pa.string())
    return _patch(text, odd, days, _far_date_text)


def _time(array: pa.Array, _timezone: str) -> pa.Array:
    text = _trim_fraction(array.cast(pa.string()), has_fraction=array.type.unit != "s")
    whole_day = _SECONDS_PER_DAY * _UNITS_PER_SECOND[array.type.unit]
    number = array.cast(pa.int32() if array.type.bit_width == 32 else pa.int64())
    return _patch(text, pc.equal(number, whole_day), number, lambda value: "24:00:00")


def _timestamp(array: pa.Array, timezone: str) -> pa.Array:
    """`2024-02-29 12:00:00.5`, with an offset such as +00 or +05:30 when the type has a zone."""
    unit, zoned = array.type.unit, array.type.tz is not None
    per_day = _SECONDS_PER_DAY * _UNITS_PER_SECOND[unit]
    ticks = array.cast(pa.int64())
    lowest, highest = max(_FIRST_DAY * per_day, -(2**63) + 2), min(_LAST_DAY * per_day, 2**63 - 2)
    odd = pc.or_(pc.less(ticks, lowest), pc.greater(ticks, highest))
    near = pc.if_else(odd, 0, ticks).cast(pa.timestamp(unit))
    offset: pa.Array | str = ""
    if zoned:
        near, offset = _local(near, timezone)
    text = pc.binary_join_element_wise(_clock_text(near), offset, "")
    far_offset = "+00" if zoned else ""
    return _patch(text, odd, ticks, lambda value: _far_timestamp_text(int(value), unit, far_offset))


def _local(instants: pa.Array, timezone: str) -> tuple[pa.Array, pa.Array | str]:
    """Wall-clock times in `timezone` of UTC instants, and the text of each one's offset."""
    if timezone.upper() == "UTC":
        return instants, "+00"
    per_second = _UNITS_PER_SECOND[instants.type.unit]
    ticks = instants.cast(pa.int64())
    zoned = pc.local_timestamp(instants.cast(pa.timestamp(instants.type.unit, timezone)))
    offsets = pc.divide(pc.subtract(zoned.cast(pa.int64()), ticks), per_second)
    late = pc.greater_equal(ticks, _LAST_TABLED_SECOND * per_second)
    if pc.any(late).as_py():
        offsets = _with_late_offsets(offsets, late, pc.divide(ticks, per_second), timezone)
    codes = offsets.dictionary_encode()
    texts = pa.array([_offset_text(s) for s in codes.dictionary.to_pylist()], pa.string()).take(codes.indices)
    local = pc.add(ticks, pc.multiply(offsets, per_second))
    return local.cast(pa.timestamp(instants.type.unit)), texts


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


def _offset_text(seconds: int) -> str:
    """+00, +05:30 or, for the odd local times of old, +00:19:32."""
    hours, rest = divmod(abs(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    text = ("-" if seconds < 0 else "+") + f"{hours:02d}"
    if minutes or rest:
        text += f":{minutes:02d}"
    return text + f":{rest:02d}" if rest else text


def _clock_text(stamps: pa.Array) -> pa.Array:
    """Date and time of zoneless timestamps, with no more digits of the second than needed."""
    per_second = _UNITS_PER_SECOND[stamps.type.unit]
    ticks = stamps.cast(pa.int64())
    if per_second > 1:
        seconds = pc.divide(ticks, per_second)
        if pc.all(pc.equal(pc.multiply(seconds, per_second), ticks)).as_py() is not False:
            return stamps.cast(pa.timestamp("s")).cast(pa.string())
    return _trim_fraction(stamps.cast(pa.string()), has_fraction=per_second > 1)


def _trim_fraction(text: pa.Array, has_fraction: bool) -> pa.Array:
    return pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".") if has_fraction else text


def _far_date_text(days: int) -> str:
    """A date outside Arrow's range of years."""
    if abs(int(days)) >= 2**31 - 1:
        return "infinity" if days > 0 else "-infinity"
    year, month, day = _civil(int(days))
    return f"{year if year > 0 else 1 - year:04d}-{month:02d}-{day:02d}" + ("" if year > 0 else " BC")


def _far_timestamp_text(ticks: int, unit: str, offset: str) -> str:
    """A timestamp outside Arrow's range of years, or infinity (the two ends of int64)."""
    if abs(ticks) >= 2**63 - 1:
        return "infinity" if ticks > 0 else "-infinity"
    seconds, fraction = divmod(ticks, _UNITS_PER_SECOND[unit])
    days, seconds = divmod(seconds, _SECONDS_PER_DAY)
    date, _, era = _far_date_text(days).partition(" ")
    digits = len(str(_UNITS_PER_SECOND[unit])) - 1
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if fraction:
        clock += f".{fraction:0{digits}d}".rstrip("0")
    return f"{date} {clock}{offset}" + (f" {era}" if era else "")


def _civil(days: int) -> tuple[int, int, int]:
    """Proleptic Gregorian year (0 = 1 BC), month and day of a day number counted from 1970-01-01.

    Howard Hinnant's `civil_from_days` (https://howardhinnant.github.io/date_algorithms.html).
    """
    era, day_of_era = divmod(days + 719_468, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


# ---------------------------------------------------------------- intervals


def _interval(array: pa.Array, _timezone: str) -> pa.Array:
    cells = np.frombuffer(array.buffers()[1], _INTERVAL_LAYOUT)[array.offset : array.offset + len(array)]
    text = _interval_text(cells["months"], cells["days"], cells["nanoseconds"])
    return pc.if_else(array.is_valid(), text, None)


def _duration(array: pa.Array, _timezone: str) -> pa.Array:
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    scale = 10**9 // _UNITS_PER_SECOND[array.type.unit]
    zeros = np.zeros(len(array), np.int32)
    return pc.if_else(array.is_valid(), _interval_text(zeros, zeros, ticks * scale), None)


def _interval_text(months: Numbers, days: Numbers, nanos: Numbers) -> pa.Array:
    """PostgreSQL's default interval style: `1 year -2 mons +3 days -04:05:06.5`.

    A positive part that follows a negative one carries a plus sign; zero parts are left out, and all zero is
    00:00:00.
    """
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


def _list(array: pa.Array, timezone: str) -> pa.Array:
    """`{1,NULL,"a b"}`; lists inside lists are written `{{1},{2}}` as PostgreSQL's arrays are."""
    array = array.cast(pa.list_(array.type.value_type))
    if len(array) == 0:
        return pa.array([], pa.string())
    _, values = list_parts(array)
    text = to_text_array(values, timezone)
    if not _is_list(values.type) and not _never_quoted(values.type):
        text = quote(text, _QUOTE_IN_ARRAY, '\\"', "\\\\")
    joined = join_lists(array, text.fill_null("NULL"), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")


def _struct(array: pa.Array, timezone: str) -> pa.Array:
    """`(1,"a b",)`: PostgreSQL's composite value; NULL fields are left empty."""
    fields = [quote(to_text_array(f, timezone), _QUOTE_IN_ROW, '""', "\\\\") for f in array.flatten()]
    if not fields:
        return pc.if_else(array.is_valid(), "()", None)
    joined = pc.binary_join_element_wise(*fields, ",", null_handling="replace", null_replacement="")
    return pc.if_else(array.is_valid(), pc.binary_join_element_wise("(", joined, ")", ""), None)


def _map(array: pa.Array, timezone: str) -> pa.Array:
    """`"a"=>"1", "b"=>NULL`: the text of PostgreSQL's hstore."""
    if len(array) == 0:
        return pa.array([], pa.string())
    _, entries = list_parts(array)
    keys, values = (quote(to_text_array(f, timezone), "", '\\"', "\\\\") for f in entries.flatten())
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


def _is_interval(dtype: pa.DataType) -> bool:
    return bool(dtype == pa.month_day_nano_interval())


_CONVERTERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, str], pa.Array]], ...] = (
    (pa.types.is_boolean, _bool),
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
