"""What went wrong in the background, as an error that can be shown and kept."""

from __future__ import annotations

from sqlengine.errors import Error, FileUnavailable, InternalError, OperationalError
from storage import StorageError

RETRY_AFTER_US = 1_000_000
"""The wait after an output has failed; it doubles with every other failure, up to RETRY_AFTER_MAX_US."""
RETRY_AFTER_MAX_US = 60_000_000


def as_error(error: Exception) -> Error:
    """The error with a SQLSTATE; a fault of ours is an InternalError (XX000) caused by it."""
    if isinstance(error, Error):
        return error
    if isinstance(error, StorageError):
        return OperationalError(str(error), hint=error.hint, sqlstate=error.sqlstate)
    if isinstance(error, OSError):
        return FileUnavailable(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
    failure = InternalError(f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
