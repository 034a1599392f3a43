"""Thrift's binary protocol (strict): messages that arrive in any pieces to dictionaries, and values to bytes.

A struct is read as {field's number: value}; what a field means is the caller's to know, and one of another type than
the caller expects counts as absent, as Thrift has it.  Everything a client sends is bounded: its bytes, the elements of
its containers, their nesting.  Why not a library: those that there are make an object of every value, and results are
columns.

Source: thrift-binary-protocol.md of Apache Thrift.
"""

from __future__ import annotations

import struct as packing
from collections.abc import Generator, Iterable, Mapping
from typing import Any, TypeAlias

from sqlengine.errors import ProtocolViolation
from sqlengine.quick_dataclass import dataclass

STOP, BOOL, BYTE, DOUBLE, I16, I32, I64 = 0, 2, 3, 4, 6, 8, 10
STRING, STRUCT, MAP, SET, LIST = 11, 12, 13, 14, 15
CALL, REPLY, EXCEPTION, ONEWAY = 1, 2, 3, 4
UNKNOWN_METHOD, INTERNAL_ERROR, PROTOCOL_ERROR = 1, 6, 7
"""Of TApplicationException."""

ELEMENTS_MAX = 100_000
"""Values in one message of a client."""
NESTING_MAX = 16
_NAME_BYTES_MAX = 128
_VERSION = 0x80010000
_FIXED = {BOOL: ">?", BYTE: ">b", DOUBLE: ">d", I16: ">h", I32: ">i", I64: ">q"}

Fields: TypeAlias = dict[int, Any]
Reading: TypeAlias = Generator[None, None, Any]
"""Yields while bytes are missing; returns what was read."""


@dataclass(frozen=True, slots=True)
class Call:
    """A client calls a method; `fields`: of the struct of its arguments."""

    name: str
    sequence: int
    fields: Fields


