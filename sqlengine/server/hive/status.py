"""Errors as clients of Hive read them: TStatus, with Hive's own words and numbers where programs look for them.

SQLAlchemy's dialect, for one, knows that a table is missing by "SemanticException ... Table not found".
"""

from __future__ import annotations

import re

from sqlengine.errors import Error, SyntaxError, UndefinedColumn, UndefinedTable  # noqa: A004 - SQL's word
from sqlengine.server.hive.thrift import i32, string, struct

SUCCESS, SUCCESS_WITH_INFO, STILL_EXECUTING, ERROR, INVALID_HANDLE = range(5)

OK = struct(i32(1, SUCCESS))

_TABLE_NOT_FOUND, _INVALID_COLUMN, _PARSE_ERROR = 10001, 10004, 40000
"""Hive's numbers of errors (ErrorMsg.java)."""
_OTHER_ERROR = 1


class InvalidHandle(Error):
    """A handle that is nobody's, of something that is closed, or of somebody else."""

    sqlstate = "HY000"


def error_status(error: BaseException) -> bytes:
    """TStatus of an error."""
    code = INVALID_HANDLE if isinstance(error, InvalidHandle) else ERROR
    return struct(i32(1, code), string(3, sqlstate(error)), i32(4, error_code(error)), string(5, message(error)))


def sqlstate(error: BaseException) -> str:
    """Its SQLSTATE; XX000 of a fault of ours."""
    return error.sqlstate if isinstance(error, Error) else "XX000"


def error_code(error: BaseException) -> int:
    """Hive's number of it, 1 for what Hive has none for."""
    if isinstance(error, UndefinedTable):
        return _TABLE_NOT_FOUND
    if isinstance(error, UndefinedColumn):
        return _INVALID_COLUMN
    return _PARSE_ERROR if isinstance(error, SyntaxError) else _OTHER_ERROR


def message(error: BaseException) -> str:
    """What it says, with detail and hint."""
    if not isinstance(error, Error):
        return "internal error"
    text = f"{_words(error)}"
    if error.detail:
        text += f"\ndetail: {error.detail}"
    return f"{text}\nhint: {error.hint}" if error.hint else text


def _words(error: Error) -> str:
    compiling = "Error while compiling statement: FAILED: "
    code = error_code(error)
    if isinstance(error, UndefinedTable):
        named = re.search(r'"([^"]+)"', error.message)
        if named is not None:
            return f"{compiling}SemanticException [Error {code}]: Table not found {named[1]}"
    if isinstance(error, UndefinedColumn):
        return f"{compiling}SemanticException [Error {code}]: {error.message}"
    if isinstance(error, SyntaxError):
        return f"{compiling}ParseException {error.message}"
    return error.message
