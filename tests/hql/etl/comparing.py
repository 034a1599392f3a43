"""Rows of two engines in a form in which they can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = tuple[Any, ...]


def comparable(rows: Iterable[Row]) -> list[Row]:
    """Rows in an order of their own; doubles to six digits behind the point, maps and structs as sorted pairs."""
    return sorted((tuple(_value(value) for value in row) for row in rows), key=str)


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return sorted(value.items())
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return sorted(value)
    return value
