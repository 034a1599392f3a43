"""The one tree of errors.

Every error carries a five-character SQLSTATE, a lower-case message without a final stop (PostgreSQL's style), and,
where known, a detail, a hint and the position in the statement's text (0-based character offset).  The first level
of the tree is DB-API 2.0's, so `except sqlengine.ProgrammingError` works as PEP 249 readers expect; the leaves are one
class per SQLSTATE we raise.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Warning(Exception):  # noqa: A001 - the name is PEP 249's
    """PEP 249 Warning; never raised by us, present because drivers must have it."""


class Error(Exception):
    """Base of every error.

    `message` is one lower-case sentence; `position` is a 0-based character offset into the statement's text, or None;
    `sqlstate` overrides the class's own code.
    """

    sqlstate = "XX000"

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        position: int | None = None,
        sqlstate: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        if sqlstate is not None:
            self.sqlstate = sqlstate

    def __str__(self) -> str:
        return self.message

    def at(self, position: int | None) -> Error:
        """Fill in the position if none is known yet; returns self, so `raise err.at(p)` reads well."""
        if self.position is None:
            self.position = position
        return self


class InterfaceError(Error):
    """Misuse of the Python API itself (closed cursor, wrong argument)."""

    sqlstate = "08003"


class DatabaseError(Error):
    """Anything the database reports."""


class DataError(DatabaseError):
    """A value is at fault."""

    sqlstate = "22000"


class OperationalError(DatabaseError):
    """The environment is at fault: disk, lock, limits."""

    sqlstate = "58000"


class IntegrityError(DatabaseError):
    """A constraint is violated."""

    sqlstate = "23000"


class InternalError(DatabaseError):
    """Our own fault."""

    sqlstate = "XX000"


class ProgrammingError(DatabaseError):
    """The statement is at fault."""

    sqlstate = "42000"


class NotSupportedError(DatabaseError):
    """A feature that is not there; the message names it."""

    sqlstate = "0A000"


class ReservedName(ProgrammingError):
    """A name that is kept for the engine."""

    sqlstate = "42939"


class SyntaxError(ProgrammingError):  # noqa: A001 - SQL's word for it
    """The text is not a statement."""

    sqlstate = "42601"


class UndefinedTable(ProgrammingError):
    """No relation or topic of that name."""

    sqlstate = "42P01"


class UndefinedColumn(ProgrammingError):
    """No column of that name in reach."""

    sqlstate = "42703"


class AmbiguousColumn(ProgrammingError):
    """A column name that means several columns."""

    sqlstate = "42702"


class UndefinedFunction(ProgrammingError):
    """No function or operator of that name for those argument types."""

    sqlstate = "42883"


class UndefinedObject(ProgrammingError):
    """No setting, type, query, sink or other named thing of that name."""

    sqlstate = "42704"


class DuplicateTable(ProgrammingError):
    """The name is taken."""

    sqlstate = "42P07"


class DuplicateObject(ProgrammingError):
    """The name of something that is no relation is taken."""

    sqlstate = "42710"


class DuplicateColumn(ProgrammingError):
    """A column named twice."""

    sqlstate = "42701"


class DuplicateAlias(ProgrammingError):
    """A table name or alias used twice in one FROM."""

    sqlstate = "42712"


class WrongObjectType(ProgrammingError):
    """The object is of another kind than the statement needs."""

    sqlstate = "42809"


class DatatypeMismatch(ProgrammingError):
    """An expression has another type than its place asks for."""

    sqlstate = "42804"


class CannotCoerce(ProgrammingError):
    """No cast leads from one type to the other."""

    sqlstate = "42846"


class GroupingError(ProgrammingError):
    """A column that is neither grouped nor aggregated, or an aggregate where none may stand."""

    sqlstate = "42803"


class WindowingError(ProgrammingError):
    """A window function where none may stand."""

    sqlstate = "42P20"


class DuplicateFunction(ProgrammingError):
    """A function of that name is there already."""

    sqlstate = "42723"


class InvalidDefinition(ProgrammingError):
    """An object is declared in a way that cannot work."""

    sqlstate = "42P17"


class InvalidParameter(ProgrammingError):
    """A WITH option or setting has a bad name or value."""

    sqlstate = "22023"


class InsufficientPrivilege(ProgrammingError):
    """The role may not do this."""

    sqlstate = "42501"


class InvalidGrant(ProgrammingError):
    """A privilege that objects of this kind do not have, or a membership that cannot be."""

    sqlstate = "0LP01"


class InvalidAuthorization(OperationalError):
    """The role may not log in, or not in this way."""

    sqlstate = "28000"


class InvalidPassword(OperationalError):
    """The password is wrong, or the role has none."""

    sqlstate = "28P01"


class TooManyConnections(OperationalError):
    """A role or the server has as many connections as it may have."""

    sqlstate = "53300"


class DependentObjects(ProgrammingError):
    """Other objects still need this one."""

    sqlstate = "2BP01"


class TooComplex(OperationalError):
    """Statement too long, nested too deep, or a list too large (guards of sql/)."""

    sqlstate = "54001"


class TooLarge(OperationalError):
    """A value would be larger than a value may be: 1 GB of text, 134217727 elements of an array."""

    sqlstate = "54000"


class InvalidText(DataError):
    """Text that is not a value of the wanted type."""

    sqlstate = "22P02"


class OutOfRange(DataError):
    """A number does not fit its type."""

    sqlstate = "22003"


class StringTooLong(DataError):
    """A text has more characters than its column's VARCHAR(n) or CHAR(n)."""

    sqlstate = "22001"


