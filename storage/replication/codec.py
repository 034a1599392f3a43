"""Messages as bytes and back, so that any transport can carry them.

A message is the version (1 byte), its kind (1 byte, `KINDS`), then its fields in the order of the class: integers as 8
bytes (signed, little-endian), bytes with their length as 4 bytes before them, tuples with their number of elements as
4 bytes before them, messages within messages as their fields. Whoever frames the bytes checks them for damage; this
module only refuses what is no message.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from enum import IntEnum
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints

from storage.errors import StorageError, UnknownVersion
from storage.replication import messages as m
from storage.replication.controller import Saved

VERSION = 1

KINDS: MappingProxyType[int, type] = MappingProxyType(
    {
        1: m.Append,
        2: m.Appended,
        3: m.AppendRefused,
        4: m.Fetch,
        5: m.Stored,
        6: m.Fetched,
        7: m.Diverging,
        8: m.Fenced,
        9: m.Register,
        10: m.Registered,
        11: m.Unregistered,
        12: m.Heartbeat,
        13: m.ProposeIsr,
        14: m.Decided,
        15: m.Reassign,
        16: m.SetMinInsync,
        17: m.ElectUnclean,
        18: m.Answered,
        19: Saved,
        20: m.Resign,
    }
)
"""Kind numbers; a number is never used for another class. `Saved` is what a controller keeps on disk."""

_NUMBERS = {kind: number for number, kind in KINDS.items()}
_INTEGER = struct.Struct("<q")
_LENGTH = struct.Struct("<I")


class MalformedMessage(StorageError):
    """Bytes that are not a message of a known kind, or are longer or shorter than it."""

    sqlstate = "08P01"


Writer = Callable[[Any, bytearray], None]
Reader = Callable[[memoryview, int], tuple[Any, int]]


def encode(message: m.Message | Saved) -> bytes:
    """The bytes of a message. TypeError if it is none."""
    number = _NUMBERS.get(type(message))
    if number is None:
        raise TypeError(f"{type(message).__name__} is not a message")
    out = bytearray((VERSION, number))
    _CODECS[type(message)][0](message, out)
    return bytes(out)


def decode(data: bytes) -> m.Message | Saved:
    """The message that `data` is. MalformedMessage, or UnknownVersion for what a newer version wrote."""
    view = memoryview(data)
    if len(view) < 2:
        raise MalformedMessage(f"a message of {len(view)} bytes is too short")
    if view[0] != VERSION:
        raise UnknownVersion(f"messages of version {view[0]} are not known, only of {VERSION}")
    kind = KINDS.get(view[1])
    if kind is None:
        raise MalformedMessage(f"unknown kind {view[1]} of message")
    try:
        message, end = _CODECS[kind][1](view, 2)
    except (struct.error, ValueError) as error:
        raise MalformedMessage(f"malformed {kind.__name__}: {error}") from error
    if end != len(view):
        raise MalformedMessage(f"malformed {kind.__name__}: {len(view) - end} bytes too many")
    return message


def _codec(annotation: Any) -> tuple[Writer, Reader]:
    """How a field of that type is written and read."""
    if annotation is bool:
        return _write_integer, _reader_of(_boolean)
    if annotation is int:
        return _write_integer, _read_integer
    if annotation is bytes:
        return _write_bytes, _read_bytes
    if get_origin(annotation) is tuple:
        return _tuple_codec(get_args(annotation)[0])
    if issubclass(annotation, IntEnum):
        return _write_integer, _reader_of(annotation)
    return _class_codec(annotation)


def _boolean(value: int) -> bool:
    """0 or 1 as a bool."""
    if value not in (0, 1):
        raise ValueError(f"{value} is neither true nor false")
    return value == 1


def _write_integer(value: int, out: bytearray) -> None:
    out += _INTEGER.pack(value)


def _read_integer(view: memoryview, at: int) -> tuple[int, int]:
    return _INTEGER.unpack_from(view, at)[0], at + _INTEGER.size


def _reader_of(convert: Callable[[int], Any]) -> Reader:
    """Reads an integer that stands for something else; ValueError if it does not."""

    def read(view: memoryview, at: int) -> tuple[Any, int]:
        value, at = _read_integer(view, at)
        return convert(value), at

    return read


def _write_bytes(value: bytes, out: bytearray) -> None:
    out += _LENGTH.pack(len(value))
    out += value


def _read_bytes(view: memoryview, at: int) -> tuple[bytes, int]:
    start = at + _LENGTH.size
    end = start + _LENGTH.unpack_from(view, at)[0]
    if end > len(view):
        raise ValueError("bytes that go beyond its end")
    return bytes(view[start:end]), end


def _tuple_codec(element: Any) -> tuple[Writer, Reader]:
    """A tuple of any length; what a wrong length makes it read ends with the data at the latest."""
    write_one, read_one = _codec(element)

    def write(value: tuple[Any, ...], out: bytearray) -> None:
        out += _LENGTH.pack(len(value))
        for item in value:
            write_one(item, out)

    def read(view: memoryview, at: int) -> tuple[tuple[Any, ...], int]:
        (length,) = _LENGTH.unpack_from(view, at)
        at += _LENGTH.size
        items = []
        for _ in range(length):
            item, at = read_one(view, at)
            items.append(item)
        return tuple(items), at

    return write, read


def _class_codec(kind: type) -> tuple[Writer, Reader]:
    """A dataclass: its fields one after another."""
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    codecs = [_codec(hints[name]) for name in names]

    def write(value: Any, out: bytearray) -> None:
        for name, (write_field, _) in zip(names, codecs, strict=True):
            write_field(getattr(value, name), out)

    def read(view: memoryview, at: int) -> tuple[Any, int]:
        values = []
        for _, read_field in codecs:
            value, at = read_field(view, at)
            values.append(value)
        return kind(*values), at

    return write, read


_CODECS = {kind: _class_codec(kind) for kind in KINDS.values()}
