"""What clients send: the contents of packets as frozen data.

Every function raises ProtocolViolation (08P01) for contents that are too short, too long or malformed, and InvalidText
(22021) for text that is not in the client's encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import field

from sqlengine.errors import ProtocolViolation
from sqlengine.pg_encodings import UTF8, Encoding
from sqlengine.quick_dataclass import dataclass

SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80_877_103, 80_877_104, 80_877_102
_INT16, _UINT16, _INT32, _UINT32 = struct.Struct("!h"), struct.Struct("!H"), struct.Struct("!i"), struct.Struct("!I")


class Reader:
    """Reads a packet's contents from front to back."""

    def __init__(self, data: bytes, encoding: Encoding = UTF8) -> None:
        self._data = data
        self._encoding = encoding
        self._at = 0

    def _unpack(self, form: struct.Struct) -> int:
        if self._at + form.size > len(self._data):
            raise ProtocolViolation("insufficient data left in message")
        (value,) = form.unpack_from(self._data, self._at)
        self._at += form.size
        return int(value)

    def int16(self) -> int:
        """Signed, big-endian."""
        return self._unpack(_INT16)

    def count(self) -> int:
        """How many of something follow: unsigned, as PostgreSQL allows 65,535 parameters."""
        return self._unpack(_UINT16)

    def int32(self) -> int:
        """Signed, big-endian."""
        return self._unpack(_INT32)

    def uint32(self) -> int:
        """Unsigned, big-endian."""
        return self._unpack(_UINT32)

    def take(self, length: int) -> bytes:
        """So many bytes."""
        if length < 0 or self._at + length > len(self._data):
            raise ProtocolViolation("insufficient data left in message")
        self._at += length
        return self._data[self._at - length : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def text(self) -> str:
        """Text up to its zero byte."""
        end = self._data.find(0, self._at)
        if end < 0:
            raise ProtocolViolation("invalid string in message")
        found = self._data[self._at : end]
        self._at = end + 1
        return self._encoding.decode(found)

    def value(self) -> bytes | None:
        """A length and so many bytes; None for NULL."""
        length = self.int32()
        return None if length == -1 else self.take(length)

    @property
    def is_at_end(self) -> bool:
        """Whether everything has been read."""
        return self._at == len(self._data)

    def end(self) -> None:
        """Nothing may be left."""
        if not self.is_at_end:
            raise ProtocolViolation("invalid message format")


# ---------------------------------------------------------------- before a session


@dataclass(frozen=True, slots=True)
class SslRequest:
    """May we talk encrypted?"""


@dataclass(frozen=True, slots=True)
class GssRequest:
    """May we talk encrypted by GSSAPI?"""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """End what another connection is doing; `key` is the secret it was told."""

    pid: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Startup:
    """`version`: (major, minor) of the protocol asked for."""

    version: tuple[int, int]
    parameters: Mapping[str, str] = field(default_factory=dict)


def read_startup(data: bytes) -> SslRequest | GssRequest | CancelRequest | Startup:
    """The contents of a start-up packet."""
    reader = Reader(data)
    code = reader.uint32()
    if code == SSL_REQUEST:
        reader.end()
        return SslRequest()
    if code == GSSENC_REQUEST:
        reader.end()
        return GssRequest()
    if code == CANCEL_REQUEST:
        pid, key = reader.int32(), reader.rest()
        if not 4 <= len(key) <= 256:
            raise ProtocolViolation("invalid length of query cancel packet")
        return CancelRequest(pid, key)
    version = (code >> 16, code & 0xFFFF)
    parameters: dict[str, str] = {}
    while version[0] == 3 and (name := reader.text()):
        parameters[name] = reader.text()
    if version[0] == 3:
        reader.end()
    return Startup(version, parameters)


# ---------------------------------------------------------------- in a session


@dataclass(frozen=True, slots=True)
class Query:
    """Run a script."""

    text: str


@dataclass(frozen=True, slots=True)
class Parse:
    """Keep a statement under a name; `oids`: the types of its first parameters, 0 = not said."""

    name: str
    text: str
    oids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bind:
    """Give a statement values.  Formats: none = all text, one = of all, else one each; 0 text, 1 binary."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]
    result_formats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Describe:
    """What a statement ('S') or portal ('P') takes and gives."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Execute:
    """Run a portal; `max_rows` 0 = to its end."""

    portal: str
    max_rows: int


@dataclass(frozen=True, slots=True)
class Close:
    """Forget a statement ('S') or portal ('P')."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Send what you have."""


@dataclass(frozen=True, slots=True)
class Sync:
    """The batch ends here."""


@dataclass(frozen=True, slots=True)
class CopyData:
    """A piece of what COPY FROM STDIN reads."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CopyDone:
    """That was all of it."""


@dataclass(frozen=True, slots=True)
class CopyFail:
    """It is not to be taken."""

    reason: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """Good-bye."""


@dataclass(frozen=True, slots=True)
class Password:
    """A step of authentication; what is in it depends on what was asked."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """Call a function by its oid: nobody has for twenty years."""


Message = (
    Query
    | Parse
    | Bind
    | Describe
    | Execute
    | Close
    | Flush
    | Sync
    | CopyData
    | CopyDone
    | CopyFail
    | Terminate
    | Password
    | FunctionCall
)


def read_message(kind: bytes, data: bytes, encoding: Encoding = UTF8) -> Message:
    """A message by its kind and contents, its texts in this encoding."""
    read = _READERS.get(kind)
    if read is None:
        raise ProtocolViolation(f"invalid frontend message type {kind[0]}")
    reader = Reader(data, encoding)
    made = read(reader)
    reader.end()
    return made


def _parse(reader: Reader) -> Parse:
    name, text = reader.text(), reader.text()
    return Parse(name, text, tuple(reader.uint32() for _ in range(reader.count())))


def _bind(reader: Reader) -> Bind:
    portal, statement = reader.text(), reader.text()
    formats = _formats(reader)
    values = tuple(reader.value() for _ in range(reader.count()))
    if len(formats) not in (0, 1, len(values)):
        raise ProtocolViolation(f"bind message has {len(formats)} parameter formats but {len(values)} parameters")
    return Bind(portal, statement, formats, values, _formats(reader))


def _formats(reader: Reader) -> tuple[int, ...]:
    formats = tuple(reader.int16() for _ in range(reader.count()))
    for code in formats:
        if code not in (0, 1):
            raise ProtocolViolation(f"unsupported format code: {code}", sqlstate="22023")
    return formats


def _kind(reader: Reader) -> str:
    kind = reader.take(1)
    if kind not in (b"S", b"P"):
        raise ProtocolViolation(f"invalid DESCRIBE or CLOSE message subtype {kind[0]}")
    return kind.decode()


_READERS: dict[bytes, Callable[[Reader], Message]] = {
    b"Q": lambda reader: Query(reader.text()),
    b"P": _parse,
    b"B": _bind,
    b"D": lambda reader: Describe(_kind(reader), reader.text()),
    b"E": lambda reader: Execute(reader.text(), reader.int32()),
    b"C": lambda reader: Close(_kind(reader), reader.text()),
    b"H": lambda reader: Flush(),
    b"S": lambda reader: Sync(),
    b"d": lambda reader: CopyData(reader.rest()),
    b"c": lambda reader: CopyDone(),
    b"f": lambda reader: CopyFail(reader.text()),
    b"X": lambda reader: Terminate(),
    b"p": lambda reader: Password(reader.rest()),
    b"F": lambda reader: _function_call(reader),
}


def _function_call(reader: Reader) -> FunctionCall:
    reader.rest()
    return FunctionCall()
