"""Thrift over HTTP/1.1: one POST for each call, with HTTP's basic authentication.

Only what clients of Hive send is understood.  Requests must have Thrift's content type and no Origin, so that no page
in a browser can have its reader's database do anything: browsers ask before they send such a type, and always tell the
origin.

Source: RFC 9112 (messages), RFC 7617 (basic authentication).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from sqlengine.errors import ProtocolViolation
from sqlengine.quick_dataclass import dataclass
from sqlengine.server.hive.sasl import Credentials
from sqlengine.server.hive.thrift import as_text

METHOD_LETTERS = b"CDGHOPT"
"""What the names of HTTP's methods begin with."""
CONTENT_TYPE = "application/x-thrift"
HEAD_BYTES_MAX = 32_768
_ONCE = frozenset(("authorization", "content-length", "content-type", "origin", "transfer-encoding"))
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Head:
    """Of a request: `length` of its body in bytes; `credentials` None: it has none; `waits`: for CONTINUE; `closes`:
    the connection is not to be used again."""

    length: int
    credentials: Credentials | None
    waits: bool
    closes: bool


class BadRequest(ProtocolViolation):
    """A request that is answered with a status other than 200."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


def take_head(data: bytearray) -> Head | None:
    """Take a request's head off; None while it is not all there.  BadRequest."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > HEAD_BYTES_MAX:
            raise BadRequest("431 Request Header Fields Too Large", "the head of the request is too long")
        return None
    lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    del data[: end + 4]
    return _head(lines)


def _head(lines: list[str]) -> Head:
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest("400 Bad Request", "this is no request of HTTP/1")
    if words[0] != "POST":
        raise BadRequest("405 Method Not Allowed", f"calls are POST, not {words[0][:20]}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        known = name.lower()
        if not colon or name != name.strip() or (known in headers and known in _ONCE):
            raise BadRequest("400 Bad Request", "malformed or repeated header")
        headers.setdefault(known, value.strip())
    if "origin" in headers or headers.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise BadRequest("415 Unsupported Media Type", f"only {CONTENT_TYPE} is understood, and no browser")
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not length.isascii() or not length.isdigit() or len(length) > 18:
        raise BadRequest("411 Length Required", "a Content-Length is expected")
    closes = headers.get("connection", "").lower() == "close" or words[2] == "HTTP/1.0"
    waits = headers.get("expect", "").lower() == "100-continue"
    return Head(int(length), _credentials(headers.get("authorization")), waits, closes)


def _credentials(given: str | None) -> Credentials | None:
    if given is None:
        return None
    scheme, _, encoded = given.partition(" ")
    if scheme.lower() != "basic":
        raise unauthorized("only basic authentication is understood")
    try:
        user, colon, password = as_text(base64.b64decode(encoded.strip(), validate=True)).partition(":")
    except (binascii.Error, ProtocolViolation):
        raise unauthorized("malformed credentials") from None
    if not colon or not user:
        raise unauthorized("malformed credentials")
    return Credentials(user, password)


def unauthorized(message: str) -> BadRequest:
    """For a client that has not shown who it is."""
    return BadRequest("401 Unauthorized", message)


def response(body: bytes, closes: bool) -> bytes:
    """What answers a call."""
    return _response("200 OK", CONTENT_TYPE, body, closes)


def error_response(error: BadRequest) -> bytes:
    """What answers a request that is none; the connection ends."""
    challenge = ['WWW-Authenticate: Basic realm="sqlengine"'] if error.status.startswith("401") else ()
    return _response(error.status, "text/plain; charset=utf-8", error.message.encode() + b"\n", True, challenge)


def _response(status: str, kind: str, body: bytes, closes: bool, more: Sequence[str] = ()) -> bytes:
    end = "close" if closes else "keep-alive"
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", f"Connection: {end}", *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body
