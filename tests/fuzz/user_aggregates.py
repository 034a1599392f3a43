"""Aggregates a program registers, and what DuckDB calls the same."""

from __future__ import annotations

from sqlengine.api.database import Database


class Xor:
    """Can take rows back and be merged."""

    def __init__(self) -> None:
        self.rows, self.bits = 0, 0

    def add(self, value: int) -> None:
        """A row came."""
        self.rows, self.bits = self.rows + 1, self.bits ^ value

    def remove(self, value: int) -> None:
        """A row went."""
        self.rows, self.bits = self.rows - 1, self.bits ^ value

    def merge(self, other: Xor) -> None:
        """Take another's rows in."""
        self.rows, self.bits = self.rows + other.rows, self.bits ^ other.bits

    def result(self) -> int | None:
        """NULL of no rows."""
        return self.bits if self.rows else None


class Least:
    """Can do neither: the rows of each group are kept for it."""

    def __init__(self) -> None:
        self.least: int | None = None

    def add(self, value: int) -> None:
        """A row came."""
        self.least = value if self.least is None else min(self.least, value)

    def result(self) -> int | None:
        """NULL of no rows."""
        return self.least


USER_AGGREGATES = (("user_xor", "bit_xor"), ("user_least", "min"))


def register(db: Database) -> None:
    """Make them known."""
    db.aggregate("user_xor(value bigint) -> bigint")(Xor)
    db.aggregate("user_least(value bigint) -> bigint")(Least)
