"""Errors of paths: those that predicates and `silent` calls keep to themselves, and those that they do not."""

from __future__ import annotations

from sqlengine.errors import DataError


class Unsuppressed(DataError):
    """What neither a `silent` call nor a predicate keeps to itself."""


def error(sqlstate: str, message: str, hint: str | None = None) -> DataError:
    """An error that a `silent` call and predicates keep to themselves."""
    return DataError(message, sqlstate=sqlstate, hint=hint)
