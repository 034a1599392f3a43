"""Arrow values as Hive shows them: the text of its command line and of HiveServer2, of every type.

Everything is computed a column at a time; what PostgreSQL writes the same way is pgtext.py's.  This module must not
know settings, sessions or files: the time zone is an argument.

    numbers      1, 1.5, 1.0E20 (Java's Double.toString), decimals with all digits of their scale
    times        2024-02-29, 2024-02-29 12:00:00.5; with a zone 2024-02-29 12:00:00.0 Europe/Berlin
    intervals    1-2 of years and months, 3 04:05:06.000000000 of days and time
    ARRAY, MAP, STRUCT   like JSON: [1,null], {"a":1}, {"name":"x"}; keys that are numbers stand without quotes

Source: SerDeUtils.getJSONString, TimestampTZUtil, HiveIntervalYearMonth and HiveIntervalDayTime of Apache Hive.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.pgtext import join_lists, list_parts, to_text_array
from sqlengine.warehouse.value_texts import java_double_text

_INTERVAL_LAYOUT = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])
_NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_ESCAPES = [("\\", "\\\\"), ('"', '\\"')] + [(chr(c), json.dumps(chr(c))[1:-1]) for c in range(32)]
_NEEDS_ESCAPE = r'[\x00-\x1f"\\]'
Numbers = np.ndarray[Any, Any]


def to_hive_text(array: pa.Array, timezone: str = "UTC") -> pa.Array:
    """Each value's text as a `string` array of the same length with the same nulls; `timezone` is where times with a
    zone are shown."""
    if pa.types.is_string(array.type):
        return array
    plain = _plain(array)
    for matches, convert in _CONVERTERS:
        if matches(plain.type):
            return convert(plain, timezone)
    return to_text_array(array)


def _plain(array: pa.Array) -> pa.Array:
    """The values without dictionary or run-end encoding."""
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    return pc.run_end_decode(array) if pa.types.is_run_end_encoded(array.type) else array


# ---------------------------------------------------------------- scalars


def _bool(array: pa.Array, _timezone: str) -> pa.Array:
    return pc.if_else(array, "true", "false")


def _float(array: pa.Array, _timezone: str) -> pa.Array:
    return java_double_text(array.cast(pa.float32()) if pa.types.is_float16(array.type) else array)


def _zoned(array: pa.Array, timezone: str) -> pa.Array:
    local = to_text_array(pc.local_timestamp(array.cast(pa.timestamp(array.type.unit, timezone))))
    fraction = pc.if_else(pc.match_substring(local, "."), "", ".0")
    return pc.binary_join_element_wise(local, fraction, f" {timezone}", "")


def _interval(array: pa.Array, _timezone: str) -> pa.Array:
    """Hive has two types of intervals; a value that has parts of both is written as one behind the other."""
    cells = np.frombuffer(array.buffers()[1], _INTERVAL_LAYOUT)[array.offset : array.offset + len(array)]
    months = _months(cells["months"])
    days = _day_time(cells["days"].astype(np.int64), cells["nanoseconds"])
    has_months = pa.array(cells["months"] != 0)
    has_days = pa.array((cells["days"] != 0) | (cells["nanoseconds"] != 0))
    both = pc.if_else(has_days, pc.binary_join_element_wise(months, days, " "), months)
    return pc.if_else(array.is_valid(), pc.if_else(has_months, both, days), None)


def _duration(array: pa.Array, _timezone: str) -> pa.Array:
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    per_day = 86_400 * 10**9 // _NANOS[array.type.unit]
    days = np.trunc(ticks / per_day).astype(np.int64)
    text = _day_time(days, (ticks - days * per_day) * _NANOS[array.type.unit])
    return pc.if_else(array.is_valid(), text, None)


def _months(months: Numbers) -> pa.Array:
    size = np.abs(months.astype(np.int64))
    sign = pa.array(np.where(months < 0, "-", ""), pa.string())
    parts = (pa.array(v).cast(pa.string()) for v in (size // 12, size % 12))
    return pc.binary_join_element_wise(sign, pc.binary_join_element_wise(*parts, "-"), "")


def _day_time(days: Numbers, nanos: Numbers) -> pa.Array:
    """`-3 04:05:06.000000000`: one sign for all, as Hive has it."""
    seconds, rest = np.divmod(nanos, 10**9)
    total = days * 86_400 + seconds
    is_negative = total < 0
    carried = is_negative & (rest > 0)
    size = np.abs(total + carried)
    fraction = np.where(carried, 10**9 - rest, rest)
    fields = ((size // 3600 % 24, 2), (size // 60 % 60, 2), (size % 60, 2))
    clock = pc.binary_join_element_wise(*(_padded(v, width) for v, width in fields), ":")
    sign = pa.array(np.where(is_negative, "-", ""), pa.string())
    whole = pa.array(size // 86_400).cast(pa.string())
    return pc.binary_join_element_wise(sign, whole, " ", clock, ".", _padded(fraction, 9), "")


def _padded(values: Numbers, width: int) -> pa.Array:
    return pc.ascii_lpad(pa.array(values.astype(np.int64)).cast(pa.string()), width, "0")


# ---------------------------------------------------------------- nested values


def _nested(array: pa.Array, timezone: str) -> pa.Array:
    return pc.if_else(array.is_valid(), _json(array, timezone), None)


def _json(array: pa.Array, timezone: str) -> pa.Array:
    """Each value as it stands within another; NULL is `null`."""
    array = _plain(array)
    kind = array.type
    if not len(array):
        return pa.array([], pa.string())
    if pa.types.is_struct(kind):
        return _struct(array, timezone)
    if pa.types.is_map(kind):
        return _map(array, timezone)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lists = array.cast(pa.list_(kind.value_type))
        _, values = list_parts(lists)
        return _enclosed("[", join_lists(lists, _json(values, timezone), ","), "]")
    text = to_hive_text(array, timezone)
    if not _stands_bare(kind):
        text = _quoted(text)
    return pc.coalesce(text, "null")


def _stands_bare(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
        or _is_binary(kind)
    )


def _struct(array: pa.StructArray, timezone: str) -> pa.Array:
    pieces: list[Any] = []
    for index, field in enumerate(array.type):
        pieces += [("," if index else "{") + f'"{field.name}":', _json(array.flatten()[index], timezone)]
    text = pc.binary_join_element_wise(*pieces, "}", "") if pieces else pa.array(["{}"] * len(array))
    return pc.if_else(array.is_valid(), text, "null")


def _map(array: pa.MapArray, timezone: str) -> pa.Array:
    _, entries = list_parts(array)
    keys, items = entries.flatten()
    members = pc.binary_join_element_wise(_json(keys, timezone), _json(items, timezone), ":")
    return _enclosed("{", join_lists(array, members, ","), "}")


def _enclosed(opening: str, text: pa.Array, closing: str) -> pa.Array:
    return pc.coalesce(pc.binary_join_element_wise(opening, text, closing, ""), "null")


def _quoted(text: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(text, _NEEDS_ESCAPE)).as_py():
        for raw, escaped in _ESCAPES:
            text = pc.replace_substring(text, raw, escaped)
    return pc.binary_join_element_wise('"', text, '"', "")


def _binary(array: pa.Array, _timezone: str) -> pa.Array:
    """The bytes as text; those that are no UTF-8 as U+FFFD."""
    plain = array.cast(pa.binary())
    try:
        return plain.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if v is None else v.decode("utf-8", "replace") for v in plain.to_pylist()], pa.string())


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _is_zoned(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz is not None)


def _is_interval(kind: pa.DataType) -> bool:
    return bool(kind == pa.month_day_nano_interval())


_CONVERTERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, str], pa.Array]], ...] = (
    (pa.types.is_boolean, _bool),
    (pa.types.is_floating, _float),
    (_is_binary, _binary),
    (_is_zoned, _zoned),
    (_is_interval, _interval),
    (pa.types.is_duration, _duration),
    (pa.types.is_nested, _nested),
)