class DivisionByZero(DataError):
    """A division by zero."""

    sqlstate = "22012"


class InvalidDatetime(DataError):
    """Text that is no date, time or interval."""

    sqlstate = "22007"


class InvalidPattern(DataError):
    """A pattern of to_char, to_number or to_date that contradicts itself."""

    sqlstate = "42601"


class SkipFailed(DataError):
    """AFTER MATCH SKIP TO a row that a match does not have (2202K), or to its first (2202L)."""

    sqlstate = "2202K"


class BadCopyFormat(DataError):
    """A record that is not of the stated format."""

    sqlstate = "22P04"


class NotNullViolation(IntegrityError):
    """NULL in a NOT NULL column."""

    sqlstate = "23502"


class CheckViolation(IntegrityError):
    """A row for which a CHECK is false."""

    sqlstate = "23514"


class UniqueViolation(IntegrityError):
    """A second row of the same primary key."""

    sqlstate = "23505"


class ProtocolViolation(OperationalError):
    """A client of the wire protocol has sent what the protocol does not allow."""

    sqlstate = "08P01"


class SerializationFailure(OperationalError):
    """Another session changed what a transaction changes, and was first."""

    sqlstate = "40001"


class AdminShutdown(OperationalError):
    """The server ends a connection."""

    sqlstate = "57P01"


class FailedTransaction(OperationalError):
    """A transaction in which a statement has failed takes nothing but its end."""

    sqlstate = "25P02"


class QueryCanceled(OperationalError):
    """Cancelled by the user or by a time-out."""

    sqlstate = "57014"


class ScriptFailed(OperationalError):
    """A program that a query runs has ended with an error, or has not kept to its limits."""

    sqlstate = "38000"


class DiskFull(OperationalError):
    """No space left: appends are refused, reads go on."""

    sqlstate = "53100"


class OutOfMemory(OperationalError):
    """The memory limit is reached."""

    sqlstate = "53200"


class ObjectNotReady(OperationalError):
    """The object is not in a state in which this can be done."""

    sqlstate = "55000"


class ObjectInUse(OperationalError):
    """Another process has the data directory open."""

    sqlstate = "55006"


class HistoryGone(OperationalError):
    """What is asked for lies before the history that is kept."""

    sqlstate = "72000"


class FileUnavailable(OperationalError):
    """A file is missing or cannot be read."""

    sqlstate = "58P01"


class DataCorrupted(OperationalError):
    """A file does not hold what was written."""

    sqlstate = "XX001"


class TransactionError(ProgrammingError):
    """A transaction statement out of place."""

    sqlstate = "25000"


class AssertionFailed(DatabaseError):
    """`ASSERT ...` in a SQL script did not hold."""

    sqlstate = "P0004"


def nearest(name: str, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """The up to `limit` candidates that look most like `name`, best first."""
    return difflib.get_close_matches(name, list(candidates), n=limit, cutoff=0.6)


DID_YOU_MEAN = "did you mean "


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """A hint such as `did you mean "orders" or "order"?`, or None when nothing is near."""
    near = nearest(name, candidates)
    if not near:
        return None
    return DID_YOU_MEAN + " or ".join(f'"{n}"' for n in near) + "?"
