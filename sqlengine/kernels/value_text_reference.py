"""The loops of `value_text.pyx` with Arrow's casts: same functions, same bytes, several times slower.

Why: runs where there is no compiled extension, and says in readable form what the compiled loops must do.  Values that
no Arrow kernel spells as PostgreSQL does (years before 1, floats between 1e10 and 1e15 with a fraction) are written one
by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]
Bounds = npt.NDArray[np.int32]
Numbers = npt.NDArray[Any]
Made = tuple[Bytes, Bounds]

_SECONDS_PER_DAY = 86_400
_FIRST_DAY = -719_162  # 0001-01-01; earlier days are written with BC
_LAST_DAY = 11_248_737  # 32767-12-31, the last day Arrow's own cast writes
_UNITS = {1: "s", 10**3: "ms", 10**6: "us", 10**9: "ns"}


def _array(values: Numbers, valid: Bytes | None) -> pa.Array:
    return pa.array(values, mask=None if valid is None else valid == 0)


def _made(text: pa.Array) -> Made:
    """The bytes and offsets of a string array whose NULLs are empty."""
    _, offsets, data = pa.concat_arrays([text.fill_null("")]).buffers()
    bounds = np.frombuffer(offsets, np.int32)[: len(text) + 1] if len(text) else np.zeros(1, np.int32)
    contents = np.frombuffer(data, np.uint8)[: bounds[-1]] if data is not None else np.empty(0, np.uint8)
    return contents, bounds


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


# ---------------------------------------------------------------- numbers


def integers(values: npt.NDArray[np.int64], valid: Bytes | None) -> Made:
    """(texts' bytes, int32[n + 1] offsets); `valid`: None = all are; a NULL's text is empty."""
    return _made(_array(values, valid).cast(pa.string()))


def floats(values: Numbers, valid: Bytes | None, exponent_from: int) -> Made:
    """As `integers`: the shortest digits that read back as the same value; exponents below -4 and from `exponent_from`
    on are written."""
    array = _array(values, valid)
    size = pc.abs(array)
    large = _between(size, 10.0 ** min(exponent_from, 10), 10.0 ** max(exponent_from, 10))
    text = _float(array)
    if exponent_from > 10:
        whole = pc.and_(large, pc.equal(pc.floor(size), size)).fill_null(False)
        if pc.any(whole).as_py():
            text = pc.if_else(whole, pc.if_else(whole, array, 0.0).cast(pa.int64()).cast(pa.string()), text)
        large = pc.and_(large, pc.invert(whole))
    odd = pc.or_(large, _between(size, 1e-7, 1e-4))
    return _made(_patch(text, odd, array, lambda value: _float_text(value, exponent_from)))


def _float(array: pa.Array) -> pa.Array:
    """Arrow's text with PostgreSQL's names and exponents."""
    text = array.cast(pa.string())
    if pc.any(pc.match_substring(text, "e")).as_py():
        text = pc.replace_substring_regex(text, r"e([+-])(\d)$", r"e\10\2")
    finite = pc.is_finite(array)
    if pc.all(finite).as_py() is False:
        text = pc.if_else(pc.is_nan(array), "NaN", text)
        text = pc.if_else(pc.is_inf(array), pc.if_else(pc.greater(array, 0), "Infinity", "-Infinity"), text)
    return text


def _float_text(value: np.floating[Any], exponent_from: int) -> str:
    scientific = np.format_float_scientific(value, trim="-", exp_digits=2)
    exponent = int(scientific.partition("e")[2])
    if exponent < -4 or exponent >= exponent_from:
        return scientific
    return np.format_float_positional(value, trim="-")


# ---------------------------------------------------------------- dates and times


def dates(days: npt.NDArray[np.int32], valid: Bytes | None) -> Made:
    """As `integers`: days counted from 1970-01-01; the two ends of int32 are the infinite ones."""
    array = _array(days, valid)
    odd = pc.or_(pc.less(array, _FIRST_DAY), pc.greater(array, _LAST_DAY))
    text = pc.if_else(odd, 0, array).cast(pa.int32()).cast(pa.date32()).cast(pa.string())
    return _made(_patch(text, odd, array, _far_date_text))


def timestamps(ticks: npt.NDArray[np.int64], valid: Bytes | None, per_second: int, zone: npt.NDArray[np.int32]) -> Made:
    """As `integers`: ticks of the wall clock since 1970-01-01, so many a second; `zone`: each one's offset from UTC in
    seconds, written behind it (one value: that of all; none: not written).  The two ends of int64 are the infinite
    ones."""
    array = _array(ticks, valid)
    per_day = _SECONDS_PER_DAY * per_second
    lowest, highest = max(_FIRST_DAY * per_day, -(2**63) + 2), min(_LAST_DAY * per_day, 2**63 - 2)
    odd = pc.or_(pc.less(array, lowest), pc.greater(array, highest))
    near = pc.if_else(odd, 0, array).cast(pa.timestamp(_UNITS[per_second]))
    offsets = pa.array([_offset_text(int(s)) for s in zone], pa.string()) if len(zone) else pa.array([""])
    behind = offsets[0] if len(offsets) == 1 else offsets
    text = pc.binary_join_element_wise(_clock_text(near, per_second), behind, "")
    far = pc.binary_join_element_wise(array.cast(pa.string()), behind, " ")
    return _made(_patch(text, odd, far, lambda value: _far_timestamp_text(value, per_second)))


def _offset_text(seconds: int) -> str:
    """+00, +05:30 or, for the odd local times of old, +00:19:32."""
    hours, rest = divmod(abs(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    text = ("-" if seconds < 0 else "+") + f"{hours:02d}"
    if minutes or rest:
        text += f":{minutes:02d}"
    return text + f":{rest:02d}" if rest else text


def _clock_text(stamps: pa.Array, per_second: int) -> pa.Array:
    """Date and time of zoneless timestamps, with no more digits of the second than needed."""
    text = stamps.cast(pa.string())
    return pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".") if per_second > 1 else text


def _far_date_text(days: int) -> str:
    """A date outside Arrow's range of years, or infinity."""
    if abs(int(days)) >= 2**31 - 1:
        return "infinity" if days > 0 else "-infinity"
    return _date_text(int(days))


def _far_timestamp_text(value: str, per_second: int) -> str:
    """A timestamp outside Arrow's range of years, or infinity; `value`: the ticks and the offset's text."""
    number, _, offset = value.partition(" ")
    ticks = int(number)
    if abs(ticks) >= 2**63 - 1:
        return "infinity" if ticks > 0 else "-infinity"
    seconds, fraction = divmod(ticks, per_second)
    days, seconds = divmod(seconds, _SECONDS_PER_DAY)
    date, _, era = _date_text(days).partition(" ")
    digits = len(str(per_second)) - 1
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if fraction:
        clock += f".{fraction:0{digits}d}".rstrip("0")
    return f"{date} {clock}{offset}" + (f" {era}" if era else "")


def _date_text(days: int) -> str:
    year, month, day = _civil(days)
    return f"{year if year > 0 else 1 - year:04d}-{month:02d}-{day:02d}" + ("" if year > 0 else " BC")


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
