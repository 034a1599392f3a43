"""Arrow's complaints inside kernels, as our errors with SQLSTATE.

Why: kernels use Arrow's checked functions, whose errors are one class with a message; the message is the only sign.
"""

from __future__ import annotations

import re

import pyarrow as pa

from sqlengine import errors
from sqlengine.duck_wording import reworded
from sqlengine.types import to_sql

_RULES: tuple[tuple[str, type[errors.Error], str], ...] = (
    ("divide by zero|division by zero", errors.DivisionByZero, "division by zero"),
    ("square root of negative", errors.OutOfRange, "cannot take square root of a negative number"),
    ("logarithm of zero", errors.OutOfRange, "cannot take logarithm of zero"),
    ("logarithm of negative", errors.OutOfRange, "cannot take logarithm of a negative number"),
    ("domain error", errors.OutOfRange, "input is out of range"),
    ("shift amount", errors.OutOfRange, "shift amount out of range"),
    (
        "convert -?(nan|inf)|overflow|not in range|out of bounds|does not fit|precision|would lose|truncated|data loss",
        errors.OutOfRange,
        "",
    ),
    ("regular expression|regex", errors.DataError, ""),
    ("parse|convert|expected", errors.InvalidText, ""),
)


def translate_arrow(err: Exception, result: pa.DataType | None = None) -> errors.Error:
    """The error a row of a kernel's input caused; `result` names the type that overflowed."""
    text = str(err).splitlines()[0]
    for pattern, found, message in _RULES:
        if re.search(pattern, text, re.IGNORECASE):
            if found is errors.OutOfRange and not message and result is not None:
                if pa.types.is_decimal(result):
                    return _too_wide(result)
                return found(f"{to_sql(result)} out of range")
            return reworded(message) or found(message or _lower(text))
    if isinstance(err, pa.ArrowNotImplementedError):
        return errors.InternalError(_lower(text))
    return errors.DataError(_lower(text))


def _too_wide(kind: pa.DataType) -> errors.Error:
    whole = kind.precision - kind.scale
    return errors.OutOfRange(
        "numeric field overflow",
        detail=f"a field with precision {kind.precision}, scale {kind.scale} must round to an absolute value less "
        f"than {'1' if whole == 0 else f'10^{whole}'}",
    )


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")
