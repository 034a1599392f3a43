"""Values of parameters: what Bind brings, in text or binary, as typed literals.

A value becomes its type's text form and is cast by the engine, so that text and binary mean the same and bad text is
refused in one place.  The binary layouts are those of PostgreSQL's receive functions.
"""

from __future__ import annotations

import datetime as dt
import json
import struct
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sqlengine.array_text import braces_to_json
from sqlengine.errors import InvalidText, OutOfRange, ProtocolViolation
from sqlengine.pg_encodings import UTF8, Encoding
from sqlengine.pgtext import to_text
from sqlengine.server.pg.binary import DAYS_TO_2000, US_TO_2000
from sqlengine.server.pg.messages import Reader
from sqlengine.server.pg.oids import NUMBERED
from sqlengine.server.pg.replies import BINARY
from sqlengine.sql import Typed
from sqlengine.types import INTERVAL, TIMESTAMP, TIMESTAMPTZ, UUID, is_json, to_sql

JSONB = 3802
"""Its binary form begins with a version, 1."""


def parameter(value: bytes | None, code: int, kind: pa.DataType, oid: int, encoding: Encoding = UTF8) -> Typed:
    """A value for a parameter of type `kind` that the client was told, or has declared, as `oid`.

    Raises ProtocolViolation (08P01, 22P03) for bytes that are no value of the type, InvalidText (22P02, 22021) for text
    that is none.
    """
    if value is None:
        return Typed(None, to_sql(kind))
    if code != BINARY:
        text = encoding.decode(value)
        found: Any = _elements(text, kind) if pa.types.is_list(kind) else text
    else:
        found = from_binary(value, kind, oid, encoding)
    return Typed(found, to_sql(_as_deep(found, kind)))


def _as_deep(value: Any, kind: pa.DataType) -> pa.DataType:
    """An array's type with as many dimensions as the value has: PostgreSQL's does not say how many."""
    if not pa.types.is_list(kind):
        return kind
    inner = kind.value_type if pa.types.is_list(kind.value_type) else pa.list_(kind.value_type)
    deepest = [_as_deep(v.value, inner) for v in value if isinstance(v.value, list)]
    return pa.list_(deepest[0]) if deepest else kind


def from_binary(data: bytes, kind: pa.DataType, oid: int, encoding: Encoding = UTF8) -> Any:
    """The text of a binary value, of an array a list of its elements."""
    if pa.types.is_list(kind):
        return _array(Reader(data, encoding), kind.value_type, encoding)
    if is_json(kind):
        return encoding.decode(data[1:] if oid == JSONB and data[:1] == b"\x01" else data)
    read = _whole if oid in NUMBERED else _READERS.get(_key(kind))
    if read is None:
        return encoding.decode(data)
    try:
        return read(data, oid)
    except (struct.error, ValueError) as error:
        raise ProtocolViolation(
            f"incorrect binary data format for a parameter of type {to_sql(kind)}", sqlstate="22P03", detail=str(error)
        ) from None


def _key(kind: pa.DataType) -> Any:
    return "numeric" if pa.types.is_decimal(kind) else kind


def _elements(text: str, kind: pa.DataType) -> list[Any]:
    """The elements of an array's text, as values of its element type."""
    found = braces_to_json(pa.array([text]))[0].as_py()
    try:
        items = json.loads(found)
    except ValueError:
        items = None
    if not isinstance(items, list):
        raise InvalidText(f'malformed array literal: "{text}"', hint="an array is written {a,b,...}")
    return _typed_elements(items, kind)


def _typed_elements(items: list[Any], kind: pa.DataType) -> list[Any]:
    """JSON's idea of the elements as typed texts; nested braces are dimensions of one array."""
    inner = kind.value_type
    made: list[Any] = []
    for item in items:
        if isinstance(item, list):
            deeper = inner if pa.types.is_list(inner) else pa.list_(inner)
            made.append(Typed(_typed_elements(item, deeper), to_sql(deeper)))
        else:
            made.append(Typed(None if item is None else str(item), to_sql(inner)))
    return made


def _array(reader: Reader, inner: pa.DataType, encoding: Encoding) -> list[Any]:
    dimensions, _, oid = reader.int32(), reader.int32(), reader.uint32()
    if not 0 <= dimensions <= 6:
        raise ProtocolViolation(f"number of array dimensions ({dimensions}) is wrong", sqlstate="54000")
    sizes = [(reader.int32(), reader.int32())[0] for _ in range(dimensions)]
    if any(size < 0 for size in sizes):
        raise ProtocolViolation("an array has a negative dimension", sqlstate="22P03")
    made = _dimension(reader, sizes, inner, oid, encoding) if sizes else []
    reader.end()
    return made


