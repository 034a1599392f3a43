"""Typed: a parameter's value as drivers send it."""

from __future__ import annotations

from typing import Any

from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Typed:
    """A value in the text form of its type, as drivers send values; a list holds elements."""

    value: str | list[Any] | None
    type_name: str
