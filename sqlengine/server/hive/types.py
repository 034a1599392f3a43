"""Types as clients of Hive know them: Arrow's to TTypeId with its qualifiers, names, and numbers of JDBC."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.hive_types import from_arrow
from sqlengine.quick_dataclass import dataclass
from sqlengine.server.hive.thrift import I32, LIST, MAP, STRUCT, field, i32, listed, mapped, number, string, struct

V6, V8, V11 = 5, 7, 10
"""TProtocolVersion: V6 brought columns, V8 intervals, V11 times with a zone."""


@dataclass(frozen=True, slots=True)
class HiveType:
    """`number`: TTypeId; `java`: of java.sql.Types; `digits`, `scale`: of numbers, the most they have."""

    name: str
    number: int
    java: int
    digits: int | None = None
    scale: int | None = None
    is_complex: bool = False


BOOLEAN = HiveType("BOOLEAN", 0, 16)
TINYINT = HiveType("TINYINT", 1, -6, 3, 0)
SMALLINT = HiveType("SMALLINT", 2, 5, 5, 0)
INT = HiveType("INT", 3, 4, 10, 0)
BIGINT = HiveType("BIGINT", 4, -5, 19, 0)
FLOAT = HiveType("FLOAT", 5, 6, 7, 7)
DOUBLE = HiveType("DOUBLE", 6, 8, 15, 15)
STRING = HiveType("STRING", 7, 12)
TIMESTAMP = HiveType("TIMESTAMP", 8, 93)
BINARY = HiveType("BINARY", 9, -2)
ARRAY = HiveType("ARRAY", 10, 2003, is_complex=True)
MAP_ = HiveType("MAP", 11, 2000, is_complex=True)
STRUCT_ = HiveType("STRUCT", 12, 2002, is_complex=True)
DECIMAL = HiveType("DECIMAL", 15, 3, 38, 38)
VOID = HiveType("VOID", 16, 0)
DATE = HiveType("DATE", 17, 91)
INTERVAL_DAY_TIME = HiveType("INTERVAL_DAY_TIME", 21, 1111)
TIMESTAMPLOCALTZ = HiveType("TIMESTAMP WITH LOCAL TIME ZONE", 22, 1111)

HIVE_TYPES = (
    VOID,
    BOOLEAN,
    TINYINT,
    SMALLINT,
    INT,
    BIGINT,
    FLOAT,
    DOUBLE,
    STRING,
    DATE,
    TIMESTAMP,
    TIMESTAMPLOCALTZ,
    INTERVAL_DAY_TIME,
    BINARY,
    DECIMAL,
    ARRAY,
    MAP_,
    STRUCT_,
)
"""Those that columns of results have."""

_NUMBERS = {
    pa.bool_(): BOOLEAN,
    pa.int8(): TINYINT,
    pa.uint8(): SMALLINT,
    pa.int16(): SMALLINT,
    pa.uint16(): INT,
    pa.int32(): INT,
    pa.uint32(): BIGINT,
    pa.int64(): BIGINT,
    pa.float16(): FLOAT,
    pa.float32(): FLOAT,
    pa.float64(): DOUBLE,
    pa.null(): VOID,
}


def hive_type(kind: pa.DataType, protocol: int = V11) -> HiveType:
    """The type under which a column is told; what Hive has no type for is STRING."""
    if pa.types.is_dictionary(kind):
        return hive_type(kind.value_type, protocol)
    found = _NUMBERS.get(kind)
    if found is not None:
        return found
    if pa.types.is_decimal(kind) or kind == pa.uint64():
        return DECIMAL
    if pa.types.is_date(kind):
        return DATE
    if pa.types.is_timestamp(kind):
        return TIMESTAMPLOCALTZ if kind.tz is not None and protocol >= V11 else TIMESTAMP
    if pa.types.is_duration(kind):
        return INTERVAL_DAY_TIME if protocol >= V8 else STRING
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return BINARY
    if pa.types.is_map(kind):
        return MAP_
    if pa.types.is_struct(kind):
        return STRUCT_
    return ARRAY if pa.types.is_nested(kind) else STRING


def precision(kind: pa.DataType) -> tuple[int, int]:
    """Digits and scale of a column told as DECIMAL."""
    return (20, 0) if kind == pa.uint64() else (kind.precision, kind.scale)


def type_name(kind: pa.DataType) -> str:
    """The name in metadata: INT, and array<int>, decimal(10,2) in full."""
    found = hive_type(kind)
    if found.is_complex:
        return str(from_arrow(kind))
    return "DECIMAL" if found is DECIMAL else found.name


def column_size(kind: pa.DataType) -> int | None:
    """What COLUMN_SIZE tells: digits, characters, or None."""
    found = hive_type(kind)
    if found is DECIMAL:
        return precision(kind)[0]
    return found.digits if found.digits is not None else _CHARACTERS.get(found.name)


_CHARACTERS = {"STRING": 2**31 - 1, "BINARY": 2**31 - 1, "DATE": 10, "TIMESTAMP": 29, "BOOLEAN": 1}


def decimal_digits(kind: pa.DataType) -> int | None:
    """What DECIMAL_DIGITS tells: digits behind the point."""
    found = hive_type(kind)
    if found is DECIMAL:
        return precision(kind)[1]
    return 9 if found is TIMESTAMP else found.scale


# ---------------------------------------------------------------- as bytes


def table_schema(schema: pa.Schema, protocol: int) -> bytes:
    """TTableSchema."""
    columns = [
        struct(
            string(1, found.name), field(STRUCT, 2, _type_desc(found.type, protocol)), i32(3, position), string(4, "")
        )
        for position, found in enumerate(schema, 1)
    ]
    return struct(field(LIST, 1, listed(STRUCT, columns)))


def _type_desc(kind: pa.DataType, protocol: int) -> bytes:
    """TTypeDesc: complex types are told by their outermost kind alone, as Hive does."""
    found = hive_type(kind, protocol)
    qualifiers = None
    if found is DECIMAL:
        digits, scale = precision(kind)
        values = {"precision": _i32_value(digits), "scale": _i32_value(scale)}
        qualifiers = struct(field(MAP, 1, mapped(STRUCT, values)))
    primitive = struct(i32(1, found.number), field(STRUCT, 2, qualifiers))
    return struct(field(LIST, 1, listed(STRUCT, [struct(field(STRUCT, 1, primitive))])))


def _i32_value(value: int) -> bytes:
    return struct(field(I32, 1, number(I32, value)))
