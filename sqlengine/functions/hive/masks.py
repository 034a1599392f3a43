"""Hive's masking functions: letters and digits of texts, digits of whole numbers, parts of dates (GenericUDFMask*).

Options are constants in Hive; here they may be columns.  -1 for a character keeps what is there, and so for the parts
of a date.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from sqlengine import errors
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.registry import Function, Kernel, scalar
from sqlengine.types import is_integer, is_text, to_sql

_CHARACTERS = ("X", "x", "n", None)
"""What stands for capitals, small letters, digits and others; None keeps them."""
Where = Callable[[int, int], tuple[int, int]]
"""(length, count) -> from where to where characters are masked."""


def _character(option: Any, default: str | None) -> str | None:
    """A character: the first of a text, the code of a number, -1 none."""
    if option is None or option == "":
        return default
    if isinstance(option, (int, float)):
        return None if option == -1 else chr(int(option) & 0xFFFF)
    return str(option)[0]


def _number(option: Any, default: int) -> int:
    try:
        return default if option is None or option == "" else int(option)
    except ValueError:
        return default


@lru_cache(maxsize=4096)
def _kind(mark: str) -> int:
    return {"Lu": 0, "Ll": 1, "Nd": 2}.get(unicodedata.category(mark), 3)


def _text(value: str, start: int, end: int, by: Sequence[str | None]) -> str:
    middle = "".join(c if (made := by[_kind(c)]) is None else made for c in value[start:end])
    return value[:start] + middle + value[end:]


def _whole(value: int, digit: int, bits: int, where: Callable[[int], tuple[int, int]]) -> int:
    """Digits replaced, those of places `start` to `end` from the left; a result too long keeps its low bits."""
    digits = str(abs(value))
    start, end = where(len(digits))
    made = int(digits[:start] + str(digit) * (end - start) + digits[end:])
    made = -made if value < 0 else made
    return int(np.array(made & (2**bits - 1), dtype=np.uint64).astype(f"int{bits}"))


def _day(value: dt.date, day: int, month: int, year: int) -> dt.date | None:
    """Parts of a date; None where there is no such day (year 0 is none that we can write)."""
    day = 1 if day != -1 and not 1 <= day <= 31 else day
    month = 0 if month != -1 and not 0 <= month <= 11 else month
    try:
        return dt.date(
            value.year if year == -1 else year,
            value.month if month == -1 else month + 1,
            value.day if day == -1 else day,
        )
    except ValueError:
        return None


def _masked(where: Where, counted: bool) -> Callable[[Sequence[pa.DataType], pa.DataType], Kernel]:
    """The factory of a masking function; `counted`: its second argument is how many characters it speaks of."""

    def factory(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        def body(value: Any, *options: Any) -> Any:
            if value is None:
                return None
            count, rest = (_number(options[0] if options else None, 4), options[1:]) if counted else (0, options)
            count = max(count, 0)
            given = (*rest, *[None] * (8 - len(rest)))
            if is_text(result):
                by = [_character(o, d) for o, d in zip(given, _CHARACTERS, strict=False)]
                return _text(value, *where(len(value), count), by)
            if is_integer(result):
                digit = _number(given[4], 1)
                digit = digit if 0 <= digit <= 9 else 1
                return _whole(value, digit, result.bit_width, lambda length: where(length, count))
            day, month, year = (_number(o, d) for o, d in zip(given[5:8], (1, 0, 0), strict=True))
            return _day(value, day, month, year)

        return per_distinct(result, body, strict=False)

    return factory


def _type(args: Sequence[Any]) -> pa.DataType:
    kind = args[0].type
    if is_text(kind) or is_integer(kind) or kind == pa.date32():
        return kind
    raise errors.DatatypeMismatch(f"masks are of texts, whole numbers and dates, not {to_sql(kind)}")


def _mask(name: str, words: str, example: str, where: Where, counted: bool = True) -> Function:
    return scalar(
        f"hive${name}(value any) -> any; hive${name}(value any, VARIADIC options any) -> any",
        words,
        example=example,
        strict=False,
        factory=True,
        result_type=_type,
    )(_masked(where, counted))


_OPTIONS = "then what stands for capitals (X), small letters (x), digits (n), others, and digits of numbers (1)"
mask = _mask(
    "mask",
    f"the value made unreadable; {_OPTIONS}, and the day (1), month (0) and year (0) of dates",
    "mask('TestString-123', 'X', 'x', '0', ':') = 'XxxxXxxxxx:000'",
    lambda length, count: (0, length),
    counted=False,
)
mask_first_n = _mask(
    "mask_first_n",
    f"the value with its first n (4) characters masked; {_OPTIONS}",
    "mask_first_n('TestString-123', 4) = 'XxxxString-123'",
    lambda length, count: (0, min(count, length)),
)
mask_last_n = _mask(
    "mask_last_n",
    f"the value with its last n (4) characters masked; {_OPTIONS}",
    "mask_last_n('TestString-123', 4) = 'TestString-nnn'",
    lambda length, count: (max(length - count, 0), length),
)
mask_show_first_n = _mask(
    "mask_show_first_n",
    f"the value with all but its first n (4) characters masked; {_OPTIONS}",
    "mask_show_first_n('TestString-123', 4) = 'TestXxxxxx-nnn'",
    lambda length, count: (min(count, length), length),
)
mask_show_last_n = _mask(
    "mask_show_last_n",
    f"the value with all but its last n (4) characters masked; {_OPTIONS}",
    "mask_show_last_n('TestString-123', 4) = 'XxxxXxxxxx-123'",
    lambda length, count: (0, max(length - count, 0)),
)
