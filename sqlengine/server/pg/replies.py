"""What the server sends: messages as bytes, ready to be joined.

Rows are made by encode.py, all else is here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from sqlengine.errors import Error, InternalError
from sqlengine.pg_encodings import UTF8, Encoding
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Notice

TEXT, BINARY = 0, 1
IDLE, IN_TRANSACTION, FAILED = b"I", b"T", b"E"
"""Where a session stands, as ReadyForQuery says it."""


def message(kind: bytes, contents: bytes = b"") -> bytes:
    """A message of its kind."""
    return kind + (len(contents) + 4).to_bytes(4, "big") + contents


def cstring(text: str, encoding: Encoding = UTF8) -> bytes:
    """Text and a zero byte; what cannot be said in between is left out."""
    return encoding.encode_message(text.replace("\0", "")) + b"\0"


PARSE_COMPLETE = message(b"1")
BIND_COMPLETE = message(b"2")
CLOSE_COMPLETE = message(b"3")
NO_DATA = message(b"n")
PORTAL_SUSPENDED = message(b"s")
EMPTY_QUERY = message(b"I")
COPY_DONE = message(b"c")


# ---------------------------------------------------------------- start-up


def authentication(code: int, data: bytes = b"") -> bytes:
    """A request for authentication; 0 = it is done."""
    return message(b"R", code.to_bytes(4, "big") + data)


AUTHENTICATED = authentication(0)


def sasl_mechanisms(names: Iterable[str]) -> bytes:
    """AuthenticationSASL."""
    return authentication(10, b"".join(map(cstring, names)) + b"\0")


def sasl_continue(data: bytes) -> bytes:
    """AuthenticationSASLContinue."""
    return authentication(11, data)


def sasl_final(data: bytes) -> bytes:
    """AuthenticationSASLFinal."""
    return authentication(12, data)


def negotiate_version(minor: int, unknown_options: Sequence[str]) -> bytes:
    """NegotiateProtocolVersion: the newest minor version of 3 spoken here, and options not known."""
    return message(b"v", struct.pack("!ii", minor, len(unknown_options)) + b"".join(map(cstring, unknown_options)))


def backend_key(pid: int, key: bytes) -> bytes:
    """BackendKeyData: what a CancelRequest has to say."""
    return message(b"K", struct.pack("!i", pid) + key)


def parameter_status(name: str, value: str, encoding: Encoding = UTF8) -> bytes:
    """ParameterStatus: a setting's present value."""
    return message(b"S", cstring(name) + cstring(value, encoding))


def ready(status: bytes) -> bytes:
    """ReadyForQuery."""
    return message(b"Z", status)


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Column:
    """A column as RowDescription tells of it; `size` -1 = it varies, `modifier` -1 = none."""

    name: str
    oid: int
    size: int = -1
    modifier: int = -1
    table_oid: int = 0
    number: int = 0


def row_description(columns: Sequence[Column], formats: Sequence[int], encoding: Encoding = UTF8) -> bytes:
    """RowDescription, with a format for each column."""
    told = [
        cstring(column.name, encoding)
        + struct.pack("!IhIhih", column.table_oid, column.number, column.oid, column.size, column.modifier, code)
        for column, code in zip(columns, formats, strict=True)
    ]
    return message(b"T", struct.pack("!H", len(told)) + b"".join(told))


def parameter_description(oids: Sequence[int]) -> bytes:
    """ParameterDescription."""
    return message(b"t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def complete(tag: str) -> bytes:
    """CommandComplete."""
    return message(b"C", cstring(tag))


def copy_in(binary: bool, columns: int) -> bytes:
    """CopyInResponse: send me rows."""
    return message(b"G", _copy(binary, columns))


def copy_out(binary: bool, columns: int) -> bytes:
    """CopyOutResponse: rows follow."""
    return message(b"H", _copy(binary, columns))


def _copy(binary: bool, columns: int) -> bytes:
    return struct.pack(f"!bH{columns}h", binary, columns, *[int(binary)] * columns)


def copy_data(data: bytes) -> bytes:
    """CopyData."""
    return message(b"d", data)


# ---------------------------------------------------------------- errors and notices


def error(problem: BaseException, text: str | None = None, severity: str = "ERROR", encoding: Encoding = UTF8) -> bytes:
    """ErrorResponse; `text`: the script positions in the error count in."""
    return message(b"E", _fields(encoding, severity, *_told(problem), _position(problem, text)))


def notice(told: Notice, encoding: Encoding = UTF8) -> bytes:
    """NoticeResponse."""
    return message(b"N", _fields(encoding, told.severity, told.sqlstate, told, None, None, None))


def notification(pid: int, channel: str, payload: str, encoding: Encoding = UTF8) -> bytes:
    """NotificationResponse: of what LISTEN asked for."""
    return message(b"A", struct.pack("!i", pid) + cstring(channel, encoding) + cstring(payload, encoding))


def _told(problem: BaseException) -> tuple[str, str, str | None, str | None]:
    """SQLSTATE, message, detail and hint; what is no error of ours is our fault."""
    if isinstance(problem, Error):
        return problem.sqlstate, problem.message, problem.detail, problem.hint
    return InternalError.sqlstate, f"{type(problem).__name__}: {problem}", None, None


def _position(problem: BaseException, text: str | None) -> int | None:
    """Counted in characters from 1."""
    at = problem.position if isinstance(problem, Error) else None
    return None if at is None or text is None or not 0 <= at <= len(text) else at + 1


def _fields(
    encoding: Encoding,
    severity: str,
    sqlstate: str,
    text: str,
    detail: str | None,
    hint: str | None,
    position: int | None,
) -> bytes:
    found = {"S": severity, "V": severity, "C": sqlstate, "M": text, "D": detail, "H": hint, "P": position}
    told = [code.encode() + cstring(str(value), encoding) for code, value in found.items() if value is not None]
    return b"".join(told) + b"\0"