class Decoder:
    """`feed` it bytes, ask for the `next` call; `bytes_max` of one message may be changed between them."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._data = bytearray()
        self._at = 0
        self._elements = 0
        self._reading: Reading | None = None

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their message."""
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Bytes that have come; ProtocolViolation (08P01) when a message is too long."""
        self._data += data

    def next(self) -> Call | None:
        """The next call; None when it is not all there.  ProtocolViolation (08P01) for what is none."""
        if self._reading is None:
            if not self._data:
                return None
            self._reading, self._at, self._elements = self._message(), 0, 0
        try:
            next(self._reading)
        except StopIteration as ended:
            self._reading = None
            del self._data[: self._at]
            found: Call = ended.value
            return found
        if len(self._data) > self.bytes_max:
            raise _too_long()
        return None

    # ------------------------------------------------------------ pieces

    def _message(self) -> Reading:
        version = (yield from self._number(">I", 4)) & 0xFFFFFFFF
        if version & 0xFFFFFF00 != _VERSION:
            raise ProtocolViolation("this is no message of Thrift's strict binary protocol")
        if version & 0xFF not in (CALL, ONEWAY):
            raise ProtocolViolation("a call is expected of a client")
        name = yield from self._bytes(_NAME_BYTES_MAX)
        sequence = yield from self._number(">i", 4)
        fields = yield from self._struct(0)
        return Call(name.decode("ascii", "replace"), sequence, fields)

    def _take(self, count: int) -> Reading:
        if self._at + count > self.bytes_max:
            raise _too_long()
        while len(self._data) - self._at < count:
            yield
        found = bytes(self._data[self._at : self._at + count])
        self._at += count
        return found

    def _number(self, form: str, size: int) -> Reading:
        return packing.unpack(form, (yield from self._take(size)))[0]

    def _bytes(self, most: int | None = None) -> Reading:
        size = yield from self._number(">i", 4)
        if size < 0 or (most is not None and size > most):
            raise ProtocolViolation(f"a text of {size} bytes cannot be")
        return (yield from self._take(size))

    def _value(self, kind: int, depth: int) -> Reading:
        self._count(1)
        form = _FIXED.get(kind)
        if form is not None:
            return (yield from self._number(form, packing.calcsize(form)))
        if depth >= NESTING_MAX:
            raise ProtocolViolation("the message is nested too deeply")
        match kind:
            case 11:
                return (yield from self._bytes())
            case 12:
                return (yield from self._struct(depth + 1))
            case 13:
                return (yield from self._map(depth + 1))
            case 14 | 15:
                return (yield from self._list(depth + 1))
        raise ProtocolViolation(f"there is no type of number {kind}")

    def _struct(self, depth: int) -> Reading:
        fields: Fields = {}
        while kind := (yield from self._number(">B", 1)):
            number = yield from self._number(">h", 2)
            fields[number] = yield from self._value(kind, depth)
        return fields

    def _list(self, depth: int) -> Reading:
        kind = yield from self._number(">B", 1)
        found = []
        for _ in range((yield from self._size())):
            found.append((yield from self._value(kind, depth)))
        return found

    def _map(self, depth: int) -> Reading:
        kinds = yield from self._take(2)
        found = []
        for _ in range((yield from self._size())):
            key = yield from self._value(kinds[0], depth)
            found.append((key, (yield from self._value(kinds[1], depth))))
        return Pairs(found)

    def _size(self) -> Reading:
        size = yield from self._number(">i", 4)
        if size < 0:
            raise ProtocolViolation(f"a container of {size} elements cannot be")
        self._count(size)
        self._elements -= size
        return size

    def _count(self, more: int) -> None:
        self._elements += more
        if self._elements > ELEMENTS_MAX:
            raise ProtocolViolation("the message has too many values")


class Pairs(list[tuple[Any, Any]]):
    """The entries of a map, whose keys need not be hashable."""


def _too_long() -> ProtocolViolation:
    return ProtocolViolation("the message is too long")


# ---------------------------------------------------------------- what a caller expects of fields


def text_of(fields: Fields, number: int) -> str | None:
    """A string, None where there is none; ProtocolViolation (08P01) for bytes that are no UTF-8."""
    found = fields.get(number)
    return as_text(found) if isinstance(found, bytes) else None


def as_text(data: bytes) -> str:
    """The text of bytes; ProtocolViolation (22021) for what is no UTF-8, or has NUL in it."""
    try:
        found = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolViolation("invalid byte sequence for encoding UTF8", sqlstate="22021") from None
    if "\0" in found:
        raise ProtocolViolation("a text with a NUL character cannot be", sqlstate="22021")
    return found


def texts_of(fields: Fields, number: int) -> dict[str, str]:
    """A map of texts, empty where there is none."""
    found = fields.get(number)
    pairs = found if isinstance(found, Pairs) else ()
    return {as_text(k): as_text(v) for k, v in pairs if isinstance(k, bytes) and isinstance(v, bytes)}


def number_of(fields: Fields, number: int, default: int = 0) -> int:
    """An integer, or the default."""
    found = fields.get(number)
    return found if isinstance(found, int) else default


def struct_of(fields: Fields, number: int) -> Fields:
    """The fields of a struct, none where there is none."""
    found = fields.get(number)
    return found if isinstance(found, dict) else {}


# ---------------------------------------------------------------- values to bytes


def number(kind: int, value: float) -> bytes:
    """A value of a fixed size; kind: BOOL, BYTE, I16, I32, I64 or DOUBLE."""
    return packing.pack(_FIXED[kind], value)


def binary(value: bytes | str) -> bytes:
    """A string or bytes, behind its length."""
    data = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return packing.pack(">i", len(data)) + data


def struct(*fields: bytes) -> bytes:
    """A struct of fields made by `field`; empty ones are those that are absent."""
    return b"".join(fields) + b"\0"


def field(kind: int, identifier: int, value: bytes | None) -> bytes:
    """A field of a struct; None: absent."""
    return b"" if value is None else packing.pack(">Bh", kind, identifier) + value


def i32(identifier: int, value: int | None) -> bytes:
    """An i32 field, or an enum's."""
    return b"" if value is None else field(I32, identifier, number(I32, value))


def i64(identifier: int, value: int | None) -> bytes:
    """An i64 field."""
    return b"" if value is None else field(I64, identifier, number(I64, value))


def boolean(identifier: int, value: bool | None) -> bytes:
    """A bool field."""
    return b"" if value is None else field(BOOL, identifier, number(BOOL, value))


def double(identifier: int, value: float | None) -> bytes:
    """A double field."""
    return b"" if value is None else field(DOUBLE, identifier, number(DOUBLE, value))


def string(identifier: int, value: bytes | str | None) -> bytes:
    """A string field."""
    return b"" if value is None else field(STRING, identifier, binary(value))


def list_head(kind: int, size: int) -> bytes:
    """What stands before the elements of a list."""
    return packing.pack(">Bi", kind, size)


def listed(kind: int, values: Iterable[bytes]) -> bytes:
    """A list of values."""
    found = list(values)
    return list_head(kind, len(found)) + b"".join(found)


def mapped(value_kind: int, entries: Mapping[str, bytes]) -> bytes:
    """A map from texts."""
    head = packing.pack(">BBi", STRING, value_kind, len(entries))
    return head + b"".join(binary(key) + value for key, value in entries.items())


def reply(call: Call, response: bytes) -> bytes:
    """The message that answers a call; response: a struct."""
    return _head(REPLY, call) + struct(field(STRUCT, 0, response))


def refusal(call: Call, kind: int, message: str) -> bytes:
    """A TApplicationException in place of an answer."""
    return _head(EXCEPTION, call) + struct(string(1, message), i32(2, kind))


def _head(kind: int, call: Call) -> bytes:
    name = call.name.encode("ascii", "replace")
    return packing.pack(">I", _VERSION | kind) + binary(name) + packing.pack(">i", call.sequence)
