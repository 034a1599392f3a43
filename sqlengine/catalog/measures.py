"""Lengths of time and sizes as options have them: text to microseconds and bytes."""

from __future__ import annotations

import re

from sqlengine import sql
from sqlengine.errors import InvalidParameter

_SIZE = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?i?b?)\s*$", re.IGNORECASE)
_UNITS = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1000,
    "kib": 1024,
    "m": 10**6,
    "mb": 10**6,
    "mib": 2**20,
    "g": 10**9,
    "gb": 10**9,
    "gib": 2**30,
    "t": 10**12,
    "tb": 10**12,
    "tib": 2**40,
}


def duration_us(text: str) -> int:
    """An option such as '10 seconds' in microseconds; InvalidParameter when it is in months or no interval."""
    interval = sql.parse_interval(text)
    if interval.months:
        raise InvalidParameter(f'"{text}" is not a fixed length of time', hint="use days or shorter units")
    return interval.days * 86_400_000_000 + interval.microseconds


def size_bytes(text: str, name: str) -> int:
    """'10 GB', the value of option `name`, in bytes."""
    found = _SIZE.match(text)
    if found is None or found[2].lower() not in _UNITS:
        raise InvalidParameter(
            f'invalid value for option "{name}": "{text}"', hint="a size such as 512 MB or 10 GB is expected"
        )
    return int(float(found[1]) * _UNITS[found[2].lower()])
