"""TextStyle: how a session has values written as text, PostgreSQL's settings of output."""

from __future__ import annotations

from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class TextStyle:
    """`timezone`: where timestamptz is shown; `dates` and `order`: the two halves of DateStyle; `intervals`:
    IntervalStyle; `float_digits`: extra_float_digits; `bytes_form`: bytea_output."""

    timezone: str = "UTC"
    dates: str = "ISO"
    order: str = "MDY"
    intervals: str = "postgres"
    float_digits: int = 1
    bytes_form: str = "hex"

    @property
    def has_day_first(self) -> bool:
        """Whether the day stands before the month."""
        return self.order == "DMY"