def _dimension(reader: Reader, sizes: list[int], inner: pa.DataType, oid: int, encoding: Encoding) -> list[Any]:
    if len(sizes) > 1:
        deeper = inner if pa.types.is_list(inner) else pa.list_(inner)
        below = deeper.value_type
        rest = sizes[1:]
        return [Typed(_dimension(reader, rest, below, oid, encoding), to_sql(deeper)) for _ in range(sizes[0])]
    made: list[Any] = []
    for _ in range(sizes[0]):
        value = reader.value()
        made.append(Typed(None if value is None else from_binary(value, inner, oid, encoding), to_sql(inner)))
    return made


# ---------------------------------------------------------------- one value


def _whole(data: bytes, oid: int) -> str:
    """A whole number of any width, as a driver may send a narrow one for a wide type; oids have no sign."""
    if len(data) not in (2, 4, 8):
        raise ValueError(f"{len(data)} bytes")
    return str(int.from_bytes(data, "big", signed=oid not in NUMBERED))


def _float(data: bytes, oid: int) -> str:
    return repr(struct.unpack("!f" if len(data) == 4 else "!d", data)[0])


def _float32(data: bytes, oid: int) -> str:
    return (
        str(to_text(pa.array([struct.unpack("!f", data)[0]], pa.float32()))[0]) if len(data) == 4 else _float(data, oid)
    )


def _bool(data: bytes, oid: int) -> str:
    if len(data) != 1:
        raise ValueError(f"{len(data)} bytes")
    return "true" if data[0] else "false"


def _date(data: bytes, oid: int) -> str:
    (days,) = struct.unpack("!i", data)
    ends = abs(days) >= 2**31 - 1
    return _as_text(days if ends else days + DAYS_TO_2000, pa.int32(), pa.date32())


def _timestamp(kind: pa.DataType) -> Callable[[bytes, int], str]:
    def read(data: bytes, oid: int) -> str:
        (micros,) = struct.unpack("!q", data)
        moved = micros if abs(micros) >= 2**63 - 1 else micros + US_TO_2000
        if moved >= 2**63:
            raise OutOfRange("timestamp out of range", sqlstate="22008")
        return _as_text(moved, pa.int64(), kind)

    return read


def _as_text(number: int, stored: pa.DataType, kind: pa.DataType) -> str:
    return str(to_text(pa.array([number], stored).view(kind))[0])


def _time(data: bytes, oid: int) -> str:
    (micros,) = struct.unpack("!q", data)
    if not 0 <= micros <= 86_400_000_000:
        raise ValueError(f"{micros} microseconds")
    if micros == 86_400_000_000:
        return "24:00:00"
    return (dt.datetime.min + dt.timedelta(microseconds=micros)).time().isoformat()


def _interval(data: bytes, oid: int) -> str:
    micros, days, months = struct.unpack("!qii", data)
    return f"{months} months {days} days {micros} microseconds"


_NO_NUMBERS = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
"""By the place of the sign."""


def _numeric(data: bytes, oid: int) -> str:
    count, weight, sign, scale = struct.unpack_from("!hhHH", data)
    if len(data) != 8 + 2 * count:
        raise ValueError(f"{len(data)} bytes")
    if sign not in (0, 0x4000, *_NO_NUMBERS):
        raise ValueError(f"the sign is {sign}")
    if sign in _NO_NUMBERS:
        return _NO_NUMBERS[sign]
    groups = struct.unpack_from(f"!{count}h", data, 8)
    if any(not 0 <= group < 10_000 for group in groups):
        raise ValueError("a digit is above 9999")
    whole = "".join(f"{groups[i] if i < count else 0:04d}" for i in range(weight + 1))
    after = "".join(f"{groups[i] if 0 <= i < count else 0:04d}" for i in range(weight + 1, weight + 1 + -(-scale // 4)))
    text = (whole.lstrip("0") or "0") + (f".{after[:scale]}" if scale else "")
    return "-" + text if sign else text


def _bytes(data: bytes, oid: int) -> str:
    return "\\x" + data.hex()


def _uuid(data: bytes, oid: int) -> str:
    return str(uuid.UUID(bytes=data))


_READERS: dict[Any, Callable[[bytes, int], str]] = {
    pa.bool_(): _bool,
    pa.int16(): _whole,
    pa.int32(): _whole,
    pa.int64(): _whole,
    pa.float32(): _float32,
    pa.float64(): _float,
    "numeric": _numeric,
    pa.binary(): _bytes,
    pa.date32(): _date,
    pa.time64("us"): _time,
    TIMESTAMP: _timestamp(TIMESTAMP),
    TIMESTAMPTZ: _timestamp(TIMESTAMPTZ),
    INTERVAL: _interval,
    UUID: _uuid,
}
