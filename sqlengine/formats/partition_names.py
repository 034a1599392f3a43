"""Names of Hive's partition directories, `column=value`, and rows put together by what such names are made of.

Values are percent-encoded where Hive does it (FileUtils.escapePathName), so that no value leads out of its directory;
NULL is `__HIVE_DEFAULT_PARTITION__`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NULL = "__HIVE_DEFAULT_PARTITION__"
_ESCAPED = {chr(code): f"%{code:02X}" for code in (*range(32), 127, *b"\"#%'*/:=?\\{[]^")}
_CODES = re.compile(r"(?:%[0-9a-fA-F]{2})+")


def escaped(text: str) -> str:
    """A column's name or a value as part of a directory's name. A value that would read as NULL is told from it."""
    made = "".join(_ESCAPED.get(c, c) for c in text)
    return f"%{ord(made[0]):02X}{made[1:]}" if made == NULL else made


def unescaped(text: str) -> str:
    """The text behind an escaped name. Hive escapes characters below 128 only; others escape the bytes of UTF-8."""
    return _CODES.sub(lambda codes: _decoded(codes[0]), text)


def _decoded(codes: str) -> str:
    return bytes.fromhex(codes.replace("%", "")).decode("utf-8", "replace")


def grouped(
    parts: Sequence[tuple[npt.NDArray[np.integer], int]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows put together by their codes. `parts`: (code of each row, number of codes), of each key.

    Returns (int64[n] rows in the order of their groups, stable; int64[groups + 1] where each group begins in it).
    """
    number = np.zeros(len(parts[0][0]), dtype=np.int64)
    room = 1
    for codes, count in parts:
        if room * max(count, 1) >= 1 << 62:
            _, number = np.unique(number, return_inverse=True)
            room = int(number.max(initial=0)) + 1
        number = number * count + codes
        room *= max(count, 1)
    if room <= 1 << 16:
        number = number.astype(np.uint16)  # NumPy sorts these by radix
    order = np.argsort(number, kind="stable")
    sorted_numbers = number[order]
    starts = (
        np.flatnonzero(np.r_[True, sorted_numbers[1:] != sorted_numbers[:-1]]) if len(number) else np.zeros(0, np.int64)
    )
    return order, np.r_[starts, len(number)].astype(np.int64)
